"""`python -m tests.faults [NAME ...]`: exits with 1 where a promise is broken."""

import argparse
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from eval.runs.environment import machine_name
from tests.faults import disks, killed, machines, network  # noqa: F401  # they register their faults
from tests.faults.tools import FAULTS, Place, Unable


def main() -> int:
    """Inject what is named, or everything, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--times", type=int, default=1, help="how often each (%(default)s)")
    flags = parser.parse_args()
    unknown = set(flags.names) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    lines = list(table(flags.names or list(FAULTS), flags.times))
    print(f"\nOn {machine_name()}, {time.strftime('%d %B %Y')}:\n")
    print("\n".join(["| Fault | Injected | Times | What happened |", "|---|---|---|---|", *lines]))
    return 1 if any("BROKEN" in line for line in lines) else 0


def table(names: list[str], times: int) -> Iterator[str]:
    """Format one line for each fault."""
    for name in names:
        happened, count = "", 0
        for _ in range(times):
            happened = once(name)
            print(f"{name}: {happened}", flush=True)
            if happened.startswith("BROKEN") or happened.startswith("skipped"):
                break
            count += 1
        clean = happened.replace("|", "\\|").replace("\n", " ")
        yield f"| `{name}` | {FAULTS[name].injected} | {count} | {clean} |"


def once(name: str) -> str:
    """Inject one fault in a folder of its own and say what happened."""
    folder = Path(tempfile.mkdtemp(prefix="mirnet-fault-"))
    try:
        return FAULTS[name].inject(Place(folder))
    except Unable as reason:
        return f"skipped: {reason}"
    except Exception as error:
        traceback.print_exc()
        return f"BROKEN: {type(error).__name__}: {str(error)[:300]}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
