"""Hostile photos: small files that cost much, files that are two things at once, and the fuzzer."""

import io
import os
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib

import numpy as np
import psutil
import pytest
from PIL import Image

from mirnet.errors import ImageRejected
from mirnet.images import limits as image_bombs
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from tests.support import fuzz_image
from tests.support.fuzz_files import KINDS, corpus
from tests.support.heif_boxes import ALPHA, grid, heif, nested, picture, size
from tests.support.paths import ROOT
from tests.support.picture_files import (
    A8,
    A16,
    SRGB,
    check,
    chunk,
    exif_bytes,
    rejected,
    saved,
    saved_heic,
    tiff,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

DOT = Image.new("L", (8, 8))
PHOTO = Image.fromarray(A8[3])
PLAIN_TAGS = [(256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
              (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 4), (279, 4, 1, 16)]  # fmt: skip
"""Of a grey TIFF file of 4 x 4 pixels."""


def directory(tags, rest: bytes = b"", follow: int = 0) -> bytes:
    """A little-endian TIFF structure of one directory."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + struct.pack("<I", follow) + rest


def greedy(count: int, size: int, tags=(), kind: int = 7) -> bytes:
    """Many tags that each claim the same large value."""
    return directory([*tags, *((1000 + n, kind, size, 8) for n in range(count))], bytes(size))


def in_png(name: bytes, body: bytes) -> bytes:
    data = saved(DOT, "PNG")
    return data[:33] + chunk(name, body) + data[33:]


def peak_bytes(work) -> int:
    """Most memory that Python objects took meanwhile."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def outcome(data: bytes):
    try:
        return read_image(data)
    except ImageRejected as error:
        return error


# ---------------------------------------------------------------- bombs


def many_passes(count: int) -> bytes:
    """A progressive JPEG file that draws its last pass over and over."""
    data = saved(Image.new("L", (64, 64)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + b"\xff\xd9"


def many_directories(count: int) -> bytes:
    """Directories that lie in each other, with as many tags as can be said."""
    width = 2 + 12 * 65535
    data = bytearray(b"\xff" * (8 + 16 * count + width + 16))
    data[:8] = b"II*\0" + struct.pack("<I", 8)
    for number in range(count):
        link = 8 + 16 * number + width
        follow = 8 + 16 * (number + 1) if number < count - 1 else 0
        data[link : link + 4] = struct.pack("<I", follow)
    return bytes(data)


def run_length_bmp(rows: int) -> bytes:
    """A BMP file in runs of one pixel."""
    body = (b"\x01\x00" * 4000 + b"\0\0") * rows + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, 4000, rows, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + head + bytes(1024) + body


JPEG = saved(DOT, "JPEG")
BOMBS = {
    "a JPEG file in 1,000 passes": (many_passes(1000), "passes"),
    "a JPEG file of 100,000 markers": (JPEG[:2] + b"\xff\xe1\0\2" * 100_000 + JPEG[2:], "markers"),
    "a PNG file of 20,000 chunks": (
        saved(DOT, "PNG")[:33] + chunk(b"abCd", b"") * 20_000 + saved(DOT, "PNG")[33:], "chunks"),
    "a TIFF file of a million tags": (many_directories(20), "too many tags"),
    "TIFF tags that each claim the file": (greedy(200, 10**6, PLAIN_TAGS), "claim more"),
    "a BMP file of single runs": (run_length_bmp(1100), "runs"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_that_cost_much_are_refused_at_once(name, monkeypatch):
    monkeypatch.setattr(image_bombs, "MAX_CHUNKS", 10_000)
    data, why = BOMBS[name]
    peak = peak_bytes(lambda: rejected(data, "The picture"))
    assert why in str(outcome(data).__cause__)
    assert peak < 3 * len(data) + 10_000_000


def test_repeated_markers_cost_one_copy_of_the_file_together():
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    began = time.process_time()
    read = read_image(JPEG[:2] + comment * 300 + b"\xff\xd8" * 4600 + JPEG[2:])
    assert time.process_time() - began < 3  # one copy for each marker: 90 GB
    assert read.width == 8


def test_real_files_are_below_every_limit():
    check(read_image(saved(PHOTO, "PNG", exif=exif_bytes(1), icc_profile=SRGB)), A8[3])
    progressive = saved(PHOTO, "JPEG", progressive=True, exif=exif_bytes(6), icc_profile=SRGB)
    assert read_image(progressive).exif is not None
    assert read_image(many_passes(100)).width == 64
    check(read_image(tiff(A16[3], bigtiff=True, compression="deflate")), A16[3])
    small = run_length_bmp(2)
    assert read_image(small).width == 4000


def tiled(rows: int, columns: int, width: int, height: int, said: bytes) -> bytes:
    """A HEIC file whose picture is one tile, over and over."""
    items = [(1, b"grid", grid(rows, columns, width, height), [4]), picture(2)]
    return heif(items, [size(64, 64), said], [(b"dimg", 1, [2] * rows * columns)])


HEIC_LIES = {
    "more pixels than allowed": (heif([picture()], [size(60_000, 60_000)]), "100: crop or down"),
    "no pixels": (heif([picture()], [size(0, 0)]), "damaged"),
    "fewer pixels than it has": (heif([picture()], [size(8, 8)]), "damaged"),
    "a large grid said to be small": (tiled(1, 1, 40_000, 40_000, size(64, 64)), "damaged"),
    "a grid of thousands of tiles": (tiled(160, 160, 64, 64, size(64, 64)), "damaged"),
    "grids in a circle": (
        heif([(n, b"grid", grid(1, 1, 64, 64), [3]) for n in (1, 2)], [size(64, 64)],
             [(b"dimg", 1, [2]), (b"dimg", 2, [1])]), "damaged"),
    "an opacity of 256 megapixels": (
        heif([picture(), (2, b"grid", grid(250, 250, 16_000, 16_000), [4, 5]), picture(3)],
             [size(64, 64), size(16_000, 16_000), ALPHA],
             [(b"auxl", 2, [1]), (b"dimg", 2, [3] * 62_500)]), "damaged"),
    "data that is repeated": (heif([picture()], [size(64, 64)], repeat=65_535), "damaged"),
    "data behind its end": (heif([picture()], [size(64, 64)], offset=2**31), "damaged"),
    "an item that is not there": (heif([picture()], [size(64, 64)], primary=7), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("lie", HEIC_LIES)
def test_heic_files_that_lie_are_refused(lie):
    data, words = HEIC_LIES[lie]
    before = psutil.Process().memory_info().rss
    assert words in str(rejected(data, "The picture"))
    assert psutil.Process().memory_info().rss - before < 100_000_000


def test_grids_in_heic_files_are_read_and_nested_ones_end():
    true = read_image(heif([picture()], [size(64, 64)]))
    four = read_image(tiled(2, 2, 128, 128, size(128, 128)))
    assert np.array_equal(four.pixels, np.tile(true.pixels, (2, 2, 1)))
    assert np.array_equal(read_image(nested(2, 4)).pixels, true.pixels)


HUNGRY = greedy(200, 10**6)
RAW_PROFILE = f"\nexif\n{len(HUNGRY[:400_000])}\n{HUNGRY[:400_000].hex()}"
CARRIERS = {
    "PNG": lambda: in_png(b"eXIf", HUNGRY),
    "PNG, as text": lambda: in_png(
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(RAW_PROFILE.encode())
    ),
    "WebP": lambda: saved(PHOTO, "WEBP", exif=b"Exif\0\0" + HUNGRY),
    "JPEG": lambda: saved(PHOTO, "JPEG", exif=b"Exif\0\0" + greedy(2000, 40_000)[:65_000]),
    "HEIC": lambda: saved_heic(A8[3], exif=b"Exif\0\0" + HUNGRY),
    "AVIF": lambda: saved(PHOTO, "AVIF", exif=b"Exif\0\0" + HUNGRY),
    "through its link": lambda: in_png(
        b"eXIf", directory([(0x8769, 4, 1, 26)], greedy(200, 10**6)[8:])
    ),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_exif_that_claims_more_than_it_has_is_dropped(name):
    """Pillow would copy one megabyte two hundred times."""
    data = CARRIERS[name]()

    def through() -> None:
        picture = outcome(data)
        if name == "AVIF":  # which Pillow cannot open without reading it
            assert isinstance(picture, ImageRejected)
            return
        assert picture.exif is None
        for target in SAVE_FORMATS:
            encode_image(picture, target)

    assert peak_bytes(through) < 40_000_000


@pytest.mark.parametrize("text", [b"iCCP", b"zTXt"])
def test_packed_metadata_is_not_unpacked_without_end(text):
    data = in_png(text, b"a\0\0" + zlib.compress(bytes(100_000_000)))
    assert peak_bytes(lambda: outcome(data)) < 20_000_000


def packbits(array: np.ndarray) -> bytes:
    """A 16-bit TIFF file in PackBits runs (TIFF 6.0, section 9), rows apart."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    body, offsets, counts = b"", [], []
    for row in array.astype("<u2"):
        raw = row.tobytes()
        packed = b"".join(
            bytes([len(raw[at : at + 128]) - 1]) + raw[at : at + 128]
            for at in range(0, len(raw), 128)
        )
        offsets.append(8 + len(body))
        counts.append(len(packed))
        body += packed
    body += b"\0" * (len(body) % 2)
    at = 8 + len(body)
    lists = struct.pack(f"<{2 * height}I", *offsets, *counts) + struct.pack("<4H", *[16] * 4)
    bits = (258, 3, channels, at + 8 * height) if channels > 2 else (258, 3, 1, 16)
    tags = [(256, 4, 1, width), (257, 4, 1, height), bits, (259, 3, 1, 32773),
            (262, 3, 1, 2 if channels > 2 else 1), (273, 4, height, at),
            (277, 3, 1, channels), (278, 4, 1, 1), (279, 4, height, at + 4 * height)]  # fmt: skip
    if channels == 4:
        tags.append((338, 3, 1, 2))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    start = 8 + len(body) + len(lists)
    head = b"II*\0" + struct.pack("<I", start)
    return head + body + lists + struct.pack("<H", len(tags)) + entries + b"\0" * 4


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_packed_runs_are_read_exactly(channels):
    check(read_image(packbits(A16[channels])), A16[channels])


def test_directories_are_looked_at_without_their_values():
    stream = io.BytesIO(saved(PHOTO, "TIFF"))
    image_bombs.check_directories(stream)
    assert stream.tell() == 0
    for start in (
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\0\1",
        b"II+\0" + bytes(12),
    ):
        assert image_bombs.is_modest(start)
    loop = directory([(0x8769, 4, 1, 8)], follow=8)
    assert image_bombs.is_modest(loop)


# ---------------------------------------------------------------- two things at once


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("evil.html", "<script>window.pwned=1</script>")
    return file.getvalue()


PAYLOAD = b"<script>window.pwned=1</script>"
POLYGLOTS = {
    "PNG and web page": saved(PHOTO, "PNG") + PAYLOAD,
    "JPEG and ZIP": saved(PHOTO, "JPEG") + zipped(),
    "JPEG with a script as comment": saved(PHOTO, "JPEG", comment=PAYLOAD),
    "PNG with a script as text": in_png(b"tEXt", b"Comment\0" + PAYLOAD),
    "WebP and PDF": saved(PHOTO, "WEBP") + b"%PDF-1.7 " + PAYLOAD,
    "BMP and script": saved(PHOTO, "BMP") + PAYLOAD,
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_a_picture_that_is_something_else_too_leaves_the_rest_behind(name):
    picture = read_image(POLYGLOTS[name])
    for target in SAVE_FORMATS:
        written = encode_image(picture, target)
        assert PAYLOAD not in written and b"evil.html" not in written
        assert not zipfile.is_zipfile(io.BytesIO(written))


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (b"GIF89a/*", "GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>", "SVG"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><svg/>", "SVG"),
        (b"<!DOCTYPE html>", "web page"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"#!/bin/sh\n", "of no kind that is known"),
    ],
)
def test_a_picture_behind_another_beginning_is_no_picture(start, word):
    rejected(start + saved(PHOTO, "PNG"), word)
    rejected(start + saved(PHOTO, "JPEG"), word)


def test_what_is_said_of_a_file_holds_nothing_out_of_it():
    """Found by atheris: the number of bits was a text, and the refusal told it."""
    tags = [tag for tag in PLAIN_TAGS if tag[0] != 258] + [(258, 2, 40, 8)]
    text = rejected(directory(tags, bytes(40)), "damaged")
    assert "II*" not in text and text.isprintable()


# ---------------------------------------------------------------- the fuzzer


def test_five_hundred_inputs_of_the_fuzzer_find_nothing():
    outcomes, findings = fuzz_image.fuzz(500, seed=20261124)  # 100,000: see the module
    assert findings == []
    assert outcomes["read"] > 20 and outcomes["refused"] > 200


def hang(data: bytes, number: int) -> str:
    while number == 2:
        pass
    return "read"


def crash(data: bytes, number: int) -> str:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return "read"


def swallow(data: bytes, number: int) -> str:
    if number == 2:
        assert len(bytearray(os.urandom(1)) * 240_000_000)
    return "read"


def wrong(data: bytes, number: int) -> str:
    if number == 2:
        raise KeyError("a decoder's own")
    return "read"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("target", "words"),
    [(hang, "over 0.5 s"), (crash, "crashed"), (swallow, "MB"), (wrong, "KeyError")],
)
def test_the_fuzzer_finds_what_it_is_for(target, words):
    seconds = 0.5 if target is hang else 20  # others need theirs on a busy machine
    outcomes, findings = fuzz_image.fuzz(5, target=target, most_seconds=seconds, most_bytes=1 << 27)
    assert [finding.number for finding in findings] == [2]
    assert words in findings[0].what


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_the_parent_kept_does_not_hide_what_an_input_takes():
    code = """
import sys
from tests.mirnet.app import test_uploads
from tests.support import fuzz_image
from mirnet.memory import keep_freed_memory
keep_freed_memory()
blocks = [bytearray(b"x") * 100_000_000 for _ in range(4)]
del blocks
found = fuzz_image.fuzz(5, target=test_uploads.swallow, most_seconds=5, most_bytes=1 << 27)[1]
print([finding.number for finding in found])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[2]\n", done.stderr


def test_an_input_of_the_fuzzer_can_be_made_again():
    seeds = corpus()
    again = [fuzz_image.mutated(seeds, number, 3) for number in (7, 9, 7)]
    assert again[0] == again[2] != again[1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_decoder_has_files_to_damage(kind):
    answers = [fuzz_image.look_at(data) for data in corpus(kind) if kind != "raw"]
    assert kind == "raw" or answers.count("read") >= 3


def test_the_log_of_the_fuzzer_is_gone_on_from(tmp_path, monkeypatch):
    """A killed program has left a line without an end."""
    asked = []

    def fuzz(inputs, seed, first, told, kind):
        asked.append((kind, first, inputs))
        found = [fuzz_image.Finding(4, "took long")] if first <= 4 < first + inputs else []
        return {"read": inputs - 1, "refused": 1}, found

    monkeypatch.setattr(fuzz_image, "fuzz", fuzz)
    log = tmp_path / "log.jsonl"
    counts = [fuzz_image.counted(log, kind, 3) for kind in ("raw", "png")]
    fuzz_image.fuzz_in_turn(counts, 5, float("inf"), log, chunk=3)
    assert asked == [("raw", 0, 3), ("png", 0, 3), ("raw", 3, 2), ("png", 3, 2)]
    log.write_text(log.read_text() + '{"kind": "raw", "seed": 3, "fir')
    (again,) = [fuzz_image.counted(log, "raw", 3)]
    assert (again.inputs, again.read, again.refused) == (5, 3, 2)
    assert again.findings == [fuzz_image.Finding(4, "took long")]
    fuzz_image.fuzz_in_turn([again], 7, float("inf"), log, chunk=3)
    assert asked[-1] == ("raw", 5, 2) and fuzz_image.counted(log, "raw", 3).inputs == 7
    assert fuzz_image.counted(log, "raw", 4).inputs == 0
    fuzz_image.fuzz_in_turn([again], 9, float("-inf"), log)
    assert again.inputs == 7
