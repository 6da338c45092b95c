"""Files over HTTP, whole, in part, and from servers that break off."""

import pytest

from mirnet import download
from mirnet.download import BrokenOff, receive
from tests.support.hub import Fault, LoopbackHub

CONTENT = bytes(range(256)) * 800
TIMES = (2.0, 0.5)


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(download, "RETRY_PAUSE_SECONDS", 0)
    with LoopbackHub() as server:
        yield server


def joined(chunks) -> bytes:
    content = bytearray()
    for position, piece in chunks:
        content[position:] = piece
    return bytes(content)


@pytest.mark.parametrize("changeable", [False, True])
def test_a_broken_connection_is_gone_on_with(hub, changeable):
    url = hub.add_file("a.bin", CONTENT)
    hub.fail("/files/", Fault(cut_after=60_000, times=2))
    assert joined(receive(url, timeout=TIMES, changeable=changeable)) == CONTENT
    first, second, third = hub.seen("/files/")
    assert first.range is None and second.range < third.range


def test_a_part_is_asked_for(hub):
    url = hub.add_file("a.bin", CONTENT)
    hub.fail("/files/", Fault(cut_after=20_000, times=1))
    part = b"".join(c.content for c in receive(url, timeout=TIMES, start=1000, end=90_000))
    assert part == CONTENT[1000:90_000]
    assert hub.seen("/files/")[0].range == "bytes=1000-89999"


def test_a_server_that_breaks_off_again_and_again_is_given_up(hub):
    url = hub.add_file("a.bin", CONTENT)
    hub.fail("/files/", Fault(cut_after=0))
    with pytest.raises(BrokenOff) as caught:
        joined(receive(url, timeout=TIMES))
    assert caught.value.reached and caught.value.position == 0
    assert len(hub.seen("/files/")) == download.MAX_RETRIES + 1


def test_a_silent_server_is_told_from_none(hub):
    url = hub.add_file("a.bin", CONTENT)
    hub.fail("/files/", Fault(silent=True))
    with pytest.raises(BrokenOff, match="does not answer") as silent:
        joined(receive(url, timeout=TIMES))
    hub.close()
    with pytest.raises(BrokenOff, match="cannot be reached") as absent:
        joined(receive(url, timeout=TIMES))
    assert silent.value.reached and not absent.value.reached
