"""Downloads with progress: resumed, refused, stopped, one at a time, nothing left behind."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from mirnet import download as http
from mirnet.errors import WeightsUnavailable
from mirnet.models.mirnet import MIRNet
from mirnet.weights import load as weights
from mirnet.weights import store as cache
from mirnet.weights.fetch import fetch
from mirnet.weights.importing import forget
from mirnet.weights.verify import verify
from tests.support.hub import Fault
from tests.support.paths import ROOT
from tests.support.weights_files import (
    Bomb,
    fetched,
    file_of,
    left_in,
    refused,
    tiny_v2,
    wait_until,
)


def test_fetch_downloads_converts_and_records(hub, offer, v2_file, weights_cache):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    assert weights.locate(entry.id) is None
    assert hub.requests == []

    events = list(fetch(entry.id))

    states = [event.state for event in events]
    assert states[0] == "downloading"
    assert states[-1] == "ready"
    assert left_in(weights_cache) == ["test-v2.json", "test-v2.safetensors"]
    path = events[-1].path
    assert path == weights.locate(entry.id)
    record = cache.read_record(entry.id)
    assert record.original_sha256 == hashlib.sha256(v2_file).hexdigest()
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert cache.read_notes(path)["origin"] == entry.url

    loaded = weights.load(entry.id)
    assert loaded.sha256 == record.sha256
    assert loaded.entry.licence == "MIT"
    x = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(loaded.model(x), tiny_v2()(x))
    assert verify(entry.id).ok


def test_fetch_of_what_is_here_opens_no_connection(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    fetched(entry.id)
    hub.requests.clear()
    assert [event.state for event in fetch(entry.id)] == ["ready"]
    assert hub.requests == []


def test_progress_counts_bytes(hub, offer, v2_file, monkeypatch):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    monkeypatch.setattr(http, "CHUNK_BYTES", 8192)
    hub.fail("/files/", Fault(seconds_per_chunk=0.03))
    events = list(fetch(entry.id))
    done = [event.done_bytes for event in events if event.state == "downloading"]
    assert len(set(done)) > 3
    assert done == sorted(done)
    assert events[-2].total_bytes == len(v2_file)


def test_a_broken_connection_is_taken_up_where_it_broke(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    cut = http.CHUNK_BYTES
    hub.fail("/files/", Fault(cut_after=cut, times=1))
    fetched(entry.id)
    assert [request.range for request in hub.seen()] == [None, f"bytes={cut}-"]
    assert hub.bytes_sent() == len(v2_file)


def test_without_ranges_a_broken_download_starts_again(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", Fault(no_ranges=True))
    hub.fail("/files/", Fault(no_ranges=True, cut_after=http.CHUNK_BYTES, times=1))
    fetched(entry.id)
    assert hub.bytes_sent() == len(v2_file) + http.CHUNK_BYTES
    assert cache.read_record(entry.id).original_sha256 == hashlib.sha256(v2_file).hexdigest()


def test_a_file_that_changes_between_two_tries_is_not_spliced(
    hub, offer, v2_file, tmp_path, monkeypatch
):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    other = file_of({"params": tiny_v2(1).state_dict()}, tmp_path / "other.pth")
    monkeypatch.setattr(http, "RETRY_PAUSE_SECONDS", 0.5)
    hub.fail("/files/", Fault(cut_after=http.CHUNK_BYTES, times=1))
    for _ in fetch(entry.id):
        if hub.seen():
            hub.add_file("theirs.pth", other)
    assert [request.status for request in hub.seen()] == [200, 200]
    assert cache.read_record(entry.id).original_sha256 == hashlib.sha256(other).hexdigest()


def test_a_wrong_hash(hub, offer, v2_file, weights_cache):
    entry = offer(url=hub.add_file("theirs.pth", v2_file), sha256="a" * 64)
    assert "the catalogue expects aaaaaaaaaaaa" in refused(entry, weights_cache)


def test_a_file_over_the_limit_is_not_begun(hub, offer, v2_file, weights_cache):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    text = refused(entry, weights_cache, max_bytes=100_000)
    assert text.startswith("The file has 0.1 MB, more than the limit of 0.1 MB")


def test_a_file_of_unknown_size_is_stopped_at_the_limit(hub, offer, weights_cache):
    entry = offer(url=hub.add_file("huge.pth", bytes(20_000_000)))
    hub.fail("/files/", Fault(no_length=True))
    text = refused(entry, weights_cache, max_bytes=100_000)
    assert "sends more than the limit of 0.1 MB" in text
    assert hub.bytes_sent() < 15_000_000


def test_a_full_disk(hub, offer, v2_file, weights_cache, monkeypatch):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    full = shutil._ntuple_diskusage(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: full)
    assert "make room, or point MIRNET_CACHE at" in refused(entry, weights_cache)
    assert hub.bytes_sent() == 0


def test_a_cache_folder_that_cannot_be_written(offer, tmp_path, monkeypatch):
    entry = offer(url="http://127.0.0.1:9/a.pth")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIRNET_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsUnavailable, match="cannot be written.*MIRNET_CACHE"):
        list(fetch(entry.id))


def test_a_changed_file_is_refused_until_the_first_one_is_forgotten(
    hub, offer, v2_file, tmp_path, weights_cache
):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    fetched(entry.id).unlink()
    hub.add_file("theirs.pth", file_of({"params": tiny_v2(1).state_dict()}, tmp_path / "b.pth"))
    text = refused(entry, weights_cache)
    assert "the first one seen had" in text
    assert "`python -m mirnet weights forget test-v2`" in text
    assert forget(entry.id)
    assert not forget(entry.id)
    fetched(entry.id)
    assert verify(entry.id).ok


def test_a_file_of_another_network(hub, offer, tmp_path, weights_cache):
    state = MIRNet(features=8, groups=1, blocks=1).state_dict()
    entry = offer(url=hub.add_file("v1.pth", file_of(state, tmp_path / "v1.pth")))
    assert "v1.pth holds a MIRNet, but 'test-v2' are weights of MIRNetV2" in refused(
        entry, weights_cache
    )


def test_weights_a_person_must_bring(offer):
    entry = offer(url=None, filename="model_SR_x3.pth")
    with pytest.raises(WeightsUnavailable) as caught:
        list(fetch(entry.id))
    assert "cannot be downloaded by program" in str(caught.value)
    assert "weights import model_SR_x3.pth --as test-v2`" in str(caught.value)


def test_closing_the_iterator_stops_the_download_at_once(hub, offer, v2_file, weights_cache):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", Fault(seconds_per_chunk=0.1))
    progress = fetch(entry.id)
    for event in progress:
        if event.total_bytes:
            break
    began = time.monotonic()
    progress.close()
    assert time.monotonic() - began < 1.5
    wait_until(lambda: left_in(weights_cache) == [])
    assert hub.bytes_sent() < len(v2_file)
    hub.heal()
    fetched(entry.id)


def test_a_silent_download_stops_too(hub, offer, v2_file, weights_cache):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", Fault(seconds_per_chunk=30))
    progress = fetch(entry.id)
    next(event for event in progress if event.total_bytes)
    began = time.monotonic()
    progress.close()
    assert time.monotonic() - began < 1.5
    assert left_in(weights_cache) == []
    assert "fetch test-v2" not in [thread.name for thread in threading.enumerate()]


def test_an_iterator_may_be_closed_in_another_thread(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", Fault(seconds_per_chunk=0.1))
    progress = fetch(entry.id)
    thread = threading.Thread(target=lambda: next(progress))
    thread.start()
    thread.join()
    progress.close()
    hub.heal()
    fetched(entry.id)


def test_a_second_download_waits_for_the_first(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", Fault(seconds_per_chunk=0.02))
    first, second = fetch(entry.id), fetch(entry.id)
    next(first)
    assert next(second).state == "waiting"
    assert list(first)[-1].state == "ready"
    assert list(second)[-1].state == "ready"
    assert len(hub.seen(method="GET")) == 1


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from mirnet.weights import catalogue
from mirnet.weights.fetch import fetch
catalogue.CATALOGUE_FILE = Path(sys.argv[1])
for event in fetch("test-v2"):
    print(event.state, flush=True)
"""


