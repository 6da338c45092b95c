"""Make a data set for the Hugging Face Hub out of a benchmark's pairs, and upload it.

    FOLDER/README.md                           data card: licence, protocol, origin, citation, hash
    FOLDER/data/test-00000-of-00001.parquet    id, degraded, target, width, height, two hashes

Picture files are kept byte for byte. A row group holds one pair unless asked otherwise, and no page
is compressed again, so that reading N pairs over the network costs about the bytes of N pairs: a
subset spread over the set would fetch every group of several pairs for one of them.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirnet.errors import InvalidRequest
from mirnet.files import replacing
from mirnet.hub import hub_endpoint, is_offline, upload_problem
from mirnet.metrics.protocols import get_protocol

from .benchmarks import Benchmark
from .hub import ANSWER_SECONDS
from .pairs import BenchmarkUnavailable, Item
from .range_file import call_within
from .reader_factory import open_benchmark
from .readers.base import Expected, PairReader
from .readers.files import LocalFiles
from .readers.parquet import ParquetReader
from .subsets import subset

DATA_FILE = "data/test-00000-of-00001.parquet"
"""Path of the pairs in the folder; `datasets` reads it as the split 'test'."""
_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SUFFIXES = {
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpg",
    b"BM": "bmp",
    b"II*\0": "tif",
    b"MM\0*": "tif",
}


@dataclass(frozen=True)
class PackReport:
    """Report of a packed data set."""

    folder: Path
    """Packed folder, ready to be uploaded."""
    repo: str
    """Data set on the Hub that the folder is meant for."""
    pairs: int
    """Number of pairs."""
    bytes: int
    """Size of all files in bytes."""
    sha256: str
    """Hash over the ids and both hashes of every pair, in order."""


def pack(
    benchmark: Benchmark,
    target: Path,
    repo: str,
    *,
    folder: Path | None = None,
    offline: bool = False,
    n: int | None = None,
    seed: int = 0,
    rows_per_group: int = 1,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> PackReport:
    """Pack pairs into a new folder that the Hub and `datasets` read as a data set of image pairs.

    Every pair is read and checked first, and the finished file is read back before it takes its
    place: a folder that exists afterwards is whole.

    Args:
        benchmark: Benchmark whose pairs are packed and described in the card.
        target: Folder to create; must not exist yet, or be empty.
        repo: Data set on the Hub that the folder is meant for, as 'org/name'.
        folder: Local copy of the pairs, in place of the benchmark's own source.
        offline: Use only what was fetched before.
        n: Number of pairs to pack, spread over the set; None for all.
        seed: Seed of the choice of pairs.
        rows_per_group: Pairs fetched together by whoever reads the set.
        progress: Called with the number of pairs done and the total.

    Raises:
        InvalidRequest: The folder is taken, the disk full, the name no name of a data set, or the
            benchmark has no truth to pack.
        BenchmarkUnavailable: A pair cannot be read.
    """
    _check_request(benchmark, target, repo, rows_per_group)
    reader = open_benchmark(benchmark, folder, offline)
    items = reader.items()
    chosen = items if n is None else subset(items, n, seed)
    with _in_place(target) as made:
        rows = _write(reader, chosen, made / DATA_FILE, rows_per_group, progress)
        digest = hashlib.sha256("".join(f"{' '.join(row)}\n" for row in rows).encode()).hexdigest()
        _read_back(benchmark, made, rows)
        card = _card(benchmark, repo, reader.revision, (len(rows), len(items)), digest)
        (made / "README.md").write_text(card, encoding="utf-8")
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    return PackReport(target, repo, len(rows), size, digest)


def push(folder: Path, repo: str, private: bool = False) -> str:
    """Upload a packed folder to the Hub, as one commit.

    Args:
        repo: Data set as 'org/name'; created where it does not exist.
        private: Whether a new data set is hidden from others.

    Returns:
        Hash of the new commit.

    Raises:
        InvalidRequest: The folder holds no packed set, or the name is no name of a data set.
        BenchmarkUnavailable: The Hub cannot be reached, or does not let you write there.
    """
    from huggingface_hub import HfApi

    _check_repo(repo)
    if not (folder / DATA_FILE).is_file() or not (folder / "README.md").is_file():
        raise InvalidRequest(f"{folder} holds no packed set: make it with `python -m eval pack`.")
    if is_offline():
        raise BenchmarkUnavailable("HF_HUB_OFFLINE is set, so nothing is uploaded: unset it.")
    api = HfApi(endpoint=hub_endpoint())
    try:
        call_within(
            ANSWER_SECONDS,
            lambda: api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True),
        )
        done = api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Add packed pairs",
        )
    except Exception as error:
        raise BenchmarkUnavailable(
            upload_problem(error, repo, f"{folder} stays as it is")
        ) from error
    return str(done.oid)


def _check_repo(repo: str) -> None:
    if not _REPO.fullmatch(repo):
        raise InvalidRequest(f"{repo!r} is no name of a data set on the Hub: write org/name.")


def _check_request(benchmark: Benchmark, target: Path, repo: str, rows_per_group: int) -> None:
    _check_repo(repo)
    if not benchmark.ground_truth:
        raise InvalidRequest(
            f"{benchmark.title} keeps its truth hidden: there are no pairs to pack, so choose "
            "another benchmark."
        )
    if rows_per_group < 1:
        raise InvalidRequest(f"Row groups of {rows_per_group} pairs cannot be: choose 1 or more.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidRequest(
            f"{target} is there already: name a folder that does not exist yet, or remove it."
        )


@contextlib.contextmanager
def _in_place(target: Path) -> Iterator[Path]:
    """Yield a folder that replaces the target on success and is removed on failure."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as part:
            part.mkdir()
            yield part
    except OSError as error:
        raise InvalidRequest(
            f"{target} could not be written ({error.strerror or error}): make room, or name "
            "another folder."
        ) from error


