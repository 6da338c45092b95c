"""The servers files come from, good and bad: HTTP, Google Drive, the Hugging Face Hub."""

import socket
import time
from pathlib import Path

import pytest
import requests

from mirnet.errors import InvalidRequest, WeightsUnavailable
from mirnet.weights import catalogue
from mirnet.weights import download as downloads
from mirnet.weights import load as weights
from mirnet.weights import store as cache
from mirnet.weights.fetch import fetch
from mirnet.weights.networks import save_weights
from tests.support.hub import Fault
from tests.support.weights_files import fetched, left_in, refused, tiny_v2, wait_until

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
    monkeypatch.setattr(downloads, "DRIVE_RETRIES", 0)
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
        ("hub:-x/--y@main", "is no name of a model on the Hub"),
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
