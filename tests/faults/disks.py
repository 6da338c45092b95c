"""Disks that are full or may not be written to, and files that are damaged."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.killed import same_as_library
from tests.faults.tools import (
    ORDER,
    Place,
    Unable,
    ask,
    facts,
    fault,
    nothing_half_written,
    only_run,
    quoted,
    refused,
    restore,
    succeeded,
    until,
    whole,
)
from tests.load.marks import as_file, marked
from tests.support.runs_factory import write_run


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a folder of limited size."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder that nobody may write into, not even root."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    except OSError as error:
        raise Unable(f"no mount command: {error}") from error
    if done.returncode:
        raise Unable(f"this user may not mount: {done.stderr.strip()[:120]}")


def fill(folder: Path, leave_kb: int = 0) -> Path:
    """Fill a disk, except for some kilobytes."""
    path = folder / "ballast"
    # Without a buffer: closing the file would try to write what is left in it.
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\1" * 65536)
    size = path.stat().st_size
    os.truncate(path, max(size - 1024 * leave_kb, 0))
    return path


@fault("disk full in the middle of an evaluation (tmpfs)")
def full_disk_evaluating(place: Place) -> str:
    with small_disk(place.state, 3):
        said = refused(place.run("-m", "eval", "run", *ORDER, "--fresh"), "No space left on device")
        stored = only_run(place.store)
        before = (stored.folder / "scores.jsonl").read_bytes()
        kept = len(stored.rows())
        assert kept < 12, "the disk was large enough"
        nothing_half_written(place.state)
        _mount("-o", "remount,size=64m", str(place.state))
        succeeded(place.run("-m", "eval", "resume", stored.id))
        assert (stored.folder / "scores.jsonl").read_bytes().startswith(before)
        assert facts(stored.rows()) == whole(place), "another result than without the fault"
    return f"exit 2, {quoted(said)}; {kept} pictures kept; resumed, bit for bit the same"


@fault("disk full of uploads while the app is used (tmpfs)")
def full_disk_uploading(place: Place) -> str:
    temporary = place.folder / "temporary"
    with small_disk(temporary, 24), place.app() as app:
        photo = as_file(marked(3, 300, 200))
        same_as_library(restore(app.url, photo), photo, place)
        ballast = fill(temporary, leave_kb=400)
        noisy = as_file(marked(4, 900, 600, noise=40), "PNG")
        told = [restore(app.url, noisy).error]
        until(lambda: shutil.disk_usage(temporary).free > 200_000, "what came of the upload to go")
        told.append(restore(app.url, photo).error)
        assert all("full: its owner has to make room" in words for words in told), told
        ballast.unlink()
        same_as_library(restore(app.url, photo), photo, place)
        assert told[0].startswith("507") and not told[1].startswith("507"), told
    return f"at the upload “{told[0]}”, or before restoring “{told[1]}”; with room again it works"


@fault("folder of state read-only (bind mount)")
def read_only_state(place: Place) -> str:
    run = write_run(place.state / "runs", thumbs=True)
    with read_only(place.state):
        said = refused(place.run("-m", "eval", "run", *ORDER), "Read-only file system")
        with place.app() as app:
            assert not (found := ask(app.url, "evaluate_result", run.id, "", "")).error, found
            told = ask(app.url, "evaluate_start", "mini-denoise", ["identity"], 1, 0, None, "")
            assert "Read-only file system" in told.error, told
            photo = as_file(marked(5, 300, 200))
            same_as_library(restore(app.url, photo), photo, place)
    succeeded(place.run("-m", "eval", "run", *ORDER))
    return f"{quoted(said)}; stored runs are shown and photos restored meanwhile"


@fault("run.json, scores.jsonl, index, thumbnails and kept pictures damaged")
def damaged_files(place: Place) -> str:
    good, torn, garbled = (
        write_run(place.state / "runs", thumbs=True, id=f"20260101-00000{n}-abcdef")
        for n in range(3)
    )
    content = (torn.folder / "run.json").read_bytes()
    (torn.folder / "run.json").write_bytes(content[: len(content) // 2])
    lines = (garbled.folder / "scores.jsonl").read_bytes().splitlines(keepends=True)
    (garbled.folder / "scores.jsonl").write_bytes(b"".join([lines[0], b"\0\xff{}\n", *lines[1:]]))
    (place.store.folder / ".index.json").write_bytes(b"[1, 2")
    succeeded(place.run("-m", "eval", "run", *ORDER))
    newest = place.store.run(place.store.headers()[0].id)
    for path in (place.store.folder / ".cache").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    for path in newest.folder.glob("thumbs/*.jpg"):
        path.write_bytes(b"no picture")
    with place.app() as app:
        assert not ask(app.url, "evaluate_result", good.id, "", "").error
        told = [ask(app.url, "evaluate_result", run.id, "", "").error for run in (torn, garbled)]
        assert "damaged" in told[0] and "Line 2" in told[1], told
    kept = {run.id for run in place.store.headers()}
    assert good.id in kept and torn.id not in kept
    succeeded(place.run("-m", "eval", "run", *ORDER))  # the cache is not believed
    again = place.store.run(place.store.headers()[0].id)
    assert facts(again.rows()) == facts(newest.rows()) == whole(place)
    assert not any(row.cached for row in again.rows())
    return f"{quoted(told[0])}, {quoted(told[1])}; other runs are shown; pictures are made anew"


@fault("one byte of downloaded weights changed on disk")
def damaged_weights(place: Place) -> str:
    from tests.faults.network import model_file, restored_with
    from tests.support.hub import LoopbackHub

    with LoopbackHub() as hub:
        place.extra["HF_ENDPOINT"] = hub.url
        hub.add_repo("org/name", {"model.safetensors": model_file(place.folder)})
        succeeded(place.run("-m", "mirnet", "weights", "fetch", "hub:org/name"))
        before = restored_with(place, "hub:org/name")
        (path,) = (place.folder / "cache" / "weights").glob("*.safetensors")
        content = bytearray(path.read_bytes())
        content[-7] ^= 0x40
        path.write_bytes(content)
        photo = place.folder / "photo.png"
        photo.write_bytes(as_file(marked(6, 90, 60), "PNG"))
        out = place.folder / "out.png"
        command = ("-m", "mirnet", "restore", str(photo), "-o", str(out), "--task", "denoise")
        said = refused(place.run(*command, "--weights", "hub:org/name"))
        assert not out.exists()
        succeeded(place.run(*command))  # other weights go on working
        succeeded(place.run("-m", "mirnet", "weights", "forget", "hub:org/name"))
        succeeded(place.run("-m", "mirnet", "weights", "fetch", "hub:org/name"))
        assert restored_with(place, "hub:org/name") == before, "another result"
    return f"exit 2, {quoted(said)}; fetched again, bit for bit the same"
