"""Feed damaged and hostile files to `read_image` and check that it rejects them cleanly.

    python -m tests.support.fuzz_image --inputs 100000              # mutations, by number
    python -m tests.support.fuzz_image --kind raw --inputs 100000   # of one decoder
    python -m tests.support.fuzz_image --kind every --log fuzz.jsonl --minutes 60
                                        # of each decoder in turn; again: goes on where it ended
    python -m tests.support.fuzz_image --only 4711 --keep found/    # one of them again, as a file
    python -m tests.support.fuzz_image --atheris --inputs 100000    # led by coverage, with atheris;
                                                                    # of one decoder with --kind

One process reads, another watches it. A finding is: any exception but `ImageRejected`, a crash of
the interpreter, more than `MAX_SECONDS` of work for one input (or twelve times that of waiting),
or more than `MAX_BYTES` of new memory.
What is read is encoded again, so that hostile metadata meets the writers too.
"""

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import random
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.support.mutations import CHANGES, mutated, with_right_checksums

MAX_SECONDS = 5.0
"""Largest processor time of one input, in seconds."""
PATIENCE = 12
"""Factor on `MAX_SECONDS` for wall-clock time, on a busy machine."""
MAX_BYTES = 512 * 2**20
"""Most new memory in bytes for one input, resident or reserved."""
MAX_PIXELS = 1_000_000
"""Limit handed to `read_image`: 8 MB of samples at most, so `MAX_BYTES` is far above need."""
FORMATS = ("PNG", "JPEG", "WebP", "TIFF")
"""Formats that what was read is written in again, in turn."""
CHUNK = 2_500
"""Inputs of one line of a log."""


@dataclass(frozen=True)
class Finding:
    """An input that broke a rule."""

    number: int
    """Number of the input."""
    what: str
    """Failure, in words."""


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
    os.nice(max(0, 5 - os.nice(0)))  # not twice: at 10 a busy machine leaves it almost nothing
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
    from tests.support.fuzz_files import corpus

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


# ---------------------------------------------------------------- many inputs, and the log


@dataclass
class Count:
    """What was found with one kind of files and one seed, so far; a line of the log adds to it."""

    kind: str
    """One of `fuzz_files.KINDS`; empty for all files."""
    seed: int
    """Seed of the mutations."""
    first: int = 0
    """Number of the first input."""
    inputs: int = 0
    """Number of inputs."""
    read: int = 0
    """Inputs that were read."""
    refused: int = 0
    """Inputs that were refused in a sentence."""
    seconds: float = 0.0
    """Duration."""
    findings: list[Finding] = field(default_factory=list)
    """Inputs that broke a rule."""

    def __str__(self) -> str:
        return (
            f"{self.inputs} inputs {self.kind or 'of all kinds'}, seed {self.seed}, "
            f"{self.seconds:.0f} s: {self.read} read, {self.refused} refused, "
            f"{len(self.findings)} findings"
        )


def counted(log: Path | None, kind: str, seed: int, first: int = 0) -> Count:
    """Sum the lines of a log; zero inputs without one.

    A line that a killed program left unfinished is left out, and its inputs are done again.
    """
    count = Count(kind, seed, first)
    lines = log.read_text(encoding="utf-8").splitlines() if log and log.exists() else []
    for line in lines:
        try:
            got = json.loads(line)
        except ValueError:
            continue
        if (got["kind"], got["seed"]) != (kind, seed) or got["first"] != first + count.inputs:
            continue
        for name in ("inputs", "read", "refused", "seconds"):
            setattr(count, name, getattr(count, name) + got[name])
        count.findings += [Finding(**finding) for finding in got["findings"]]
    return count


