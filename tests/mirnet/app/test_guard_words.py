"""What the guard says to whom: unknown keys, tries to sign in, other names, faults."""

import asyncio
import json

import pytest

from mirnet.app.api_keys import parse_keys
from mirnet.app.proxies import ForwardedHeaders
from mirnet.app.rate_limit import RequestLimits
from mirnet.app.security import SPACE_SOURCES, Guard
from tests.support.guarded import ask, page

SECRET = "a secret of a program"
CALL = ("/gradio_api/call/restore", "POST")


def told(guarded: Guard, *asked: str, **headers: str) -> tuple[int, str]:
    answer = ask(guarded, *asked, **headers)
    return answer.status, json.loads(answer.text)["detail"] if answer.status != 200 else ""


def test_unknown_keys_are_told_and_not_tried_without_end_by_one_visitor():
    limits = RequestLimits(failed_sign_ins=2)
    guarded = Guard(page, alone=False, limits=limits, keys=parse_keys(f"ci:{SECRET}:runner"))
    unknown = (401, "This key is not known here: ask the operator for one.")
    assert [told(guarded, *CALL, x_api_key="guess") for _ in range(2)] == [unknown] * 2
    enough = (429, "Too many unknown keys: wait some minutes.")
    assert told(guarded, *CALL, x_api_key="guess") == enough
    assert told(guarded, *CALL, x_api_key="guess", client="203.0.113.8") == unknown
    assert told(guarded, *CALL, x_api_key=SECRET) == enough
    assert told(guarded, *CALL, x_api_key=SECRET, client="203.0.113.8") == (200, "")


def test_other_schemes_are_no_guesses_and_too_many_guesses_are_told_of():
    limits = RequestLimits(failed_sign_ins=2)
    guarded = Guard(page, alone=False, limits=limits, keys=parse_keys(f"ci:{SECRET}:runner"))
    others = ("Basic YTpi", "Digest a=b", "Negotiate c", "Basic", "Bearer", "Bearer ")
    for value in others * 3:
        assert told(guarded, *CALL, authorization=value) == (200, "")
    assert guarded._with_key({"headers": []}, {"authorization": f"bearer  {SECRET}"}, "::1")[1]
    for token in ("first", "second", "first", "first"):
        assert told(guarded, *CALL, authorization=f"Bearer {token}") == (200, "")
    enough = (429, "Too many unknown keys: wait some minutes.")
    for token in ("third", SECRET):
        assert told(guarded, *CALL, authorization=f"Bearer {token}") == enough
    assert told(guarded, *CALL, authorization="Bearer first") == (200, "")
    assert told(guarded, *CALL, authorization="Basic YTpi") == (200, "")
    assert told(guarded, *CALL, x_api_key=SECRET) == (200, "")


def test_tries_to_sign_in_have_an_end_in_minutes():
    limits = RequestLimits(failed_sign_ins=1, window_seconds=120)

    async def refusing(scope, receive, send):
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b'{"detail": "wrong"}'})

    guarded = Guard(refusing, alone=False, limits=limits)
    assert told(guarded, "/operator", "POST") == (403, "wrong")
    enough = (429, "Too many tries to sign in: wait 2 minutes.")
    assert told(guarded, "/operator/", "POST") == enough
    assert told(guarded, "/login", "POST") == (403, "wrong")
    assert told(guarded, "/login", "POST") == enough


def test_a_page_for_this_machine_alone_says_how_to_reach_it_by_another_name():
    assert told(Guard(page), host="photos.example") == (
        421,
        "This page answers to localhost only. To reach it by another name, start it with --host "
        "0.0.0.0, or with --proxy ADDRESS behind a proxy.",
    )


def test_a_request_without_a_host_comes_from_this_machine():
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "client": ("127.0.0.1", 1),
        "headers": [],
    }
    asyncio.run(Guard(page)(scope, receive, send))
    assert sent[0]["status"] == 200


def test_a_disk_in_trouble_is_no_wrong_call(caplog):
    def failing(error: Exception) -> Guard:
        async def app(scope, receive, send):
            raise error

        return Guard(app)

    with pytest.raises(OSError, match="no room"):
        ask(failing(OSError("no room")), *CALL)
    with pytest.raises(ValueError, match="a fault"):
        ask(failing(ValueError("a fault")), "/elsewhere", "POST")
    status, words = told(failing(ValueError("not five")), *CALL)
    assert status == 422 and "does not fit the endpoint" in words
    assert f"{CALL[0]} was called with what does not fit it: ValueError('not five')" in caplog.text


def test_a_program_is_counted_by_its_key_wherever_it_runs():
    limits, keys = RequestLimits(requests=1), parse_keys(f"ci:{SECRET}:viewer")
    guarded = Guard(page, alone=False, limits=limits, keys=keys)
    sent = [ask(guarded, *CALL, client=f"203.0.113.{at}", x_api_key=SECRET) for at in (1, 2)]
    assert [answer.status for answer in sent] == [200, 429]
    assert ask(guarded, *CALL, client="203.0.113.1").status == 200


def test_only_an_answer_of_success_forgets_the_tries_of_its_visitor():
    async def wrong(scope, receive, send):
        await send({"type": "http.response.start", "status": 400})
        await send({"type": "http.response.body", "body": b""})

    guarded = Guard(wrong, alone=False, limits=RequestLimits(failed_sign_ins=1))
    assert [ask(guarded, "/login", "POST").status for _ in range(2)] == [400, 429]


def test_no_other_address_passes_for_a_file():
    for name in (r"http:\\evil.example\a", r"ftp:\/a", "https://evil.example/a"):
        assert ask(Guard(page), f"/gradio_api/file={name}").status == 403


def test_a_spaces_page_may_use_the_hub_for_three_purposes():
    policy = ask(Guard(page, alone=False, space=True)).headers["content-security-policy"]
    for part in ("connect-src", "img-src", "frame-ancestors"):
        assert f"{part} 'self' {SPACE_SOURCES}" in policy
    assert SPACE_SOURCES not in ask(Guard(page)).headers["content-security-policy"]


def test_a_proxy_that_nobody_named_is_told_of_and_a_wrong_length_is_none():
    assert told(ForwardedHeaders(Guard(page), []), x_forwarded_for="1.1.1.1") == (
        421,
        "A proxy passes requests on to this page: start it with --proxy and the proxy's address, "
        "such as --proxy 127.0.0.1.",
    )
    for length in ("x", "-1", "１"):
        assert ask(Guard(page), *CALL, content_length=length).status == 200
