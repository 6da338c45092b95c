"""Faults of a Ray cluster of several machines: network namespaces with addresses of their own.

Each machine has its own network, host name and `/tmp/ray`; processor and disk are this computer's.
A folder can be hidden from a machine. Needs root, Ray and iproute2.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.faults.tools import (
    ORDER,
    SECONDS,
    Place,
    Unable,
    facts,
    fault,
    nothing_half_written,
    only_run,
    rows_in,
    succeeded,
    until,
    whole,
)
from tests.support.paths import ROOT

HEAD = "10.77.0.1"
"""Address of the first machine."""
RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # workers of a busy computer would wait without end
    "RAY_AUTH_MODE": "token",
    "OMP_NUM_THREADS": "1",
}
"""Environment of all machines, beside a token that is new each time."""


@dataclass
class Machine:
    """One machine of the cluster."""

    number: int
    """Number, from 1."""
    names: str
    """Name of its network namespace."""
    holder: int
    """Process whose namespaces are the machine's."""
    environment: dict[str, str]
    """Environment of its processes."""

    @property
    def address(self) -> str:
        """Address in the network of the cluster."""
        return f"10.77.0.{self.number}"

    def command(self, *words: str) -> list[str]:
        """Command line that runs a command on the machine."""
        inside = f"cd {ROOT} && exec " + " ".join(words)
        target = ["nsenter", "-t", str(self.holder), "--net", "--mount", "--uts"]
        return [*target, "sh", "-c", inside]

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )

    def start(self, cpus: int = 1) -> None:
        """Start Ray; the first machine begins the cluster and the others join it."""
        role = ["--head", "--port=6379", "--include-dashboard=false"]
        if self.number > 1:
            role = [f"--address={HEAD}:6379"]
        done = self.run(
            sys.executable, "-m", "ray.scripts.scripts", "start", *role,
            f"--node-ip-address={self.address}", f"--num-cpus={cpus}",
            "--object-store-memory=100000000", "--disable-usage-stats",
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout + done.stderr)[-800:]

    def kill(self) -> None:
        """End all its processes at once, as a power cut does."""
        for pid in _words(["ip", "netns", "pids", self.names]):
            if int(pid) != self.holder:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)

    def connect(self, connected: bool) -> None:
        """Plug its network cable in or out."""
        state = "up" if connected else "down"
        _do("ip", "-n", self.names, "link", "set", "net0", state)
        if connected:
            _do("ip", "-n", self.names, "addr", "replace", f"{self.address}/24", "dev", "net0")


def _words(command: list[str]) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unable(f"{' '.join(command[:4])}: {done.stderr.strip()[:200]}")


@contextlib.contextmanager
def cluster(place: Place, hidden: tuple[Path, ...] = (), count: int = 3) -> Iterator[list[Machine]]:
    """Machines that are one Ray cluster; the first writes runs and computes too.

    Args:
        place: Folders of the fault.
        hidden: Folders that only the first machine has.
        count: Number of machines.

    Raises:
        Unable: No namespaces can be made here, or Ray is missing.
    """
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"):
        raise Unable("needs root, iproute2 and util-linux")
    if find_spec("ray") is None:
        raise Unable("needs Ray: pip install 'ray>=2.50'")
    tag = f"mirnet{os.getpid()}"
    environment = os.environ | place.environment | RAY | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment["PYTHONPATH"] = str(ROOT)
    switch, machines = f"{tag}-switch", []
    with contextlib.ExitStack() as cleanup:
        _add_names(switch, cleanup)
        _do("ip", "-n", switch, "link", "add", "bridge0", "type", "bridge")
        _do("ip", "-n", switch, "link", "set", "bridge0", "up")
        for number in range(1, count + 1):
            names = f"{tag}-{number}"
            _add_names(names, cleanup)
            wire = ("type", "veth", "peer", "name", f"port{number}", "netns", switch)
            _do("ip", "link", "add", "net0", "netns", names, *wire)
            _do("ip", "-n", switch, "link", "set", f"port{number}", "master", "bridge0", "up")
            _do("ip", "-n", names, "link", "set", "lo", "up")
            own = ["/tmp/ray", *(str(path) for path in hidden if number > 1)]
            for path in own:
                Path(path).mkdir(parents=True, exist_ok=True)
            mounts = "".join(f"mount -t tmpfs none {path} && " for path in own)
            ready = f"hostname machine{number} && {mounts}echo ready && exec sleep infinity"
            holder = subprocess.Popen(
                ["ip", "netns", "exec", names, "unshare", "--mount", "--uts", "sh", "-c", ready],
                stdout=subprocess.PIPE,
                text=True,
            )
            cleanup.callback(_end, holder)
            if (holder.stdout.readline() if holder.stdout else "").strip() != "ready":
                raise Unable("no mount namespaces here")
            machine = Machine(number, names, holder.pid, environment)
            cleanup.callback(machine.kill)
            machine.connect(True)
            machines.append(machine)
        for machine in machines:
            machine.start()
        yield machines


