"""Figures for papers: real pixels, scores and hashes, in PNG and PDF."""

import io
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from eval.analysis.pictures import stored_pictures
from eval.reports import crops as crops_module
from eval.reports.crops import GAP_PX, Box, publication_crop
from mirnet.errors import InvalidRequest
from tests.support.pair_files import png
from tests.support.runs_factory import method, write_run

BOX = Box(20, 10, 30, 24)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    names = ("identity", "ours")
    made = write_run(
        tmp_path_factory.mktemp("runs"), pairs=1,
        methods=tuple(method(name, title=f"$x_1$ {name}") for name in names), thumbs=True,
    )  # fmt: skip
    for number, row in enumerate(made.rows()):
        for sha256 in (row.degraded_sha256, row.output_sha256, row.target_sha256):
            made.output(str(sha256)).parent.mkdir(exist_ok=True)
            made.output(str(sha256)).write_bytes(png(80, 120, number))
    return made


def crops(stored) -> list[np.ndarray]:
    found = stored_pictures(stored, [row for row in stored.rows() if row.pair == "p0000"])
    part = slice(BOX.top, BOX.top + BOX.height), slice(BOX.left, BOX.left + BOX.width)
    return [found[name][part] for name in ("input", "identity", "ours", "target")]


@pytest.mark.parametrize("enlarge", [1, 5])
def test_a_png_has_the_stored_pixels_repeated(stored, enlarge):
    content = publication_crop(stored, "p0000", BOX, enlarge=enlarge, dpi=150)
    image = Image.open(io.BytesIO(content))
    assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    assert "protocol rgb/1" in image.info["Description"]
    assert stored.rows()[0].degraded_sha256[:12] in image.info["Description"]
    drawn = np.asarray(image.convert("RGB"))
    left = round(BOX.height * enlarge * 120 / 80) + GAP_PX
    for crop in crops(stored):
        wanted = crop.repeat(enlarge, 0).repeat(enlarge, 1)
        found = drawn[: wanted.shape[0], left : left + wanted.shape[1]]
        assert (found == wanted).all()
        left += wanted.shape[1] + GAP_PX


def test_a_pdf_holds_the_pixels_without_loss_and_text_as_text(stored):
    content = publication_crop(stored, "p0000", BOX, format="pdf")
    streams = []
    for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            streams.append(zlib.decompress(match[1]))
        except zlib.error:
            continue
    assert b"/DCTDecode" not in content
    assert b"/Type /Font" in content
    for crop in crops(stored):
        orders = (crop.tobytes(), crop[::-1].tobytes())  # PDF counts rows from below
        assert any(_png_pixels(stream, crop.shape) in orders for stream in streams)


def _png_pixels(stream: bytes, shape: tuple[int, ...]) -> bytes:
    """Pixels of a stream with PNG's row filters, as PDF's predictor 10 has it; b"" for others."""
    height, width, channels = shape
    row = width * channels
    if len(stream) == height * row:
        return stream
    if len(stream) != height * (row + 1):
        return b""
    head = io.BytesIO()
    Image.new("RGB", (width, height)).save(head, "PNG")
    start = head.getvalue()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    png = start[: 8 + 25] + chunk(b"IDAT", zlib.compress(stream)) + chunk(b"IEND", b"")
    return Image.open(io.BytesIO(png)).tobytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"box": Box(100, 0, 30, 10)}, "not inside a picture of 120 x 80"),
        ({"format": "gif"}, "png or pdf"),
        ({"enlarge": 99}, "1 to 16 times"),
        ({"dpi": 10**6}, "72 to 1200 dpi"),
        ({"methods": ["nobody"]}, "'nobody' is not stored here"),
        ({"pair": "p9"}, "has no picture 'p9'"),
    ],
)
def test_what_cannot_be_drawn_is_told(stored, change, told):
    given = {"pair": "p0000", "box": BOX} | change
    with pytest.raises(InvalidRequest, match=told):
        publication_crop(stored, given.pop("pair"), given.pop("box"), **given)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,0,4", "-1,2,3,4", "1e3,2,3,4", "a,b,c,d"])
def test_a_box_is_four_whole_numbers(text):
    with pytest.raises(InvalidRequest, match="left,top,width,height"):
        Box.parse(text)


def test_a_figure_is_not_larger_than_memory(stored, monkeypatch):
    monkeypatch.setattr(crops_module, "MAX_PIXELS", 10_000)
    with pytest.raises(InvalidRequest, match="megapixels, more than"):
        publication_crop(stored, "p0000", BOX)
