"""Finding, downloading, importing, checking and loading weights, and every way it can fail."""

import hashlib
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
import torch

from mirnet.errors import CheckpointRejected, InvalidRequest, WeightsUnavailable
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights import catalogue, networks
from mirnet.weights import download as downloads
from mirnet.weights import load as weights
from mirnet.weights import store as cache
from mirnet.weights.catalogue import WeightsEntry
from mirnet.weights.fetch import fetch
from mirnet.weights.importing import forget, import_file
from mirnet.weights.networks import save_weights
from mirnet.weights.verify import verify
from tests.support.hub import Fault
from tests.support.paths import ROOT
from tests.support.reference_networks import seeded_checkpoint


def tiny_v2(seed: int = 0) -> MIRNetV2:
    torch.manual_seed(seed)
    return MIRNetV2(features=8, blocks=1, conv_groups=(1, 1)).eval()


def file_of(state: object, path: Path) -> bytes:
    torch.save(state, path)
    return path.read_bytes()


@pytest.fixture
def v2_file(tmp_path) -> bytes:
    return file_of({"params": tiny_v2().state_dict()}, tmp_path / "theirs.pth")


@pytest.fixture
def offer(monkeypatch):
    """Add entries to the catalogue."""
    table = dict(catalogue.read_catalogue(catalogue.CATALOGUE_FILE))
    monkeypatch.setattr(catalogue, "read_catalogue", lambda _path: table)

    def add(**values) -> WeightsEntry:
        entry = WeightsEntry(
            **{
                "id": "test-v2",
                "title": "Test",
                "task": "denoise",
                "architecture": "MIRNetV2",
                "kind": "official",
                "licence": "MIT",
                "source": "nobody",
                "page_url": "https://example.org/page",
                **values,
            }
        )
        table[entry.id] = entry
        return entry

    return add


@pytest.fixture(autouse=True)
def fast_and_clean(monkeypatch, weights_cache):
    monkeypatch.setattr(downloads, "RETRY_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("mirnet.weights.fetch.HEARTBEAT_SECONDS", 0.02)
    weights._models.clear()


def fetched(weights_id: str, **options) -> Path:
    events = list(fetch(weights_id, **options))
    assert events[-1].state == "ready"
    return events[-1].path


def left_in(folder: Path) -> list[str]:
    """What lies in the cache beside locks."""
    return sorted(p.name for p in (folder / "weights").iterdir() if p.suffix != ".lock")


# ------------------------------------------------------------------ downloads that work


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
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 8192)
    hub.fail("/files/", Fault(seconds_per_chunk=0.03))
    events = list(fetch(entry.id))
    done = [event.done_bytes for event in events if event.state == "downloading"]
    assert len(set(done)) > 3
    assert done == sorted(done)
    assert events[-2].total_bytes == len(v2_file)


def test_a_broken_connection_is_taken_up_where_it_broke(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    cut = downloads.CHUNK_BYTES
    hub.fail("/files/", Fault(cut_after=cut, times=1))
    fetched(entry.id)
    assert [request.range for request in hub.seen()] == [None, f"bytes={cut}-"]
    assert hub.bytes_sent() == len(v2_file)


def test_without_ranges_a_broken_download_starts_again(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", Fault(no_ranges=True))
    hub.fail("/files/", Fault(no_ranges=True, cut_after=downloads.CHUNK_BYTES, times=1))
    fetched(entry.id)
    assert hub.bytes_sent() == len(v2_file) + downloads.CHUNK_BYTES
    assert cache.read_record(entry.id).original_sha256 == hashlib.sha256(v2_file).hexdigest()


def test_a_file_that_changes_between_two_tries_is_not_spliced(
    hub, offer, v2_file, tmp_path, monkeypatch
):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    other = file_of({"params": tiny_v2(1).state_dict()}, tmp_path / "other.pth")
    monkeypatch.setattr(downloads, "RETRY_PAUSE_SECONDS", 0.5)
    hub.fail("/files/", Fault(cut_after=downloads.CHUNK_BYTES, times=1))
    for _ in fetch(entry.id):
        if hub.seen():
            hub.add_file("theirs.pth", other)
    assert [request.status for request in hub.seen()] == [200, 200]
    assert cache.read_record(entry.id).original_sha256 == hashlib.sha256(other).hexdigest()


# ------------------------------------------------------------------ downloads that fail


def refused(entry: WeightsEntry, folder: Path, **options) -> str:
    """Fetch, expect one sentence, and nothing left behind."""
    with pytest.raises((WeightsUnavailable, CheckpointRejected)) as caught:
        list(fetch(entry.id, **options))
    assert weights.locate(entry.id) is None
    assert [name for name in left_in(folder) if not name.endswith(".json")] == []
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


BY_HAND = "download it in a browser from https://example.org/page and run "


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=404), "no longer has the file of 'test-v2' (404)"),
        (Fault(status=403), "refuses to hand out the file of 'test-v2' (403)"),
        (Fault(status=503), "answered with error 503"),
        (Fault(html=True), "sent a web page in place of the file"),
        (Fault(cut_after=0), "stopped after 0.0 MB because the connection broke"),
    ],
)
def test_a_failing_server_is_answered_with_the_way_by_hand(
    hub, offer, v2_file, weights_cache, fault, expected
):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", fault)
    text = refused(entry, weights_cache)
    assert expected in text
    assert BY_HAND in text
    assert "weights import FILE --as test-v2`" in text