TABLE = """
[[weights]]
id = "test-v2"
title = "Test"
task = "denoise"
architecture = "MIRNetV2"
kind = "official"
licence = "MIT"
source = "nobody"
trained_on = "nothing"
url = "{url}"
"""


def start_child(url: str, tmp_path: Path) -> subprocess.Popen:
    table = tmp_path / "catalogue.toml"
    table.write_text(TABLE.format(url=url))
    return subprocess.Popen(
        [sys.executable, "-c", CHILD.format(root=str(ROOT)), str(table)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def test_two_processes_download_once(hub, v2_file, tmp_path, weights_cache):
    url = hub.add_file("theirs.pth", v2_file)
    hub.fail("/files/", Fault(seconds_per_chunk=0.05))
    children = [start_child(url, tmp_path) for _ in range(2)]
    outputs = [child.communicate(timeout=120) for child in children]
    assert [out.split()[-1] for out, _ in outputs] == ["ready", "ready"], outputs
    assert len(hub.seen(method="GET")) == 1
    assert left_in(weights_cache) == ["test-v2.json", "test-v2.safetensors"]


def test_what_a_killed_process_left_is_swept(hub, offer, v2_file, tmp_path, weights_cache):
    url = hub.add_file("theirs.pth", v2_file)
    hub.fail("/files/", Fault(seconds_per_chunk=0.2))
    child = start_child(url, tmp_path)
    wait_until(lambda: hub.bytes_sent() or list(weights_cache.glob("*/*.partial/*")), 20)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert list(weights_cache.glob("*/*.partial"))
    assert weights.locate("test-v2") is None
    hub.heal()
    fetched(offer(url=url).id)
    assert left_in(weights_cache) == ["test-v2.json", "test-v2.safetensors"]


def test_a_fetched_pickle_that_runs_code_does_not_run(hub, offer, tmp_path, weights_cache):
    target = tmp_path / "executed"
    bomb = file_of({"params": Bomb(target)}, tmp_path / "evil.pth")
    entry = offer(url=hub.add_file("evil.pth", bomb))
    assert "evil.pth" in refused(entry, weights_cache)
    assert not target.exists()
