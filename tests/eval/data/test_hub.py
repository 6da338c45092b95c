"""Data sets on the Hub: fetched once, in parts, kept for offline, and every failure in words."""

import time

import pytest

from eval.data.hub import HubFiles
from eval.data.pairs import BenchmarkUnavailable
from eval.data.readers.pictures import PicturesReader, ZipReader
from tests.support.hub import Fault, LoopbackHub
from tests.support.pair_files import png
from tests.support.readers_of_every_kind import ANY, KINDS, PAIRS, REPO, check, every_kind, zipped


@every_kind
def test_hub_then_offline_from_the_cache(kind, hub, weights_cache):
    files, make = KINDS[kind]
    commit = hub.add_repo(REPO, files, kind="dataset")
    reader = make(HubFiles(REPO))
    assert hub.requests == [] and reader.revision == ""
    check(reader)
    assert reader.revision == commit
    hub.requests.clear()
    for revision in ("main", commit):
        check(make(HubFiles(REPO, revision, offline=True)))
    check(make(HubFiles(REPO, commit)))  # a known commit needs nothing of the Hub
    assert hub.requests == []


@every_kind
def test_offline_without_cache(kind, hub, weights_cache):
    with pytest.raises(BenchmarkUnavailable, match="not fetched before.*go online"):
        KINDS[kind][1](HubFiles("org/never", offline=True)).items()
    assert hub.requests == []


@every_kind
def test_pinned_commit_is_read_when_main_has_moved(kind, hub, weights_cache):
    files, make = KINDS[kind]
    first = hub.add_repo("org/moved", files, kind="dataset")
    hub.add_repo("org/moved", {"README.md": b"gone"}, kind="dataset")
    check(make(HubFiles("org/moved", first)))
    with pytest.raises(BenchmarkUnavailable):
        make(HubFiles("org/moved")).items()


def read_all(kind: str) -> None:
    reader = KINDS[kind][1](HubFiles(f"org/{kind}"))
    for item in reader.items():
        reader.load(item)