def _write(
    reader: PairReader,
    items: Sequence[Item],
    path: Path,
    rows_per_group: int,
    progress: Callable[[int, int], None],
) -> list[tuple[str, str, str]]:
    """Write the Parquet file; returns id and both hashes of every row."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features, Image, Value

    text, number = Value("string"), Value("int32")
    features = Features(
        {
            "id": text,
            "degraded": Image(),
            "target": Image(),
            "width": number,
            "height": number,
            "degraded_sha256": text,
            "target_sha256": text,
        }
    )
    rows: list[tuple[str, str, str]] = []
    group: list[dict[str, Any]] = []
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(
        path,
        features.arrow_schema,
        compression="none",
        use_dictionary=False,
        write_statistics=["id"],
        write_page_checksum=True,
    ) as writer:
        for done, item in enumerate(items, 1):
            row = _row(reader, item)
            rows.append((row["id"], row["degraded_sha256"], row["target_sha256"]))
            group.append(row)
            if len(group) == rows_per_group or done == len(items):
                writer.write_table(pa.Table.from_pylist(group, schema=features.arrow_schema))
                group = []
            progress(done, len(items))
    return rows


def _row(reader: PairReader, item: Item) -> dict[str, Any]:
    pair = reader.load(item)
    degraded, target = reader.originals(item)
    if pair.target is None or target is None:
        raise InvalidRequest(f"Pair {item.id} has no target: only complete pairs are packed.")
    return {
        "id": item.id,
        "degraded": {"bytes": degraded, "path": f"degraded-{item.id}.{_suffix(degraded)}"},
        "target": {"bytes": target, "path": f"target-{item.id}.{_suffix(target)}"},
        "width": pair.target.width,
        "height": pair.target.height,
        "degraded_sha256": hashlib.sha256(degraded).hexdigest(),
        "target_sha256": hashlib.sha256(target).hexdigest(),
    }


def _suffix(content: bytes) -> str:
    return next((name for mark, name in _SUFFIXES.items() if content.startswith(mark)), "webp")


def _read_back(benchmark: Benchmark, folder: Path, rows: list[tuple[str, str, str]]) -> None:
    """Read every pair as a user of the data set does; the reader compares the hashes."""
    expected = Expected(benchmark.title, benchmark.scale, benchmark.same_size, len(rows))
    packed = ParquetReader(LocalFiles(folder), expected, "degraded", "target")
    for item, row in zip(packed.items(), rows, strict=True):
        pair = packed.load(item)
        if (pair.id, pair.degraded_sha256, pair.target_sha256) != row:
            raise InvalidRequest(
                f"Pair {row[0]} reads differently than it was packed: the disk or the memory of "
                "this machine is at fault, and nothing was kept."
            )


def _card(
    benchmark: Benchmark, repo: str, revision: str, pairs: tuple[int, int], digest: str
) -> str:
    from huggingface_hub import DatasetCardData

    about = DatasetCardData(
        pretty_name=benchmark.title,
        license="other",
        license_name="see-below",
        task_categories=["image-to-image"],
        tags=["image-restoration", benchmark.task],
        configs=[
            {"config_name": "default", "data_files": [{"split": "test", "path": "data/test-*"}]}
        ],
    )
    protocols = "\n".join(
        f"- `{protocol.name}` ({protocol.title}): {protocol.meaning}"
        for protocol in map(get_protocol, benchmark.protocols)
    )
    origin = (
        f"the data set [{benchmark.source.repo}](https://huggingface.co/datasets/"
        f"{benchmark.source.repo}) at `{revision}`"
        if benchmark.source.repo and re.fullmatch(r"[0-9a-f]{40}", revision)
        else f"local files (hash over their names and sizes `{revision}`)"
    )
    official = (
        "These are the pictures that papers report on."
        if benchmark.official
        else "**Not official**: not the pictures, or not the files, that papers report on."
    )
    kind = "**Synthetic**: the degradation was simulated." if benchmark.synthetic else "Real pairs."
    count = f"{pairs[0]} pairs" if pairs[0] == pairs[1] else f"{pairs[0]} of {pairs[1]} pairs"
    columns = json.dumps({"id": "0001", "degraded": "image", "target": "image"})
    return f"""---
{about.to_yaml()}
---

# {benchmark.title}

{count} of a degraded picture and its truth for image restoration ({benchmark.task}, scale
{benchmark.scale}{", both of one size" if benchmark.same_size else ""}). {official} {kind}

{benchmark.note}

- **Licence of the pictures**: {benchmark.licence}. Packing them gives nobody a right to pass
  them on that the licence does not give.
- **Origin**: {origin}. Files are byte for byte those of the origin; pictures that had no file of
  their own (blocks of a .mat file, added noise) are PNG.
- **Cite**: {benchmark.citation or "unknown"}
- **SHA-256 of the set**: `{digest}`, over a line `id degraded_sha256 target_sha256` for each pair.

## How it is scored

{protocols}

## How it is read

```python
from datasets import load_dataset

pairs = load_dataset("{repo}", split="test")  # rows like {columns}
```

Columns: `id`; `degraded` and `target`, images; `width` and `height` of the target in pixels;
`degraded_sha256` and `target_sha256` of the files.
"""
