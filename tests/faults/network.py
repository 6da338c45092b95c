"""Faults: wrong, slow or truncated answers of the Hub; clock jumps; exhausted memory."""

import hashlib
import subprocess
from pathlib import Path

import torch

from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights.checkpoints import read_checkpoint
from mirnet.weights.networks import save_weights
from tests.faults.killed import same_as_library
from tests.faults.tools import (
    ORDER,
    SECONDS,
    Place,
    Unable,
    facts,
    fault,
    only_run,
    quoted,
    refused,
    restore,
    rows_in,
    succeeded,
    until,
    whole,
)
from tests.load.marks import as_file, marked
from tests.support.hub import Fault as HubFault
from tests.support.hub import LoopbackHub

WEIGHTS = "hub:org/name"


def model_file(folder: Path) -> bytes:
    """Make a small untrained network, as a file of the Hub."""
    torch.manual_seed(0)
    model = MIRNetV2(features=16, blocks=1, conv_groups=(1, 1)).eval()
    path = save_weights(model, folder / "hub.safetensors", {"task": "denoise"})
    return path.read_bytes()


def restored_with(place: Place, weights: str) -> str:
    """Hash the result of weights on a photo."""
    photo, out = place.folder / "given.png", place.folder / "made.png"
    photo.write_bytes(as_file(marked(8, 90, 60), "PNG"))
    command = ["restore", str(photo), "-o", str(out), "--task", "denoise", "--weights", weights]
    succeeded(place.run("-m", "mirnet", *command, "--overwrite"))
    return hashlib.sha256(out.read_bytes()).hexdigest()


def _hub_fails(place: Place, broken: HubFault, works: str = "") -> str:
    """Fetch weights from a Hub with a fault, and again without; `works` says what is to be told of
    a fetch that is to succeed all the same."""
    content = model_file(place.folder)
    with LoopbackHub() as hub:
        place.extra["HF_ENDPOINT"] = hub.url
        hub.add_repo("org/name", {"model.safetensors": content})
        hub.fail("/org/name/resolve", broken)
        fetch = ("-m", "mirnet", "weights", "fetch", WEIGHTS)
        done = place.run(*fetch)
        if works:
            succeeded(done)
            said = works
        else:
            said = f"exit 2, {quoted(refused(done), 230)}; nothing kept of it"
            kept = list((place.folder / "cache").rglob("*.safetensors"))
            assert not kept, f"kept: {kept}"
        hub.heal()
        succeeded(place.run(*fetch))
        restored_with(place, WEIGHTS)
        (path,) = (place.folder / "cache" / "weights").glob("*.safetensors")
        wanted = place.folder / "hub.safetensors"
        state = [read_checkpoint(file) for file in (path, wanted)]
        assert all(torch.equal(state[0][name], state[1][name]) for name in state[1])
    return f"{said}; the next try works"


@fault("Hub answers 500", slow=False)
def hub_500(place: Place) -> str:
    return _hub_fails(place, HubFault(status=500))


@fault("Hub sends 8 kB every 0.1 s")
def hub_slow(place: Place) -> str:
    return _hub_fails(place, HubFault(seconds_per_chunk=0.1), "slower, and complete")


@fault("Hub cuts every connection after 20 kB")
def hub_cut(place: Place) -> str:
    return _hub_fails(place, HubFault(cut_after=20_000), "taken up each time where it broke")


@fault("Hub cuts every connection before the first byte")
def hub_cut_at_once(place: Place) -> str:
    return _hub_fails(place, HubFault(cut_after=0))


@fault("Hub cuts the first connection after 20 kB")
def hub_cut_once(place: Place) -> str:
    return _hub_fails(place, HubFault(cut_after=20_000, times=1), "taken up where it broke")


@fault("Hub sends one wrong byte")
def hub_corrupt(place: Place) -> str:
    return _hub_fails(place, HubFault(flip_byte=True))


def _faketime() -> str:
    found = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise Unable("libfaketime is not installed (apt-get install faketime)")
    return str(found[0])


