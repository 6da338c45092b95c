"""The gate ahead of a release: everything that takes too long for each change.

    python -m tests.release                    # all steps, hours; writes release.md
    python -m tests.release fuzz faults        # some of them
    python -m tests.release --quick            # all steps with small numbers, to try the gate
    python -m tests.release fuzz fuzz-raw --inputs 5000

Steps run one after another and do not stop each other. The table says of each what it was, whether
it passed, and how long it took; the last lines of a failed step follow. The exit status is 1 where
one failed.
"""

import argparse
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mirnet.images.formats import FORMATS
from mirnet.version import __version__

ROOT = Path(__file__).parent.parent
KINDS = sorted({known.codec for known in FORMATS.values()})
"""Decoders that are fuzzed one by one: `tests.support.fuzz_files.KINDS`."""
INPUTS = 100_000
"""Files of each step that fuzzes."""
TAIL = 15
"""Last lines of a failed step that are kept."""


@dataclass(frozen=True)
class Step:
    """One step of the gate."""

    what: str
    """Promise that the step holds."""
    command: str
    """Command line, which runs in the repository's folder with the interpreter of this process;
    "{inputs}" stands for the number of files."""
    quick: str
    """Command line of `--quick`."""


STEPS: dict[str, Step] = {
    "check": Step(
        "linter, formatter and types find nothing", "python -m tests check", "python -m tests check"
    ),
    "tests": Step(
        "the default tests pass",
        "python -m pytest -q",
        "python -m pytest -q -n0 tests/test_docs.py",
    ),
    "slow": Step(
        "long tests pass: faults, tokens, malformed calls, exact tiles, a fresh environment",
        "python -m pytest -q -n0 -m slow",
        "python -m pytest -q -n0 -m slow --collect-only",
    ),
    "fuzz": Step(
        "damaged photos of all kinds: no crash, no hang over 5 s, bounded memory",
        "python -m tests.support.fuzz_image --inputs {inputs}",
        "python -m tests.support.fuzz_image --inputs 300",
    ),
    **{
        f"fuzz-{kind}": Step(
            f"damaged files that {kind}.py reads: the same",
            f"python -m tests.support.fuzz_image --kind {kind} --inputs {{inputs}}",
            f"python -m tests.support.fuzz_image --kind {kind} --inputs 100",
        )
        for kind in KINDS
    },
    "crowd": Step(
        "a crowd of visitors: nothing lost or exchanged, everybody's turn comes",
        "python -m tests.load",
        "python -m tests.load --small 2 --large 0 --greedy 2 --evaluations 1 --readers 1",
    ),
    "soak": Step(
        "an hour of gentle use: memory, files and answers stay as they are",
        "python -m tests.load soak",
        "python -m tests.load soak --minutes 1 --every 5",
    ),
    "faults": Step(
        "killed, full disks, broken networks, clusters: nothing reported is lost",
        "python -m tests.faults",
        "python -m tests.faults damaged-weights",
    ),
}
"""Steps by name, in order."""


@dataclass(frozen=True)
class Outcome:
    """How a step ended."""

    name: str
    """Key of `STEPS`."""
    command: str
    """Command line that ran."""
    status: int
    """Exit status; 0 is a pass."""
    seconds: float
    """Duration."""
    tail: str
    """Last lines of the output."""


def run(name: str, quick: bool, inputs: int = INPUTS, root: Path = ROOT) -> Outcome:
    """Run a step.

    Args:
        name: Key of `STEPS`.
        quick: Whether to run it with small numbers.
        inputs: Files of each step that fuzzes; `quick` has its own number.
        root: Working directory.
    """
    line = STEPS[name].quick if quick else STEPS[name].command.format(inputs=inputs)
    words = shlex.split(line)
    if words[0] == "python":
        words[0] = sys.executable
    began = time.monotonic()
    done = subprocess.run(
        words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    tail = "\n".join(done.stdout.splitlines()[-TAIL:])
    return Outcome(name, line, done.returncode, time.monotonic() - began, tail)


def report(outcomes: Sequence[Outcome]) -> str:
    """The table as Markdown, and the last lines of failed steps."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    head = (
        f"MIRNet Studio {__version__}, commit {commit or 'unknown'}, Python "
        f"{platform.python_version()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
    lines = [head, "", "| step | promise | command | passed | minutes |", "|---|---|---|---|---|"]
    for one in outcomes:
        passed = "yes" if one.status == 0 else f"**no** ({one.status})"
        lines.append(
            f"| {one.name} | {STEPS[one.name].what} | `{one.command}` | {passed} | "
            f"{one.seconds / 60:.1f} |"
        )
    for one in outcomes:
        if one.status:
            lines += ["", f"## {one.name}", "", "```", one.tail, "```"]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the gate.

    Args:
        arguments: Flags; None for those of the command line.

    Returns:
        0 if all steps passed, 1 if one failed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.release",
        description="\n".join(f"{name:7} {step.what}" for name, step in STEPS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="some of them; all by default")
    parser.add_argument("--quick", action="store_true", help="small numbers, to try the gate")
    parser.add_argument(
        "--inputs", type=int, default=INPUTS, help="files of each step that fuzzes (%(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("release.md"), help="file for the table")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.steps if name not in STEPS]
    if unknown:
        parser.error(f"there is no step {unknown[0]!r}: choose from {', '.join(STEPS)}")
    outcomes: list[Outcome] = []
    for name in chosen.steps or STEPS:
        print(f"{name}: {STEPS[name].what} ...", flush=True)
        outcomes.append(run(name, chosen.quick, chosen.inputs))
        print(f"{name}: {'passed' if not outcomes[-1].status else 'FAILED'}", flush=True)
        chosen.out.write_text(report(outcomes), encoding="utf-8")
    return int(any(one.status for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
