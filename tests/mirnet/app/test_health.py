"""The self-check tells what is wrong, and never more than a stranger may know."""

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
from typer.testing import CliRunner

from mirnet import memory
from mirnet.app import health
from mirnet.cli.main import app
from mirnet.weights import catalogue


def words(findings, what):
    return next(finding for finding in findings if finding.what == what)


def test_all_is_well_here(hub, weights_cache):
    findings = health.check()
    assert [f.what for f in findings] == ["weights", "disk", "memory", "hub", "versions"]
    assert words(findings, "weights").ok and words(findings, "versions").ok
    assert words(findings, "hub").words == "Reachable."
    assert "torch 2" in words(findings, "versions").words
    assert os.sep + "home" not in json.dumps(health.document(findings))
    assert str(weights_cache) not in json.dumps(health.document(findings))


def test_a_changed_weights_file_is_found(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    shutil.copytree(catalogue.EMBEDDED_FOLDER, folder)
    monkeypatch.setattr(catalogue, "EMBEDDED_FOLDER", folder)
    assert words(health.check(hub=False), "weights").ok
    with (folder / "denoise-compact.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last, before = file.read(1)[0], os.fstat(file.fileno())
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    # Bits that rot change neither time nor size.
    os.utime(file.name, ns=(before.st_atime_ns, before.st_mtime_ns))
    finding = words(health.check(hub=False), "weights")
    assert not finding.ok and "denoise-compact.safetensors" in finding.words


def test_a_hub_that_is_away_is_told_and_no_fault(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    finding = words(health.check(), "hub")
    assert finding.ok and "Not reachable" in finding.words
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "Not asked" in words(health.check(), "hub").words


def test_a_full_disk_and_a_closed_cache_are_faults(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    assert not words(health.check(hub=False), "disk").ok
    monkeypatch.undo()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written" in words(health.check(hub=False), "disk").words


def test_the_disk_that_is_used_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "pages" / "own"))
    looked = []
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: looked.append(folder) or usage(10**9, 0, 10**9)
    )
    assert words(health.check(hub=False), "disk").ok
    assert looked == [tmp_path]  # the closest folder that exists


def test_memory_is_that_of_the_container(tmp_path, monkeypatch):
    monkeypatch.setattr("mirnet.memory.CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("1900000000\n")
    finding = words(health.check(hub=False), "memory")
    assert not finding.ok and finding.words.startswith("0.1 GB available")


@pytest.mark.parametrize(
    ("groups", "limited"),
    [
        ("0::/system.slice/mirnet.service\n", "system.slice/mirnet.service"),
        ("0::/system.slice/mirnet.service\n", "system.slice"),  # around it
        ("0::/system.slice/mirnet.service\n", ""),
        ("3:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/\n0::/\n", "memory/docker/abc"),
        ("4:memory:/docker/abc\n0::/\n", "memory"),  # what a container sees of its own
        ("0::/../other\n", ""),
        (None, ""),
    ],
)
def test_memory_is_that_of_the_service_and_of_what_is_around_it(
    groups, limited, tmp_path, monkeypatch
):
    """MemoryMax= of systemd is below the uppermost group: nothing looked there."""
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "own")
    if groups is not None:
        (tmp_path / "own").write_text(groups)
    folder = tmp_path / "cgroup" / limited
    folder.mkdir(parents=True)
    assert memory.available_ram_bytes() > 200_000_000  # of the machine
    version1 = limited.startswith("memory")
    most, now = ("limit_in_bytes", "usage_in_bytes") if version1 else ("max", "current")
    (folder / f"memory.{most}").write_text("2000000000\n")
    (folder / f"memory.{now}").write_text("1900000000\n")
    assert memory.available_ram_bytes() == 100_000_000


def test_a_real_group_limits_memory():
    """With the kernel's own files, where this user may make a group."""
    lines = [line.split(":", 2) for line in memory.GROUPS.read_text().splitlines()]
    old = next((path for _, names, path in lines if names == "memory"), None)
    own = next(path for _, _, path in lines) if old is None else old
    top = memory.CGROUP / ("" if old is None else "memory") / own.strip("/")
    group = top / f"mirnet-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error.strerror}")
    try:
        limit = group / ("memory.max" if old is None else "memory.limit_in_bytes")
        if not limit.exists():
            pytest.skip("groups of this one have no memory controller")
        limit.write_text(str(150 * 2**20))
        code = "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        code += "from mirnet.memory import available_ram_bytes; print(available_ram_bytes())"
        command = [sys.executable, "-c", code, str(group / "cgroup.procs")]
        left = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert 0 < left <= 150 * 2**20
    finally:
        group.rmdir()


def test_other_rooms_add_checks():
    for ok in (True, False):
        health.add_check("results", lambda ok=ok: (ok, "Kept."))
    found = [finding for finding in health.check(hub=False) if finding.what == "results"]
    assert found == [health.Finding("results", False, "Kept.")]


@pytest.mark.parametrize("ok", [True, False])
def test_the_command_exits_with_one_where_something_is_wrong(ok, monkeypatch):
    found = [health.Finding("disk", ok, "0.0 GB free.")]
    monkeypatch.setattr(health, "check", lambda: found)
    done = CliRunner().invoke(app, ["check", "--json"])
    assert done.exit_code == (0 if ok else 1)
    assert json.loads(done.output) == health.document(found)
    assert "disk" in CliRunner().invoke(app, ["check"]).output
