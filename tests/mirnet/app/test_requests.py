"""What stands between the network and the page, and who may do what, below the app."""

import asyncio
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from mirnet.app.cleanup import own_folder
from mirnet.app.rate_limit import RateLimiter, RequestLimits
from mirnet.app.security import Guard
from tests.support.guarded import ask, page

# ---------------------------------------------------------------- hosts and origins


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST:1"])
def test_this_machine_reaches_its_own_page(host):
    assert ask(Guard(page), host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7860", "", "[::1", "10.0.0.1"]
)
def test_no_other_name_leads_to_a_page_of_ones_own(host):
    """A web page that lets its own name lead to this machine (DNS rebinding) reads nothing."""
    answer = ask(Guard(page), host=host)
    assert answer.status == 421 and "--host" in answer.text
    assert ask(Guard(page, alone=False), host=host).status == 200


FOREIGN = [
    {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors", "origin": "http://evil.example"},
    {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
    {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:9999"},
    {"origin": "http://["},
]
OWN = [
    {},
    {"origin": "http://localhost:7860"},
    {"sec_fetch_site": "same-origin", "origin": "https://x.gradio.live"},
    {"sec_fetch_site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("way", [{}, {"alone": False}])
def test_other_web_pages_may_not_use_this_one(headers, way):
    for method in ("GET", "POST"):
        answer = ask(Guard(page, **way), "/gradio_api/queue/join", method, **headers)
        assert answer.status == 403 and "open it by itself" in answer.text
    public = Guard(page, alone=False, closed=False)
    assert ask(public, "/gradio_api/queue/join", "POST", **headers).status == 200


@pytest.mark.parametrize("headers", OWN)
def test_the_page_itself_and_programs_may(headers):
    assert ask(Guard(page), "/gradio_api/queue/join", "POST", **headers).status == 200


def test_a_link_from_elsewhere_may_be_followed_and_not_posted_to():
    followed = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    for method in ("GET", "HEAD"):
        assert ask(Guard(page), method=method, **followed).status == 200
    assert ask(Guard(page), "/operator", "POST", **followed).status == 403


# ---------------------------------------------------------------- sizes and rates


def test_large_requests_end_early_whether_they_say_so_or_not():
    guarded = Guard(page, limits=RequestLimits(body_bytes=1000))
    path = "/gradio_api/queue/join"
    said = ask(guarded, path, "POST", content_length="1001")
    unsaid = ask(guarded, path, "POST", body=(bytes(600), bytes(600), bytes(600)))
    for answer in (said, unsaid):
        assert answer.status == 413 and "too large" in answer.text
    assert ask(guarded, path, "POST", body=(bytes(600), bytes(400))).status == 200
    assert ask(guarded, "/gradio_api/upload", "POST", body=(bytes(5000),)).status == 200


def test_uploads_leave_room_on_the_disk(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=600_000_000))
    assert ask(Guard(page), "/gradio_api/upload", "POST", content_length="200000000").status == 200
    guarded = Guard(page, alone=False)
    answer = ask(guarded, "/gradio_api/upload", "POST", content_length="200000000")
    assert answer.status == 507 and "no room" in answer.text
    assert ask(guarded, "/gradio_api/upload", "POST", content_length="90000000").status == 200


def test_one_visitor_has_a_share_and_all_together_too():
    guarded = Guard(page, alone=False, limits=RequestLimits(requests=3, all_requests=5))
    path = "/gradio_api/queue/join"
    first = [ask(guarded, path, "POST", client="198.51.100.1") for _ in range(4)]
    assert [answer.status for answer in first] == [200, 200, 200, 429]
    assert "wait 5 minutes" in first[-1].text and first[-1].headers["retry-after"] == "60"
    flood = [ask(guarded, path, "POST", client="198.51.100.1").status for _ in range(20)]
    assert flood == [429] * 20
    second = [ask(guarded, path, "POST", client="198.51.100.2") for _ in range(3)]
    assert [answer.status for answer in second] == [200, 200, 429]  # refused ones do not count
    assert "Too many visitors" in second[-1].text
    assert ask(guarded).status == 200  # looking at the page is free


def test_a_visitor_sends_so_many_bytes():
    guarded = Guard(page, alone=False, limits=RequestLimits(upload_bytes=1000))
    sizes = [("600", 200), ("600", 429), ("300", 200)]
    for size, status in sizes:
        answer = ask(guarded, "/gradio_api/upload", "POST", content_length=size)
        assert answer.status == status
    other = ask(guarded, "/gradio_api/upload", "POST", content_length="600", client="::2")
    assert other.status == 200


MB = 2**20


@pytest.mark.parametrize("stated", [{}, {"content_length": "10"}])
def test_an_upload_is_counted_as_it_arrives(stated, monkeypatch):
    """Chunked bodies state no length: they were counted as nothing."""
    limits = RequestLimits(upload_bytes=5 * MB)
    guarded = Guard(page, alone=False, limits=limits)
    parts = (bytes(MB // 2),) * 4
    for status in (200, 200, 429):
        answer = ask(guarded, "/gradio_api/upload", "POST", parts, **stated)
        assert answer.status == status
    assert "One visitor may send" in answer.text
    assert ask(guarded, "/gradio_api/upload", "POST", parts, client="::2").status == 200
    alone = Guard(page, limits=limits)
    assert [ask(alone, "/gradio_api/upload", "POST", parts).status for _ in range(4)] == [200] * 4


def test_a_stated_length_is_counted_once():
    guarded = Guard(page, alone=False, limits=RequestLimits(upload_bytes=4 * MB))
    for status in (200, 200, 429):
        stated = {"content_length": str(2 * MB)}
        answer = ask(guarded, "/gradio_api/upload", "POST", (bytes(MB), bytes(MB)), **stated)
        assert answer.status == status


def test_an_upload_of_stated_length_may_fill_a_share_to_its_last_byte():
    size = 2 * MB + 300_000
    parts = (bytes(700_000),) * 3 + (bytes(size - 2_100_000),)
    for stated, left in ((size, 0), (10, 0), (size, 1)):
        limits = RequestLimits(upload_bytes=2 * size + left)
        guarded = Guard(page, alone=False, limits=limits)
        told = [
            ask(guarded, "/gradio_api/upload", "POST", parts, content_length=str(stated)).status
            for _ in range(3)
        ]
        assert told == [200, 200, 429]
        more = ask(guarded, "/gradio_api/upload", "POST", (b"aa",), content_length="1")
        assert more.status == 429


def test_uploads_at_once_leave_room_on_the_disk_too(monkeypatch):
    """Each fits when it begins."""
    free = [600_000_000]
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free[0]))

    async def filling(scope, receive, send):
        while (await receive()).get("more_body"):
            free[0] -= 60_000_000
        await page(scope, receive, send)

    guarded = Guard(filling, alone=False)
    stated = {"content_length": str(4 * MB)}
    answer = ask(guarded, "/gradio_api/upload", "POST", (bytes(MB),) * 4, **stated)
    assert answer.status == 507 and "no room" in answer.text


def test_refusals_say_what_the_limit_is_in_json_with_the_requests_id(monkeypatch):
    def told(guarded: Guard, *asked, **more) -> str:
        answer = ask(guarded, *asked, **more)
        content = json.loads(answer.text)
        assert answer.headers["content-type"] == "application/json" and content["request"] == ""
        assert int(answer.headers["content-length"]) == len(answer.text)
        return content["detail"]

    upload = ("/gradio_api/upload", "POST")
    guarded = Guard(page, alone=False, limits=RequestLimits(upload_bytes=1_500_000_000))
    assert ask(guarded, *upload, content_length="1000000000").status == 200
    assert told(guarded, *upload, content_length="1000000000") == (
        "One visitor may send 1.5 GB of photos in 5 minutes: wait a little."
    )
    full = Guard(page, alone=False, limits=RequestLimits(all_requests=0))
    words = "Too many visitors are here now: try again in some minutes."
    assert told(full, *upload) == words
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    words = "There is no room for more photos here now: try again in an hour or two."
    assert told(guarded, *upload) == words


@pytest.mark.parametrize("path", ["/healthz", "/gradio_api/file=/tmp/a.png"])
def test_reading_files_and_health_counts_and_the_page_does_not(path):
    guarded = Guard(page, alone=False, limits=RequestLimits(requests=1))
    assert [ask(guarded, path).status for _ in range(2)] == [200, 429]
    assert ask(guarded).status == 200


def test_passwords_are_not_tried_without_end_from_one_address():
    async def refusing(scope, receive, send):
        status = 200 if b"right" in (await receive())["body"] else 403
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guarded = Guard(refusing, alone=False, limits=RequestLimits(failed_sign_ins=3))

    def tries(path, body, client, times):
        answers = [ask(guarded, path, "POST", (body,), client) for _ in range(times)]
        return [answer.status for answer in answers]

    assert tries("/operator", b"wrong", "198.51.100.1", 4) == [403] * 3 + [429]
    assert tries("/operator/", b"right", "198.51.100.1", 1) == [429]
    assert tries("/login", b"wrong", "198.51.100.1", 1) == [403]
    # Nobody locks others out, and a class that signs in from one address is not locked out.
    assert tries("/operator", b"right", "198.51.100.2", 40) == [200] * 40
    assert ask(guarded, "/operator", client="198.51.100.1").status == 403  # looking is free


def test_what_came_long_ago_is_forgotten(monkeypatch):
    now = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    rates = RateLimiter(10)
    assert [rates.add("a", 2) for _ in range(3)] == [True, True, False]
    now[0] += 15  # half of the window before still counts
    assert [rates.add("a", 2) for _ in range(2)] == [True, False]
    now[0] += 25
    assert rates.add("a", 2, amount=2)
    assert not rates.add("b", 2, amount=3) and rates.add("b", 2, amount=2)


@pytest.mark.parametrize("name", ["http://10.0.0.1/a", "https:/x", "file:///etc/passwd", "ftp://a"])
def test_no_file_is_fetched_from_elsewhere_on_a_visitors_word(name):
    answer = ask(Guard(page), f"/gradio_api/file={name}")
    assert answer.status == 403 and "Only files of this page" in answer.text


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("y"), ValueError("z")])
def test_what_does_not_fit_an_endpoint_is_told_and_faults_stay_loud(error):
    async def broken(scope, receive, send):
        raise error

    answer = ask(Guard(broken), "/gradio_api/call/v2/restore", "POST")
    assert answer.status == 422 and "/gradio_api/info" in answer.text
    with pytest.raises(type(error)):
        ask(Guard(broken), "/healthz")


def test_a_stream_passes_each_event_on_at_once_and_ends_where_its_session_is_gone():
    """Gradio's stream says what is wrong in its last event and then breaks off."""
    sent: list = []
    arrived: list[int] = []

    async def streaming(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in (b"event: generating", b"event: generating", b"event: error"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            arrived.append(len(sent))
        hidden = RuntimeError("Caught handled exception, but response already started.")
        raise hidden from HTTPException(404)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "headers": [], "client": ("::1", 1)}
    for path in ("/gradio_api/call/restore/1", "/gradio_api/queue/data"):
        sent.clear()
        arrived.clear()
        asyncio.run(Guard(streaming, alone=False)({**scope, "path": path}, None, send))
        assert arrived == [2, 3, 4]
        assert sent[-1] == {"type": "http.response.body", "body": b""}


def test_what_breaks_an_answer_off_keeps_its_own_name():
    async def vanishing(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        hidden = RuntimeError("Caught handled exception, but response already started.")
        raise hidden from FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError):
        ask(Guard(vanishing, alone=False), "/gradio_api/file=x.png")


def test_who_leaves_in_the_middle_is_no_fault(caplog):
    async def reading(scope, receive, send):
        raise ClientDisconnect

    scope = {"type": "http", "method": "POST", "headers": [], "client": ("::1", 1)}
    scope["path"] = "/gradio_api/upload"
    asyncio.run(Guard(reading, alone=False)(scope, None, None))
    assert not caplog.records


# ---------------------------------------------------------------- headers


def test_every_answer_carries_the_policy():
    for answer in (ask(Guard(page)), ask(Guard(page), host="evil.example")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'self'" in policy
        assert "http" not in policy and "*" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    file = ask(Guard(page), "/gradio_api/file=/tmp/gradio/x/evil.svg")
    assert "sandbox" in file.headers["content-security-policy"]
    space = ask(Guard(page, alone=False, space=True)).headers
    assert "frame-ancestors 'self' https://huggingface.co" in space["content-security-policy"]
    assert "x-frame-options" not in space


def test_what_the_page_says_itself_stays_and_is_said_once():
    async def own(scope, receive, send):
        headers = [(b"Referrer-Policy", b"no-referrer")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    headers = ask(Guard(own)).headers
    assert headers["Referrer-Policy"] == "no-referrer" and "referrer-policy" not in headers
    assert headers["permissions-policy"] == "geolocation=(), microphone=(), payment=(), usb=()"


def test_what_is_no_request_goes_through_untouched():
    passed = []

    async def started(*given):
        passed.append(given)

    asyncio.run(Guard(started)({"type": "lifespan"}, "receive", "send"))
    assert passed == [({"type": "lifespan"}, "receive", "send")]


# ---------------------------------------------------------------- what killed programs leave


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_the_folder_of_a_killed_program_is_removed_by_the_next(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mirnet.app.cleanup import own_folder\n"
        "folder = own_folder(Path(sys.argv[1]))\n"
        "(folder / 'photo.png').write_bytes(b'private')\n"
        "print(folder, flush=True)\nsys.stdin.read()"
    )
    running, killed = (
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    )
    try:
        folders = [process.stdout.readline().strip() for process in (running, killed)]
        killed.kill()
        killed.wait(20)
        (tmp_path / "something else").mkdir()
        own = own_folder(tmp_path)
        left = {str(path) for path in tmp_path.iterdir() if path.is_dir()}
        assert left == {folders[0], str(own), str(tmp_path / "something else")}
        assert own.stat().st_mode & 0o077 == 0
        assert (tmp_path / f"{own.name}.lock").stat().st_mode & 0o077 == 0
        assert not os.path.exists(f"{folders[1]}.lock")
    finally:
        for process in (running, killed):
            process.kill()
            process.communicate()