def test_a_dead_server(offer, weights_cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        entry = offer(url=f"http://127.0.0.1:{unused.getsockname()[1]}/a.pth")
        text = refused(entry, weights_cache)
    assert "cannot be reached: check the connection and try again, or download" in text


def test_a_silent_server(hub, offer, v2_file, weights_cache, monkeypatch):
    monkeypatch.setitem(downloads.CONTACT_SECONDS, "http", 0.3)
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    hub.fail("/files/", Fault(silent=True))
    began = time.monotonic()
    with pytest.raises(WeightsUnavailable, match="cannot be reached"):
        list(fetch(entry.id))
    assert time.monotonic() - began < 3
    hub.close()  # the thread that hung wakes, and cleans up
    wait_until(lambda: left_in(weights_cache) == [])


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


# ------------------------------------------------------------------ stopping, locks, leftovers


def wait_until(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


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


# ------------------------------------------------------------------ Google Drive


@pytest.fixture
def drive(hub, monkeypatch):
    """Send gdown's requests for Google to the loopback server."""
    send = requests.Session.request

    def redirected(self, method, url, **options):
        for host in ("https://drive.google.com", "https://drive.usercontent.google.com"):
            if url.startswith(host):
                url = hub.url + url.removeprefix(host)
        return send(self, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", redirected)
    return hub


@pytest.mark.parametrize("page", ["none", "confirm"])
def test_drive(drive, offer, v2_file, page):
    entry = offer(drive_id="DRIVE123", filename="model.pth")
    drive.add_drive_file("DRIVE123", "model.pth", v2_file, page)
    fetched(entry.id)
    assert cache.read_record(entry.id).origin == "Google Drive DRIVE123"
    assert weights.load(entry.id).model is not None


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("quota", "too many people downloaded it lately"),
        ("login", "too many people downloaded it lately or it is no longer shared"),
    ],
)
def test_drive_pages_in_place_of_the_file(drive, offer, v2_file, weights_cache, page, expected):
    entry = offer(drive_id="DRIVE123", filename="model.pth")
    drive.add_drive_file("DRIVE123", "model.pth", v2_file, page)
    text = refused(entry, weights_cache)
    assert expected in text
    assert BY_HAND + "`python -m mirnet weights import model.pth --as test-v2`" in text


def test_a_web_page_drive_calls_a_file(drive, offer, weights_cache):
    entry = offer(drive_id="DRIVE123", filename="model.pth")
    drive.add_drive_file("DRIVE123", "model.pth", b"<!doctype html><p>no</p>", "none")
    assert "Google Drive sent a web page" in refused(entry, weights_cache)


def test_drive_over_the_limit(drive, offer, weights_cache):
    entry = offer(drive_id="DRIVE123")
    drive.add_drive_file("DRIVE123", "model.pth", bytes(2_000_000), "none")
    text = refused(entry, weights_cache, max_bytes=100_000)
    assert text.startswith("The file has 2.0 MB, more than the limit of 0.1 MB")


def test_drive_cut_off_or_gone(drive, offer, v2_file, weights_cache, monkeypatch):
    monkeypatch.setattr(downloads, "RETRIES", 0)
    entry = offer(drive_id="DRIVE123")
    drive.add_drive_file("DRIVE123", "model.pth", v2_file, "none")
    drive.fail("/uc", Fault(cut_after=50_000))
    text = refused(entry, weights_cache)
    assert "from Google Drive broke off" in text or "cannot be reached" in text
    drive.close()
    assert "Google Drive cannot be reached" in refused(entry, weights_cache)


def test_drive_stops_when_asked(drive, offer, v2_file, weights_cache):
    entry = offer(drive_id="DRIVE123")
    drive.add_drive_file("DRIVE123", "model.pth", v2_file, "none")
    drive.fail("/uc", Fault(seconds_per_chunk=30))
    progress = fetch(entry.id)
    next(progress)
    wait_until(lambda: list(weights_cache.glob("*/*.partial/*")))
    began = time.monotonic()
    progress.close()
    assert time.monotonic() - began < 1.5
    assert left_in(weights_cache) == []


# ------------------------------------------------------------------ the Hugging Face Hub


@pytest.fixture
def saved_model(tmp_path) -> bytes:
    path = save_weights(tiny_v2(), tmp_path / "m.safetensors", {"task": "denoise"})
    return path.read_bytes()


@pytest.mark.parametrize("cdn", [False, True])
def test_hub(hub, saved_model, cdn, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.cdn = cdn
    commit = hub.add_repo("org/name", {"model.safetensors": saved_model}, tag="v1")
    hub.add_repo("org/name", {"README.md": b"emptied"})
    weights_id = "hub:org/name@v1"
    with pytest.raises(WeightsUnavailable, match="weights fetch hub:org/name@v1"):
        weights.load(weights_id)
    fetched(weights_id)
    assert weights.load(weights_id).entry.task == "denoise"
    assert weights_id in [entry.id for entry in catalogue.entries_for("denoise")]
    assert commit in cache.read_record(weights_id).origin
    if cdn:
        (blob,) = hub.seen("/cdn/", "GET")
        assert blob.authorization is None
    assert hub.seen("/org/name/", "HEAD")[0].authorization == "Bearer hf_secret"


def test_hub_weights_get_the_task_a_person_names(hub, tmp_path):
    plain = save_weights(tiny_v2(), tmp_path / "m.safetensors").read_bytes()
    hub.add_repo("org/name", {"model.safetensors": plain})
    with pytest.raises(InvalidRequest, match="no task 'fly'"):
        list(fetch("hub:org/name", task="fly"))
    fetched("hub:org/name", task="retouch")
    assert catalogue.get_entry("hub:org/name").task == "retouch"


@pytest.mark.parametrize(
    ("weights_id", "expected"),
    [
        ("hub:org/none@main", "no model 'org/none' that you may see"),
        ("hub:org/name@v9", "org/name has no revision 'v9'"),
        ("hub:org/name@main", "no file model.safetensors at revision 'main'"),
        ("hub:org/gated@main", "org/gated is gated: accept its terms at "),
        ("hub:-x/--y@main", "is no name of a Hub repository"),
    ],
)
def test_hub_refusals(hub, weights_cache, weights_id, expected):
    hub.add_repo("org/name", {"README.md": b""})
    hub.add_repo("org/gated", {"model.safetensors": b""}, gated=True)
    assert expected in refused(catalogue.hub_entry(weights_id), weights_cache)


@pytest.mark.parametrize("way", ["refuses", "silent", "broken"])
def test_a_hub_that_is_down_answers_within_five_seconds(hub, weights_cache, way):
    if way == "refuses":
        hub.close()
    else:
        hub.fail("/", Fault(silent=True) if way == "silent" else Fault(status=500))
    began = time.monotonic()
    text = refused(catalogue.hub_entry("hub:org/name@main"), weights_cache)
    assert time.monotonic() - began < 5
    assert "The Hugging Face Hub at 127.0.0.1" in text
    assert "check the connection and try again, or choose weights that are already here" in text


def test_hub_bytes_are_compared_with_the_promised_hash(hub, saved_model, weights_cache):
    hub.add_repo("org/name", {"model.safetensors": saved_model})
    hub.fail("/org/name/", Fault(flip_byte=True))
    text = refused(catalogue.hub_entry("hub:org/name@main"), weights_cache)
    assert "damaged on the way" in text


# ------------------------------------------------------------------ importing


@pytest.mark.parametrize("wrapper", ["plain", "state_dict", "params", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_import_in_every_wrapper(tmp_path, wrapper, prefix):
    state = {prefix + name: value for name, value in tiny_v2().state_dict().items()}
    path = tmp_path / "Mine v1.pth"
    original = file_of(state if wrapper == "plain" else {wrapper: state, "epoch": 3}, path)
    entry = import_file(path, task="denoise")
    assert (entry.id, entry.kind, entry.architecture) == ("mine-v1", "imported", "MIRNetV2")
    assert path.read_bytes() == original
    assert weights.load("mine-v1").entry == entry
    assert verify("mine-v1").ok


@pytest.mark.parametrize(
    ("variant", "weights_id"), [("v1_small", "sr-x3-v1"), ("v2_small", "denoise-v2")]
)
def test_import_as_official_weights(tmp_path, variant, weights_id):
    path = tmp_path / "authors.pth"
    state = {f"module.{name}": value for name, value in seeded_checkpoint(variant).items()}
    torch.save({"epoch": 1, "state_dict": state, "optimizer": {"lr": 0.1}}, path)
    entry = import_file(path, id=weights_id)
    assert (entry.id, entry.kind) == (weights_id, "official")
    assert weights.load(weights_id).path == weights.locate(weights_id)
    assert [event.state for event in fetch(weights_id)] == ["ready"]
    other = tmp_path / "other.pth"
    torch.save({"state_dict": state}, other)
    with pytest.raises(WeightsUnavailable, match="the first one seen had"):
        import_file(other, id=weights_id)


def test_imported_weights_may_be_replaced_and_reload(tmp_path):
    path = tmp_path / "mine.pth"
    for seed in (0, 1):
        torch.save(tiny_v2(seed).state_dict(), path)
        import_file(path, id="mine", task="denoise", title="Mine")
        model = weights.load("mine").model
        assert torch.equal(model.conv_in.weight, tiny_v2(seed).conv_in.weight)
    assert catalogue.get_entry("mine").title == "Mine"
    assert forget("mine")
    with pytest.raises(WeightsUnavailable, match="There are no weights 'mine'"):
        weights.load("mine")


def test_an_exported_file_says_its_own_task(tmp_path):
    save_weights(tiny_v2(), tmp_path / "m.safetensors", {"task": "lowlight"})
    assert import_file(tmp_path / "m.safetensors").task == "lowlight"


class Bomb:
    """Creates a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return (open, (self.target, "w"))


@pytest.mark.parametrize("how", ["torch", "pickle", "inside"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path, weights_cache, how):
    target, path = tmp_path / "executed", tmp_path / "evil.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Bomb(target), protocol=2))
    else:
        torch.save({"params": {"a": Bomb(target)}} if how == "inside" else Bomb(target), path)
    with pytest.raises(CheckpointRejected, match="evil.pth"):
        import_file(path, task="denoise")
    assert not target.exists()
    assert left_in(weights_cache) == []


def test_a_fetched_pickle_that_runs_code_does_not_run(hub, offer, tmp_path, weights_cache):
    target = tmp_path / "executed"
    bomb = file_of({"params": Bomb(target)}, tmp_path / "evil.pth")
    entry = offer(url=hub.add_file("evil.pth", bomb))
    assert "evil.pth" in refused(entry, weights_cache)
    assert not target.exists()


def test_wrong_names_shapes_and_files(tmp_path, weights_cache):
    good = tiny_v2().state_dict()
    path = tmp_path / "bad.pth"
    missing = {name: value for name, value in good.items() if name != "conv_out.weight"}
    cases = {
        "1 tensors missing.*'conv_out.weight'": missing,
        "1 tensors too many.*'surplus'": good | {"surplus": torch.zeros(1)},
        "1 tensors of another shape": good | {"conv_out.weight": torch.zeros(3, 9, 3, 3)},
        "fit neither MIRNet nor MIRNet-v2": {"encoder.weight": torch.zeros(3, 3)},
    }
    for message, state in cases.items():
        torch.save({"params": state}, path)
        with pytest.raises(CheckpointRejected, match=message):
            import_file(path, task="denoise")
    path.write_bytes(b"not weights at all")
    with pytest.raises(CheckpointRejected, match="bad.pth"):
        import_file(path, task="denoise")
    assert left_in(weights_cache) == []


def test_impossible_imports(tmp_path, v2_file):
    path = tmp_path / "theirs.pth"
    for message, options in {
        "add --task with denoise": {},
        "no task 'fly'": {"task": "fly"},
        "name of our own weights": {"id": "denoise-compact"},
        "cannot be an id": {"id": "../up", "task": "denoise"},
        "are weights for denoise, not retouch": {"id": "denoise-v2", "task": "retouch"},
    }.items():
        with pytest.raises(InvalidRequest, match=message):
            import_file(path, **options)
    with pytest.raises(CheckpointRejected, match="no weights file 'absent.pth'"):
        import_file(tmp_path / "absent.pth", task="denoise")
    shutil.copy(path, tmp_path / "denoise-v2.pth")
    assert import_file(tmp_path / "denoise-v2.pth", task="denoise").id == ("denoise-v2-imported")


# ------------------------------------------------------------------ the cache


@pytest.fixture
def imported(tmp_path) -> str:
    torch.save(tiny_v2().state_dict(), tmp_path / "mine.pth")
    return import_file(tmp_path / "mine.pth", task="denoise").id


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"id": 3}', '{"id": "other"}', None])
def test_a_damaged_record_is_rebuilt_from_the_file(imported, damage):
    before = cache.read_record(imported)
    path = cache.record_file(imported)
    for look in (cache.read_record, catalogue.get_entry):
        if damage is None:
            path.unlink()
        else:
            path.write_text(damage)
        assert look(imported).task == "denoise"
        assert json.loads(path.read_text()) == vars(before)


def test_foreign_files_in_the_cache_are_ignored(imported, weights_cache):
    (weights_cache / "weights" / "stray.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    (weights_cache / "weights" / "empty.safetensors").write_bytes(b"")
    assert [record.id for record in cache.read_records()] == [imported]


def test_a_file_changed_on_disk_is_not_used(imported):
    path = weights.locate(imported)
    save_weights(tiny_v2(5), path, cache.read_notes(path))
    with pytest.raises(WeightsUnavailable, match="changed on disk.*weights forget mine"):
        weights.load(imported)
    report = verify(imported)
    assert not report.ok
    assert report.sha256 != report.expected
    path.write_bytes(b"short")
    assert not verify(imported).ok


def test_verify_says_when_the_catalogue_learned_another_hash(hub, offer, v2_file):
    entry = offer(url=hub.add_file("theirs.pth", v2_file))
    fetched(entry.id)
    offer(**{**vars(entry), "sha256": "b" * 64})
    report = verify(entry.id)
    assert not report.ok
    assert "the catalogue names bbbbbbbbbbbb" in report.message


def test_verify_of_what_is_not_here():
    with pytest.raises(WeightsUnavailable, match="not downloaded yet .about 23.4 MB."):
        verify("denoise-v2")
    with pytest.raises(WeightsUnavailable, match="There are no weights 'x'"):
        verify("x")


@pytest.fixture
def embedded(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "embedded"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "EMBEDDED_FOLDER", folder)
    path = save_weights(tiny_v2(), folder / "denoise-compact.safetensors")
    card = {
        "id": "denoise-compact",
        "task": "denoise",
        "architecture": "MIRNetV2",
        "config": {},
        "trained_on": "photographs",
        "steps": 1,
        "hours": 0.1,
        "licence": "Apache-2.0",
        "sha256": cache.file_sha256(path),
        "scores": [],
    }
    (folder / "denoise-compact.json").write_text(json.dumps(card))
    return path


def test_embedded_weights_are_checked_against_their_card(embedded):
    report = verify("denoise-compact")
    assert report.ok
    assert report.sha256 == report.expected == weights.load("denoise-compact").sha256
    assert [event.state for event in fetch("denoise-compact")] == ["ready"]
    with pytest.raises(WeightsUnavailable, match="part of the program"):
        forget("denoise-compact")
    save_weights(tiny_v2(1), embedded)
    assert not verify("denoise-compact").ok
    with pytest.raises(WeightsUnavailable, match="hash on its card"):
        weights.load("denoise-compact")


# ------------------------------------------------------------------ loading


def test_paths_are_only_opened_for_those_who_may(tmp_path, v2_file):
    path = tmp_path / "theirs.pth"
    for value in (str(path), path, "../etc/passwd"):
        with pytest.raises(WeightsUnavailable, match="There are no weights"):
            weights.load(value)
    for value in (str(path), path):
        loaded = weights.load(value, allow_paths=True)
        assert (loaded.id, loaded.entry) == ("theirs.pth", None)
        assert loaded.sha256 == hashlib.sha256(v2_file).hexdigest()


def test_a_folder_written_by_save_pretrained(tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    with pytest.raises(CheckpointRejected, match="no model.safetensors"):
        weights.load(folder, allow_paths=True)
    save_weights(tiny_v2(), folder / "model.safetensors")
    (folder / "config.json").write_text('{"features": 8}')
    assert weights.load(folder, allow_paths=True).path == folder / "model.safetensors"


def test_two_models_stay_in_memory(tmp_path):
    paths = []
    for seed in range(3):
        paths.append(save_weights(tiny_v2(seed), tmp_path / f"{seed}.safetensors"))
    first = weights.load(paths[0], allow_paths=True)
    weights.load(paths[1], allow_paths=True)
    assert weights.load(paths[0], allow_paths=True).model is first.model
    weights.load(paths[2], allow_paths=True)  # pushes the second one out
    assert len(weights._models) == 2
    assert weights.load(paths[0], allow_paths=True).model is first.model


def test_threads_share_one_model(imported, monkeypatch):
    reads = []
    read = networks.load_weights
    monkeypatch.setattr(networks, "load_weights", lambda path: reads.append(path) or read(path))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(weights.load(imported))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len({id(item.model) for item in found}) == 1


def test_load_and_locate_open_no_connection(hub, imported):
    weights.load(imported)
    weights.locate("hub:org/name@main")
    with pytest.raises(WeightsUnavailable):
        weights.load("denoise-v2")
    assert hub.requests == []


def test_the_cache_folder_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("MIRNET_CACHE", str(tmp_path / "elsewhere"))
    assert cache.cache_folder() == tmp_path / "elsewhere"
    monkeypatch.delenv("MIRNET_CACHE")
    assert cache.cache_folder().name == "mirnet-studio"


def test_ids_become_file_names_that_cannot_leave_the_folder():
    names = [cache.file_stem(i) for i in ("hub:a/b@c", "hub:a/b", "hub:A/b", "../x", "/etc/x", "")]
    assert len(set(names)) == len(names)
    assert not any("/" in name or name.startswith(".") for name in names)


# ------------------------------------------------------------------ the loopback hub itself


def test_the_real_client_accepts_the_loopback_hub(hub, tmp_path):
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    blob = bytes(range(256)) * 400
    files = {"model.safetensors": blob, "sub/config.json": b"{}"}
    commit = hub.add_repo("org/name", files)
    hub.add_repo("org/pairs", {"data/a.parquet": blob}, kind="dataset")
    hub.cdn = True
    options = {"endpoint": hub.url, "cache_dir": tmp_path}
    assert Path(hf_hub_download("org/name", "model.safetensors", **options)).read_bytes() == blob
    folder = Path(snapshot_download("org/name", **options))
    assert folder.name == commit
    assert (folder / "sub" / "config.json").read_bytes() == b"{}"
    api = HfApi(endpoint=hub.url)
    assert api.model_info("org/name").sha == commit
    assert api.list_repo_files("org/pairs", repo_type="dataset") == ["data/a.parquet"]
    tree = api.list_repo_tree("org/name", recursive=True)
    assert {item.path for item in tree} == {*files, "sub"}
    part = requests.get(
        f"{hub.url}/org/name/resolve/main/sub/config.json", headers={"Range": "bytes=1-"}
    )
    assert (part.status_code, part.content) == (206, b"}")
