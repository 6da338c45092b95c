"""Feed damaged and hostile files to `read_image` and check that it rejects them cleanly.

    python -m tests.support.fuzz_image --inputs 100000            # mutations, by number
    python -m tests.support.fuzz_image --kind jxl --inputs 100000 # of one decoder: jxl, raw or tiff
    python -m tests.support.fuzz_image --only 4711 --keep found/  # one of them again, as a file
    python -m tests.support.fuzz_image --atheris --inputs 100000  # led by coverage, with atheris;
                                                                  # of one decoder with --kind

One process reads, another watches it. A finding is: any exception but `ImageRejected`, a crash of
the interpreter, more than `MAX_SECONDS` of work for one input (or twelve times that of waiting),
or more than `MAX_BYTES` of new memory.
What is read is encoded again, so that hostile metadata meets the writers too.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.mutations import CHANGES, mutated, with_right_checksums

ROOT = Path(__file__).parents[2]
MAX_SECONDS = 5.0
"""Largest processor time of one input, in seconds."""
PATIENCE = 12
"""Factor on `MAX_SECONDS` for wall-clock time, on a busy machine."""
MAX_BYTES = 512 * 2**20
"""Most new memory in bytes for one input, resident or reserved."""
MAX_PIXELS = 1_000_000
"""Limit handed to `read_image`: 8 MB of samples at most, so `MAX_BYTES` is far above need."""
FORMATS = ("PNG", "JPEG", "WebP", "TIFF")
CODECS_16 = ("zstd", "lzma", "jpeg2000", "lerc", "packbits")
"""Compressions of 16-bit TIFF that are fuzzed, beside those of the tests."""
CODECS_8 = ("webp", "jpegxl", "jpeg", "png")
"""Compressions of 8-bit TIFF that are fuzzed."""


@dataclass(frozen=True)
class Finding:
    """An input that broke a rule."""

    number: int
    """Number of the input."""
    what: str
    """Failure, in words."""


# ---------------------------------------------------------------- inputs


KINDS = ("jxl", "raw", "tiff")
"""Kinds of files that can be fuzzed alone, because their decoders are the least hardened."""


def corpus(kind: str = "") -> list[bytes]:
    """Make small files of every readable format and its variants, and of unreadable formats.

    Args:
        kind: One of `KINDS`; empty for all files.
    """
    sys.path.insert(0, str(ROOT))
    import numpy as np
    from PIL import Image

    from tests.support.picture_files import (
        A8,
        A16,
        EXACT,
        HUGE,
        REFUSED,
        SMALL,
        SRGB,
        WHOLE,
        cmyk_profile,
        dng,
        exif_bytes,
        huge_png,
        noise,
        oriented_files,
        saved,
        saved_heic,
        smooth,
        tiff,
    )

    alone = {
        "jxl": jxl_files(A8, A16),
        "raw": [dng(noise(1, np.uint16, seed, 64, 96), seed) for seed in (1, 6)],
        "tiff": [
            *(tiff(A16[3], compression=name) for name in CODECS_16),
            *(tiff(A8[3], compression=name) for name in CODECS_8),
            tiff(A16[3], bigtiff=True, compression="deflate"),
            tiff(A16[4], planarconfig="separate", compression="zstd", predictor=True),
        ],
    }
    if kind:
        return alone[kind]
    photo, cmyk = Image.fromarray(A8[3]), Image.fromarray(A8[4], "CMYK")
    more = [
        saved(photo, "JPEG", progressive=True, exif=exif_bytes(3), icc_profile=SRGB),
        saved(cmyk, "JPEG", icc_profile=cmyk_profile()),
        saved(cmyk, "TIFF", icc_profile=cmyk_profile()),
        saved(photo.convert("L"), "JPEG"),
        saved(photo, "MPO", save_all=True, append_images=[photo]),
        saved(photo.convert("1"), "TIFF", compression="group4"),
        saved(photo, "TIFF", compression="jpeg"),
        saved(photo.quantize(16), "TIFF", compression="packbits"),
        saved(photo.quantize(16), "BMP"),
        saved(photo.convert("1"), "BMP"),
        saved(photo.quantize(16), "PNG", transparency=b"\0\x80\xff"),
        saved(photo, "PNG", exif=exif_bytes(8), icc_profile=SRGB),
        saved(photo, "WEBP", quality=50, exif=exif_bytes(8), icc_profile=SRGB),
        saved(pillow_alpha(A8[4]), "AVIF", exif=exif_bytes(5)),
        saved_heic(smooth(np.uint16)),
        saved_heic(A8[3], exif=exif_bytes(6)),
        huge_png(1000, 1000),
        *(data for files in alone.values() for data in files),
        *oriented_files(6).values(),
    ]
    still = [data for data, _ in REFUSED.values()]
    return [
        *more, *SMALL, *WHOLE.values(), *HUGE.values(), *still,
        *(data for data, _ in EXACT.values()),
    ]  # fmt: skip


def jxl_files(eight, sixteen) -> list[bytes]:
    """Make JPEG XL files: lossless and lossy, of 8 and 16 bits and floats, with alpha, in boxes.

    Args:
        eight: Pictures of 8 bits, by their number of channels.
        sixteen: The same of 16 bits.
    """
    import imagecodecs
    import numpy as np

    level = {"level": 10, "usecontainer": True}  # a container may hold Exif and parts
    return [
        imagecodecs.jpegxl_encode(eight[3], lossless=True),
        imagecodecs.jpegxl_encode(eight[3], distance=1.0),
        imagecodecs.jpegxl_encode(eight[4], lossless=True),
        imagecodecs.jpegxl_encode(sixteen[3], lossless=True, **level),
        imagecodecs.jpegxl_encode(sixteen[4], distance=2.0, **level),
        imagecodecs.jpegxl_encode(eight[3][..., 0], lossless=True),
        imagecodecs.jpegxl_encode(eight[3].astype(np.float32) / 255, distance=1.0),
        imagecodecs.jpegxl_encode(np.stack([eight[3]] * 3), lossless=True),  # moving
    ]


def pillow_alpha(array):
    """Encode four channels as RGBA."""
    from PIL import Image

    return Image.fromarray(array, "RGBA")


# ---------------------------------------------------------------- one input


def look_at(data: bytes, number: int = 0) -> str:
    """Read a file and write it again; raises on a forbidden outcome.

    Returns:
        "read" or "refused".
    """
    from mirnet.errors import ImageRejected
    from mirnet.images.decode import read_image
    from mirnet.images.encode import encode_image

    try:
        picture = read_image(data, max_pixels=MAX_PIXELS)
    except ImageRejected as error:
        if isinstance(error.__cause__, MemoryError):
            raise AssertionError("asked for more memory than there is") from error
        if "\n" in str(error) or len(str(error)) > 400:
            raise AssertionError(f"a refusal that is no sentence: {error!r}") from error
        return "refused"
    if picture.width * picture.height > MAX_PIXELS:
        raise AssertionError(f"{picture.width} x {picture.height} is over the limit")
    with contextlib.suppress(ImageRejected):  # sides too long for JPEG or WebP
        encode_image(picture, FORMATS[number % len(FORMATS)])
    return "read"


def develop_here() -> None:
    """Let this process develop raw files itself: a process for each would take half a second."""
    import io

    from mirnet.images.codecs import raw, raw_process

    def here(data: bytes, max_pixels: int) -> raw_process.Developed:
        try:
            return raw_process.develop(io.BytesIO(data), max_pixels)
        except Exception as error:
            raise raw_process.Unreadable(str(error)) from error

    raw.develop_apart = here


def start_counting_memory() -> None:
    """Reset the peak of resident memory (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def highest_memory() -> int:
    """Peak resident memory since `start_counting_memory`, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell the memory of a process")


def work_seconds(process: int | None) -> float:
    """Processor time of a process so far, in seconds."""
    import psutil

    try:
        spent = psutil.Process(process).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return spent.user + spent.system


def work(target, seeds, seed, first, last, state, pipe, most_bytes) -> None:
    """Read inputs one after another in a separate process, and send the findings back."""
    from mirnet.memory import give_back_memory

    warnings.simplefilter("ignore")
    os.nice(5)
    develop_here()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libpng and libtiff say much
    for data in seeds[:40]:  # libraries are loaded before memory is limited
        with contextlib.suppress(Exception):
            target(data, 0)
    give_back_memory()  # what the parent had freed and kept would hide what an input takes
    start_counting_memory()
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + 2 * most_bytes,) * 2)
    outcomes: Counter[str] = Counter()
    for number in range(first, last):
        data = mutated(seeds, number, seed)
        start_counting_memory()
        before = highest_memory()
        state[0], state[1], state[2] = number, time.monotonic(), time.process_time()
        try:
            outcomes[target(data, number)] += 1
        except Exception:
            pipe.send(Finding(number, traceback.format_exc(limit=-6)))
        grown = highest_memory() - before
        if grown > most_bytes:
            pipe.send(Finding(number, f"took {grown / 2**20:.0f} MB"))
        state[0] = number + 1
    pipe.send(dict(outcomes))


def fuzz(
    inputs: int,
    seed: int = 0,
    first: int = 0,
    target: Callable[[bytes, int], str] = look_at,
    most_seconds: float = MAX_SECONDS,
    most_bytes: int = MAX_BYTES,
    told: Callable[[str], None] = lambda words: None,
    kind: str = "",
) -> tuple[dict[str, int], list[Finding]]:
    """Feed a number of inputs to the reader.

    Returns:
        Numbers of inputs read and refused, and the findings.
    """
    context = multiprocessing.get_context("fork")
    seeds, outcomes, findings = corpus(kind), Counter[str](), []
    number, last, spoken = first, first + inputs, time.monotonic()
    while number < last:
        state = context.Array("d", [number, time.monotonic() + 60, 3600])
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(
            target=work, args=(target, seeds, seed, number, last, state, theirs, most_bytes)
        )
        child.start()
        theirs.close()
        hung = False
        while True:
            with contextlib.suppress(EOFError):
                while ours.poll(0.2):
                    got = ours.recv()
                    if isinstance(got, Finding):
                        findings.append(got)
                        told(f"input {got.number}: {got.what}")
                    else:
                        outcomes.update(got)
            if not child.is_alive():
                break
            worked = work_seconds(child.pid) - state[2]
            if worked > most_seconds or time.monotonic() - state[1] > PATIENCE * most_seconds:
                hung = True
                child.kill()
                child.join()
            if time.monotonic() - spoken > 30:
                spoken = time.monotonic()
                told(f"{int(state[0])} of {last}")
        child.join()
        number = int(state[0])
        if child.exitcode and child.exitcode > 0:
            raise RuntimeError(f"the reading process failed before input {number}")
        if hung or child.exitcode:
            words = f"took over {most_seconds:g} s" if hung else f"crashed: {child.exitcode}"
            findings.append(Finding(number, words))
            told(f"input {number}: {words}")
            number += 1
        elif number < last:
            raise RuntimeError("the reading process ended early")
    return dict(outcomes), findings


# ---------------------------------------------------------------- the command


def with_atheris(inputs: int, folder: Path, kind: str = "") -> None:
    """Let atheris choose the inputs by coverage of the Python code; it never returns.

    Args:
        inputs: Number of inputs.
        folder: Folder for the inputs that reach new code.
        kind: One of `KINDS`, whose files are the first inputs; empty for all files.
    """
    import atheris

    with atheris.instrument_imports(include=["mirnet", "PIL", "tifffile"]):
        seeds = corpus(kind)
        look_at(seeds[0])
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds):
        (folder / f"seed-{number:03}").write_bytes(data)

    def change(data: bytes, size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return atheris.Mutate(data, len(data))
        changed = bytearray(data or b"\0")
        for _ in range(chance.choice((1, 2, 4, 8))):
            if changed:
                chance.choice(CHANGES)(changed, chance)
        if changed[:4] == b"\x89PNG":
            changed = with_right_checksums(changed, chance)
        return bytes(changed[:size])

    count = 0

    def once(data: bytes) -> None:
        nonlocal count
        count += 1
        look_at(data, count)

    limits = ["-timeout=5", "-rss_limit_mb=2048", "-max_len=200000", "-print_final_stats=1"]
    atheris.Setup(
        [sys.argv[0], f"-runs={inputs}", *limits, str(folder)], once, custom_mutator=change
    )
    atheris.Fuzz()


def main() -> None:
    """Read the command line, feed the inputs, and end with 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="how many")
    parser.add_argument("--kind", choices=KINDS, default="", help="files of this kind alone")
    parser.add_argument("--seed", type=int, default=0, help="other inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", type=int, help="this one alone, in this process")
    parser.add_argument("--keep", type=Path, help="folder for inputs that were found")
    parser.add_argument("--atheris", action="store_true", help="let atheris choose the inputs")
    flags = parser.parse_args()
    if flags.atheris:
        warnings.simplefilter("ignore")
        folder = flags.keep or Path(os.environ.get("TMPDIR", "/tmp")) / "fuzz"
        with_atheris(flags.inputs, folder, flags.kind)
    if flags.only is not None:
        data = mutated(corpus(flags.kind), flags.only, flags.seed)
        kept(flags.keep, flags.only, data)
        print(look_at(data, flags.only))
        return
    began = time.monotonic()
    outcomes, findings = fuzz(
        flags.inputs,
        flags.seed,
        flags.first,
        told=lambda words: print(words, flush=True),
        kind=flags.kind,
    )
    seeds = corpus(flags.kind)
    for finding in findings:
        kept(flags.keep, finding.number, mutated(seeds, finding.number, flags.seed))
    print(
        f"{flags.inputs} inputs {flags.kind}, seed {flags.seed}, {time.monotonic() - began:.0f} s: "
        f"{outcomes.get('read', 0)} read, {outcomes.get('refused', 0)} refused, "
        f"{len(findings)} findings"
    )
    sys.exit(bool(findings))


def kept(folder: Path | None, number: int, data: bytes) -> None:
    """Write an input to a file, where a folder was named."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"input-{number}").write_bytes(data)


if __name__ == "__main__":
    main()
