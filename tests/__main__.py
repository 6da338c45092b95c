"""The front door for who works on the project: `python -m tests WORD`, a word of `COMMANDS`."""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
API_PAGES = "build/api"
"""Where the API pages go; not part of the repository."""

COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "check": (
        "linter, formatter and type check: what pre-commit and CI run",
        ("ruff check .", "ruff format --check .", "mypy"),
    ),
    "test": ("the default tests, or those that pytest's arguments name", ("pytest",)),
    "mutate": (
        "plant faults in statistics, boards and scores, and count those that no test notices",
        # Not `-m mutmut`: tests import its module again, under its own name.
        ("python -c 'from mutmut.__main__ import cli; cli()' run --max-children 1",),
    ),
    "bench": (
        "speed and memory: networks, evaluation, scaling, page, blends or startup",
        ("python -m tests.bench",),
    ),
    "app": ("the page", ("python app.py",)),
    "screenshots": (
        "take the pictures of the README and the docs anew",
        ("python -m tests.screenshots",),
    ),
    "docs": (
        f"the API pages, from the docstrings, to {API_PAGES}",
        (f"pdoc -d google -o {API_PAGES} mirnet eval '!.+[.]ui'",),
    ),
}
"""For each word: what it does, and the command lines, which run in the repository's folder."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command lines of one word; stop at the first that fails.

    Args:
        arguments: The word, then arguments for its last line; None takes the command line's.

    Returns:
        The exit status of the last line that ran.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests",
        description="\n".join(f"{word:11} {does}" for word, (does, _) in COMMANDS.items()),
        epilog="What follows the word goes to its last command: python -m tests test -k restore",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("word", choices=COMMANDS)
    chosen, rest = parser.parse_known_args(arguments)
    lines = [shlex.split(line) for line in COMMANDS[chosen.word][1]]
    lines[-1] += rest
    for line in lines:
        print("$", shlex.join(line), flush=True)
        # The tools of the environment that runs this, whether or not it is on the path.
        call = [sys.executable, *line[1:]] if line[0] == "python" else [sys.executable, "-m", *line]
        status = subprocess.run(call, cwd=ROOT).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