def _fake_clock(place: Place) -> Path:
    """Make this place's clock follow its file."""
    path = place.folder / "clock"
    path.write_text("+0")
    # libfaketime 0.9.10 fails in the call under Python's sleep where the monotonic clock is real.
    (place.folder / "sitecustomize.py").write_text(
        "import select, time\n"
        "time.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
    )
    place.extra |= {
        "LD_PRELOAD": _faketime(),
        "PYTHONPATH": str(place.folder),
        "FAKETIME_TIMESTAMP_FILE": str(path),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return path


@fault("clock set forward 1 day, then back 3, while it evaluates (libfaketime)")
def clock_jump_evaluating(place: Place) -> str:
    clock = _fake_clock(place)
    process = place.begin("-m", "eval", "run", *ORDER, "--fresh")
    until(lambda: place.store.headers() and rows_in(only_run(place.store)) >= 2, "two pictures")
    clock.write_text("+1d")
    until(lambda: rows_in(only_run(place.store)) >= 5, "five pictures")
    clock.write_text("-3d")
    said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0, said[-400:]
    stored = only_run(place.store)
    assert stored.header().ended < stored.header().created, "the clock did not jump"
    for command in (("list",), ("show", stored.id), ("verify", stored.id)):
        succeeded(place.run("-m", "eval", *command))
    assert all(0 <= row.seconds < 300 for row in stored.rows() if row.seconds is not None)
    older = place.run("-m", "eval", "run", *ORDER)  # begins three days before the first
    succeeded(older)
    assert len(place.store.headers()) == 2
    place.extra.clear()
    assert facts(stored.rows()) == whole(place), "another result than without the fault"
    return "the run ends 3 days before it began and is whole; times of pictures are right"


@fault("clock set forward 1 day, then back 3, while the app is used (libfaketime)")
def clock_jump_restoring(place: Place) -> str:
    clock = _fake_clock(place)
    photo = as_file(marked(9, 300, 200))
    with place.app() as app:
        for jump in ("+0", "+1d", "-3d"):
            clock.write_text(jump)
            same_as_library(restore(app.url, photo), photo, place)
    return "photos are restored before, between and after, bit for bit the same"


_LIMITED = """
import resource, sys
import mirnet.restoration.api, mirnet.cli.main, eval.cli.main, eval.runs.runner, psutil
import torch
torch.ones(1000, 1000) @ torch.ones(1000, 1000)
limit = psutil.Process().memory_info().vms + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
name, *sys.argv[1:] = sys.argv[2:]
(eval if name == "eval" else mirnet).cli.main.app()
"""
"""Script that runs a command with limited memory beyond what importing took."""


def _limited(place: Place, megabytes: int, *command: str) -> subprocess.CompletedProcess:
    return place.run("-c", _LIMITED, str(megabytes), *command)


@fault("address space limited while a photo of 12 MP is restored (RLIMIT_AS)")
def no_memory_restoring(place: Place) -> str:
    photo, out = place.folder / "photo.jpg", place.folder / "out.png"
    photo.write_bytes(as_file(marked(10, 4000, 3000)))
    command = ["mirnet", "restore", str(photo), "-o", str(out), "--task", "denoise"]
    said = []
    for megabytes in (20, 60, 120, 200, 300):
        done = _limited(place, megabytes, *command)
        said.append(refused(done))
        assert not out.exists() and not list(place.folder.glob("*.part*"))
    small, made = place.folder / "small.jpg", place.folder / "small.png"
    small.write_bytes(as_file(marked(11, 300, 200)))
    succeeded(
        place.run("-m", "mirnet", "restore", str(small), "-o", str(made), "--task", "denoise")
    )
    return f"with 20 to 300 MB: exit 2, {quoted(said[0])} or {quoted(said[-1])}"


@fault("address space limited while it evaluates (RLIMIT_AS)")
def no_memory_evaluating(place: Place) -> str:
    done = _limited(place, 64, "eval", "run", *ORDER, "--fresh")
    assert "Traceback" not in done.stderr, done.stderr[-400:]
    assert done.returncode in (0, 1, 2), done.stderr[-400:]
    stored = only_run(place.store)
    failed = [row for row in stored.rows() if row.error]
    assert failed or stored.header().status == "failed", "the limit was too wide"
    reason = failed[0].error if failed else stored.header().error
    succeeded(place.run("-m", "eval", "resume", stored.id))
    assert facts(stored.rows()) == whole(place), "another result than without the fault"
    return f"{len(failed)} pictures say {quoted(str(reason))}; resumed, bit for bit the same"
