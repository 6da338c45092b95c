"""The same three pairs in every layout of files, with the reader of each."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from eval.data.hub import HubFiles
from eval.data.readers.base import Expected, PairReader
from eval.data.readers.files import LocalFiles
from eval.data.readers.parquet import ParquetReader
from eval.data.readers.pictures import PicturesReader, ZipReader
from eval.data.readers.tars import TwoTarsReader, WebDatasetReader
from tests.support.pair_files import png

REPO = "org/pairs"
ANY = Expected("Test")


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def parqueted(rows: list[dict[str, object]], rows_per_group: int = 1) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream, row_group_size=rows_per_group)
    return stream.getvalue()


PAIRS = {f"{half}/{i}.png": png(24, 16, i) for i in (1, 2, 10) for half in ("low", "high")}
ROWS = [
    {
        "id": str(i),
        "low": {"bytes": PAIRS[f"low/{i}.png"], "path": "x"},
        "high": PAIRS["high/1.png"],
    }
    for i in (1, 2, 10)
]

Make = Callable[[HubFiles | LocalFiles], PairReader]
KINDS: dict[str, tuple[dict[str, bytes], Make]] = {
    "pictures": (PAIRS, lambda files: PicturesReader(files, ANY, "low/*.png", "high/*.png")),
    "metadata": (
        {
            **PAIRS,
            "metadata.jsonl": b"\n".join(
                json.dumps(
                    {"id": i, "low_file_name": f"low/{i}.png", "high_file_name": f"high/{i}.png"}
                ).encode()
                for i in (1, 2, 10)
            ),
        },
        lambda files: PicturesReader(files, ANY, "low", "high"),
    ),
    "zip": (
        {"all.zip": zipped({f"lol/{name}": content for name, content in PAIRS.items()})},
        lambda files: ZipReader(files, ANY, "all.zip", "lol/low/*.png", "lol/high/*.png"),
    ),
    "parquet": (
        {"data/test-0.parquet": parqueted(ROWS), "data/train-0.parquet": b"not looked at"},
        lambda files: ParquetReader(files, ANY, "low", "high"),
    ),
    "tars": (
        {
            "data/lr.tar.gz": tarred({f"lr/{i}x1.png": PAIRS[f"low/{i}.png"] for i in (1, 2, 10)}),
            "data/hr.tar.gz": tarred({f"hr/{i}.png": PAIRS[f"high/{i}.png"] for i in (10, 2, 1)}),
        },
        lambda files: TwoTarsReader(files, ANY, "data/lr.tar.gz", "data/hr.tar.gz"),
    ),
    "webdataset": (
        {
            "shard-0.tar": tarred(
                {
                    f"{i}.{half}.png": PAIRS[f"{half}/{i}.png"]
                    for i in (1, 2)
                    for half in ("low", "high")
                },
                "w",
            ),
            "shard-1.tar.gz": tarred(
                {f"10.{half}.png": PAIRS[f"{half}/10.png"] for half in ("low", "high")}
            ),
        },
        lambda files: WebDatasetReader(files, ANY, "low.png", "high.png"),
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def check(reader: PairReader) -> None:
    items = reader.items()
    assert [item.id for item in items] == ["1", "2", "10"]
    for item in items:
        pair = reader.load(item)
        assert pair.target is not None and pair.degraded.pixels.shape == (24, 16, 3)
        wanted = png(24, 16, int(item.id))
        assert pair.degraded_sha256 == hashlib.sha256(wanted).hexdigest()