def fuzz_in_turn(
    counts: Sequence[Count], inputs: int, ends: float, log: Path | None = None, chunk: int = CHUNK
) -> None:
    """Add inputs to each count until it has enough, a chunk at a time, so that all come forward.

    Args:
        counts: Counts, which are changed.
        inputs: Number of inputs of each.
        ends: Time of `time.monotonic` after which no chunk begins.
        log: File that each chunk is added to.
        chunk: Inputs of one line.
    """
    while any(count.inputs < inputs for count in counts):
        for count in counts:
            number = min(chunk, inputs - count.inputs)
            if number <= 0:
                continue
            if time.monotonic() > ends:
                return
            began, first = time.monotonic(), count.first + count.inputs
            outcomes, findings = fuzz(
                number, count.seed, first, told=lambda words: print(words, flush=True),
                kind=count.kind,
            )  # fmt: skip
            done = Count(
                count.kind, count.seed, first, number, outcomes.get("read", 0),
                outcomes.get("refused", 0), time.monotonic() - began, findings,
            )  # fmt: skip
            if log:
                line = "\n" * _torn(log) + json.dumps(asdict(done)) + "\n"
                with log.open("a", encoding="utf-8") as lines:
                    lines.write(line)
            count.inputs += number
            count.read += done.read
            count.refused += done.refused
            count.seconds += done.seconds
            count.findings += findings
            print(count, flush=True)


def _torn(log: Path) -> bool:
    """Whether the last line of a file has no end, because the program was killed."""
    return log.exists() and log.read_bytes()[-1:] not in (b"", b"\n")


# ---------------------------------------------------------------- the command


def with_atheris(inputs: int, folder: Path, kind: str = "") -> None:
    """Let atheris choose the inputs by coverage of the Python code; it never returns.

    Args:
        inputs: Number of inputs.
        folder: Folder for the inputs that reach new code.
        kind: One of `fuzz_files.KINDS`, whose files are the first inputs; empty for all files.
    """
    import atheris

    with atheris.instrument_imports(include=["mirnet", "PIL", "tifffile"]):
        from tests.support.fuzz_files import corpus

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
    parser.add_argument("--inputs", type=int, default=100_000, help="how many of each kind")
    parser.add_argument(
        "--kind", default="", help="files of one module of mirnet.images.codecs, or every, in turn"
    )
    parser.add_argument("--seed", type=int, default=0, help="other inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", type=int, help="this one alone, in this process")
    parser.add_argument("--keep", type=Path, help="folder for inputs that were found")
    parser.add_argument("--log", type=Path, help="file that says what was done, to go on from")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin nothing after these")
    parser.add_argument("--atheris", action="store_true", help="let atheris choose the inputs")
    flags = parser.parse_args()
    if flags.atheris:
        warnings.simplefilter("ignore")
        folder = flags.keep or Path(os.environ.get("TMPDIR", "/tmp")) / "fuzz"
        with_atheris(flags.inputs, folder, flags.kind)
    # Not at the top: atheris has to see the decoders' first import.
    from tests.support.fuzz_files import KINDS, corpus

    if flags.kind not in ("", "every", *KINDS):
        parser.error(f"there is no kind {flags.kind!r}: choose every or {', '.join(KINDS)}")
    if flags.only is not None:
        data = mutated(corpus(flags.kind), flags.only, flags.seed)
        kept(flags.keep, flags.only, data)
        print(look_at(data, flags.only))
        return
    kinds = KINDS if flags.kind == "every" else (flags.kind,)
    counts = [counted(flags.log, kind, flags.seed, flags.first) for kind in kinds]
    fuzz_in_turn(counts, flags.inputs, time.monotonic() + 60 * flags.minutes, flags.log)
    for count in counts:
        seeds = corpus(count.kind) if count.findings else []
        for finding in count.findings:
            kept(flags.keep, finding.number, mutated(seeds, finding.number, flags.seed), count.kind)
        print(count)
    short = [count.kind or "all" for count in counts if count.inputs < flags.inputs]
    if short:
        print(f"The time is over before {flags.inputs} inputs of {', '.join(short)}.")
    sys.exit(any(count.findings for count in counts))


def kept(folder: Path | None, number: int, data: bytes, kind: str = "") -> None:
    """Write an input to a file, where a folder was named."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"input-{kind}{'-' * bool(kind)}{number}").write_bytes(data)


if __name__ == "__main__":
    main()
