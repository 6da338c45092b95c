"""`python -m tests.load` and `python -m tests.load soak`: exit 1 where a promise is broken."""

import argparse
import asyncio
import json
import platform
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.runs.environment import machine_name
from tests.load.crowd import Crowd, Plan, broken_promises, empty_folder, facts
from tests.load.served import served
from tests.load.soak import EVERY_SECONDS, KEEP_HOURS, soak, verdict


def main() -> int:
    """Read the flags, run, print a table in Markdown and write everything as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("crowd", "soak"), default="crowd")
    parser.add_argument("--folder", type=Path, help="empty; for the app's state and its log")
    parser.add_argument("--json", type=Path, help="file that takes everything measured")
    parser.add_argument("--small", type=int, default=Plan.small, help="visitors (%(default)s)")
    parser.add_argument("--large", type=int, default=Plan.large, help="of 12 MP (%(default)s)")
    parser.add_argument("--greedy", type=int, default=Plan.greedy, help="photos (%(default)s)")
    parser.add_argument("--evaluations", type=int, default=Plan.evaluations)
    parser.add_argument("--readers", type=int, default=Plan.readers)
    parser.add_argument("--minutes", type=float, default=60, help="of the soak (%(default)s)")
    parser.add_argument("--every", type=float, default=EVERY_SECONDS, help="seconds, in the soak")
    flags = parser.parse_args()
    folder = empty_folder(flags.folder or Path(tempfile.mkdtemp(prefix="mirnet-load-")))
    found = _soak(flags, folder) if flags.what == "soak" else _crowd(flags, folder)
    found["machine"] = f"{machine_name()}, Python {platform.python_version()}"
    path = flags.json or folder / f"{flags.what}.json"
    path.write_text(json.dumps(found, indent=1))
    print(soak_table(found) if flags.what == "soak" else table(found))
    print(f"\nEverything measured: {path}")
    return 1 if found["broken"] else 0


def _crowd(flags: argparse.Namespace, folder: Path) -> dict[str, Any]:
    plan = Plan(flags.small, flags.large, flags.greedy, flags.evaluations, flags.readers)
    with served(folder) as app:
        crowd = Crowd(app, plan)
        outcome = asyncio.run(crowd.come())
        time.sleep(2)
    return facts(outcome, app) | {"broken": broken_promises(outcome, app, crowd.photos)}


def _soak(flags: argparse.Namespace, folder: Path) -> dict[str, Any]:
    with served(folder, "--keep-hours", str(KEEP_HOURS), every_seconds=5) as app:
        found = asyncio.run(soak(app, flags.minutes, flags.every))
    samples = [asdict(sample) for sample in app.samples]
    return verdict(app.samples, found) | {"samples": samples}


def soak_table(found: dict[str, Any]) -> str:
    """Format the results of the soak as Markdown."""
    names = {
        "rss_mb": "Resident memory, MB",
        "threads": "Threads",
        "files": "Open files",
        "temporary_mb": "Uploads and results, MB",
    }
    lines = [
        f"On {found['machine']}, {time.strftime('%d %B %Y')}: {found['minutes']:.0f} minutes; "
        f"visitors: {found['visitors']}; HTTP statuses: {found['statuses']}.",
        "",
        "| | After warming up | At the end | Highest |",
        "|---|---|---|---|",
    ]
    for name, words in names.items():
        row = found["table"][name]
        lines.append(f"| {words} | {row['warm']:.0f} | {row['end']:.0f} | {row['highest']:.0f} |")
    lines += [
        "",
        f"Resident memory after warming up: {found['rss_mb_per_hour']:+.0f} MB an hour.",
        "",
        *([f"BROKEN: {words}" for words in found["broken"]] or ["Every promise was kept."]),
    ]
    return "\n".join(lines)


def table(found: dict[str, Any]) -> str:
    """Format the measurements of the crowd as Markdown."""
    lines = [
        f"On {found['machine']}, {time.strftime('%d %B %Y')}: {found['seconds']:.0f} s in all.",
        "",
        "| Who | Requests | Lost | Median s | 95 % s | Longest s |",
        "|---|---|---|---|---|---|",
    ]
    for what, row in found["jobs"].items():
        times = row["seconds"] or {"median": 0, "p95": 0, "longest": 0}
        lines.append(
            f"| {what} | {row['count']} | {row['lost']} | {times['median']:.2f} | "
            f"{times['p95']:.2f} | {times['longest']:.2f} |"
        )
    rss = found["rss_mb"]
    lines += [
        "",
        f"Reading before the crowd came: median {found['read_before_seconds']['median']:.2f} s. "
        f"Resident memory: {rss['first']:.0f} MB at the start, at most {rss['highest']:.0f}, "
        f"{rss['last']:.0f} at the end. At most {found['threads']} threads, "
        f"{found['open_files']} open files, {found['temporary_mb']:.0f} MB of uploads and results. "
        f"HTTP statuses: {found['statuses']}. Told their place: {found['told_a_place']}.",
        "",
        *([f"BROKEN: {words}" for words in found["broken"]] or ["Every promise was kept."]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