@every_kind
@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("absent", "no data set .* that you may see"),
        ("private", "no data set .* that you may see"),
        ("gated", "is gated: accept its terms"),
        ("error", "error 503|cannot be reached"),
        ("dead", "cannot be reached"),
    ],
)
def test_hub_trouble_in_words(kind, what, told, hub: LoopbackHub, weights_cache, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    if what != "absent":
        hub.add_repo(
            f"org/{kind}",
            {**KINDS[kind][0], "extra": what.encode()},
            kind="dataset",
            gated=what == "gated",
            private=what == "private",
        )
    if what == "error":
        hub.fail("/", Fault(status=503))
    if what == "dead":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(weights_cache / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(weights_cache / "hub"))
    with pytest.raises(BenchmarkUnavailable, match=told) as caught:
        read_all(kind)
    assert "\n" not in str(caught.value)


def test_a_revision_that_is_gone(hub, weights_cache):
    hub.add_repo(REPO, PAIRS, kind="dataset")
    for revision in ("v9", "0" * 40):
        with pytest.raises(BenchmarkUnavailable, match=r"no revision .* \(any more\)"):
            PicturesReader(HubFiles(REPO, revision), ANY, "low/*", "high/*").items()


@pytest.mark.parametrize("path", ["/api/", "/datasets/org/silent/resolve/"])
def test_a_silent_hub_is_given_up_quickly(path, hub, weights_cache, monkeypatch):
    monkeypatch.setattr("eval.data.hub.ANSWER_SECONDS", 0.3)
    hub.add_repo(
        "org/silent", {"low/a.png": png(9, 9, 77), "high/a.png": png(9, 9, 78)}, kind="dataset"
    )
    hub.fail(path, Fault(silent=True))
    slept: list[float] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", slept.append)
    with pytest.raises(BenchmarkUnavailable, match="cannot be reached"):
        reader = PicturesReader(HubFiles("org/silent"), ANY, "low/*", "high/*")
        reader.load(reader.items()[0])
    assert not any(slept)  # the client's own retries sleep between them


def test_the_waits_for_a_first_answer_are_below_five_seconds():
    from eval.data import hub as module

    assert module.ANSWER_SECONDS < 5


@pytest.mark.parametrize("git", [False, True])
def test_wrong_bytes_of_a_whole_file(git, hub, weights_cache):
    hub.git_etags = git
    files = {"low/a.png": png(9, 9, 31 + git), "high/a.png": png(9, 9, 41 + git)}
    hub.add_repo(f"org/wrong{git}", files, kind="dataset")
    hub.fail(f"/datasets/org/wrong{git}/resolve/", Fault(flip_byte=True))
    reader = PicturesReader(HubFiles(f"org/wrong{git}"), ANY, "low/*", "high/*")
    with pytest.raises(BenchmarkUnavailable, match="arrived damaged .* removed: try again"):
        reader.load(reader.items()[0])
    hub.heal()
    assert reader.load(reader.items()[0]).id == "a"


def test_wrong_bytes_inside_a_zip(hub, weights_cache):
    content = zipped({"low/a.png": png(200, 200, 1), "high/a.png": png(200, 200, 2)})
    hub.add_repo("org/wrongzip", {"all.zip": content}, kind="dataset")
    reader = ZipReader(HubFiles("org/wrongzip"), ANY, "all.zip", "low/*", "high/*")
    items = reader.items()
    hub.fail("/datasets/org/wrongzip/resolve/", Fault(flip_byte=True))
    with pytest.raises(BenchmarkUnavailable, match="damaged .its checksum"):
        reader.load(items[0])


@pytest.mark.parametrize("times", [2, None])
def test_a_byte_range_that_breaks_off(times, hub, weights_cache):
    content = zipped({"low/a.png": png(200, 200, 1), "high/a.png": png(200, 200, 2)})
    hub.add_repo(f"org/cut{times}", {"all.zip": content}, kind="dataset")
    reader = ZipReader(HubFiles(f"org/cut{times}"), ANY, "all.zip", "low/*", "high/*")
    items = reader.items()
    cut = Fault(cut_after=20_000, times=2) if times else Fault(cut_after=0)
    hub.fail(f"/datasets/org/cut{times}/resolve/", cut)
    if times:  # taken up where it broke
        assert reader.load(items[0]).degraded.height == 200
        return
    with pytest.raises(BenchmarkUnavailable, match="broke off|cannot be reached"):
        reader.load(items[0])


def test_a_whole_file_that_breaks_off(hub, weights_cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    files = {"low/a.png": png(99, 99, 41), "high/a.png": png(99, 99, 42)}
    hub.add_repo("org/broken", files, kind="dataset")
    hub.fail("/datasets/org/broken/resolve/", Fault(cut_after=0))
    reader = PicturesReader(HubFiles("org/broken"), ANY, "low/*", "high/*")
    with pytest.raises(BenchmarkUnavailable, match="of low/a.png|of high/a.png") as caught:
        reader.load(reader.items()[0])
    assert "broke off" in str(caught.value)


def test_a_slow_hub_only_takes_longer(hub, weights_cache):
    files = {"low/a.png": png(99, 99, 51), "high/a.png": png(99, 99, 52)}
    hub.add_repo("org/slow", files, kind="dataset")
    hub.fail("/datasets/org/slow/", Fault(seconds_per_chunk=0.05))
    reader = PicturesReader(HubFiles("org/slow"), ANY, "low/*", "high/*")
    assert reader.load(reader.items()[0]).degraded.width == 99


def test_more_files_than_the_hub_lists(hub, weights_cache, monkeypatch):
    monkeypatch.setattr("eval.data.hub.MAX_LISTED_FILES", 3)
    hub.add_repo("org/many", PAIRS, kind="dataset")
    with pytest.raises(BenchmarkUnavailable, match="3 files or more"):
        KINDS["pictures"][1](HubFiles("org/many")).items()


def test_a_hub_without_ranges_is_told(hub, weights_cache):
    hub.add_repo("org/plain", KINDS["zip"][0], kind="dataset")
    hub.fail("/datasets/org/plain/resolve/", Fault(no_ranges=True))
    with pytest.raises(BenchmarkUnavailable, match="does not hand out parts"):
        KINDS["zip"][1](HubFiles("org/plain")).items()


def test_large_files_may_lie_on_another_host(hub, weights_cache):
    hub.cdn = True
    hub.add_repo("org/cdn", KINDS["zip"][0], kind="dataset")
    check(KINDS["zip"][1](HubFiles("org/cdn")))
    assert hub.seen("/cdn/")


def test_only_chosen_members_of_a_zip_are_fetched(hub, weights_cache):
    members = {f"{half}/{i:02d}.png": png(120, 120, i) for i in range(20) for half in ("a", "b")}
    content = zipped(members)
    hub.add_repo("org/big", {"all.zip": content}, kind="dataset")
    reader = ZipReader(HubFiles("org/big"), ANY, "all.zip", "a/*", "b/*")
    items = reader.items()
    pair = reader.load(items[7])
    assert pair.id == "07"
    deadline = time.monotonic() + 5
    while len(hub.seen("/datasets/org/big/resolve/", "GET")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    got = hub.bytes_sent("/datasets/org/big/resolve/")
    assert got - 64 * 1024 <= 1.05 * items[7].bytes
    assert got < len(content) / 5


def test_only_chosen_pictures_of_a_folder_are_fetched(hub, weights_cache):
    hub.add_repo(
        "org/some", {f"{h}/{i}.png": png(9, 9, i) for i in range(9) for h in "ab"}, kind="dataset"
    )
    reader = PicturesReader(HubFiles("org/some"), ANY, "a/*", "b/*")
    reader.load(reader.items()[4])
    fetched = {request.path.split("/")[-1] for request in hub.seen("/datasets/", "GET")}
    assert fetched == {"4.png"}


def test_size_of_tarballs_is_known_before_they_are_fetched(hub, weights_cache):
    files, make = KINDS["tars"]
    hub.add_repo("org/ahead", files, kind="dataset")
    reader = make(HubFiles("org/ahead"))
    assert reader.upfront_bytes() == sum(map(len, files.values()))
    assert hub.seen("/datasets/") == []