def _add_names(name: str, cleanup: contextlib.ExitStack) -> None:
    """Make a network namespace, and remove it at the end, whatever fails until then."""
    _do("ip", "netns", "add", name)
    remove = ["ip", "netns", "del", name]
    cleanup.callback(subprocess.run, remove, capture_output=True, check=False)


def _end(holder: subprocess.Popen) -> None:
    holder.kill()
    holder.wait()


def evaluation(machines: list[Machine], *more: str) -> subprocess.Popen:
    """Start the evaluation of `ORDER` on a cluster, from its first machine."""
    command = machines[0].command(
        sys.executable, "-m", "eval", "run", *ORDER, "--fresh", "--engine", "ray",
        "--address", f"{HEAD}:6379", "--workers", str(len(machines)), *more,
    )  # fmt: skip
    return subprocess.Popen(
        command,
        env=machines[0].environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def ended_well(process: subprocess.Popen, place: Place) -> None:
    """Check that the evaluation ends, with the rows of one process."""
    said = " ".join((process.communicate(timeout=SECONDS)[1] or "").split())
    assert process.returncode == 0, f"exit {process.returncode}: {said[-400:]}"
    stored = only_run(place.store)
    assert facts(stored.rows()) == whole(place), "other rows than of one process"
    names = {row.output_sha256 for row in stored.rows()}
    assert all(stored.output(str(name)).exists() for name in names), "an output is missing"
    nothing_half_written(place.state)


def under_way(process: subprocess.Popen, place: Place, rows: int) -> None:
    """Wait until an evaluation has stored rows."""

    def there() -> bool:
        if process.poll() is not None:
            said = " ".join((process.communicate()[1] or "").split())
            raise AssertionError(f"exit {process.returncode}: {said[-400:]}")
        return bool(place.store.headers()) and rows_in(only_run(place.store)) >= rows

    until(there, f"{rows} rows")


@fault("evaluation on three machines (network namespaces) that share nothing but the network")
def cluster_without_shared_folder(place: Place) -> str:
    from eval.data.benchmarks import get_benchmark
    from eval.data.reader_factory import open_benchmark
    from eval.runs.store import RunStore
    from mirnet.images.encode import write_image

    reader, own = open_benchmark(get_benchmark("mini-denoise")), place.folder / "own"
    for item in reader.items():
        pair = reader.load(item)
        for kind, picture in (("input", pair.degraded), ("target", pair.target)):
            (own / kind).mkdir(parents=True, exist_ok=True)
            write_image(picture, own / kind / f"{item.id}.png")
    folder = ("--folder", str(own))
    out = place.folder / "alone"
    succeeded(place.run("-m", "eval", "run", *ORDER, *folder, "--fresh", "--out", str(out)))
    alone = only_run(RunStore(out))
    with cluster(place, hidden=(own, place.state)) as machines:
        process = evaluation(machines, *folder)
        said = " ".join((process.communicate(timeout=SECONDS)[1] or "").split())
        assert process.returncode == 0, f"exit {process.returncode}: {said[-400:]}"
        for machine in machines[1:]:
            left = machine.run("ls", "-A", str(place.state)).stdout.split()
            assert not left, f"left on machine {machine.number}: {left}"
    stored = only_run(place.store)
    assert facts(stored.rows()) == facts(alone.rows()), "other rows than of one process"
    assert len(list((stored.folder / "outputs").glob("*"))) > 8
    return "pairs go there and outputs come back through Ray; bit for bit as of one process"


@fault("kill -9 of all processes of one of three machines while a cluster evaluates")
def cluster_machine_killed(place: Place) -> str:
    with cluster(place) as machines:
        process = evaluation(machines)
        under_way(process, place, 2)
        machines[2].kill()
        ended_well(process, place)
    return "the other two do its pictures; bit for bit as of one process"


@fault("one of three machines cut off for 3 s, then for good and back, while a cluster evaluates")
def cluster_machine_cut_off(place: Place) -> str:
    with cluster(place) as machines:
        process = evaluation(machines)
        under_way(process, place, 1)
        machines[1].connect(False)
        time.sleep(3)
        machines[1].connect(True)
        under_way(process, place, 3)
        machines[2].connect(False)
        time.sleep(1)
        machines[2].kill()
        machines[2].connect(True)
        machines[2].start()
        ended_well(process, place)
    return "its pictures are done by whoever is there; bit for bit as of one process"
