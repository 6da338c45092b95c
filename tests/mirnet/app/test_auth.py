"""Who is who: the operator's sign-in and its cookie, and visitors by theirs."""

from types import SimpleNamespace

import pytest
from cachetools import TTLCache

from mirnet.app import auth as access
from mirnet.app.auth import COOKIE, VISITOR_COOKIE, Access, visitor_of
from mirnet.app.proxies import parse_proxies
from mirnet.app.security import Guard
from mirnet.errors import InvalidRequest
from tests.support.guarded import PASSWORD, ask, page


def request(**cookies: str) -> SimpleNamespace:
    return SimpleNamespace(cookies=cookies)


def test_only_a_right_sign_in_makes_an_operator():
    found = Access("viewer", ("anna", PASSWORD))
    for wrong in (("anna", ""), ("anna", "wrong"), ("", PASSWORD), ("anna:", PASSWORD[1:])):
        assert found.sign_in(*wrong) is None
    token = found.sign_in("anna", PASSWORD)
    assert token and found.role(request(**{COOKIE: token})) == "admin"
    for cookie in ("", "x", token[:-1], token + "x"):
        assert found.role(request(**{COOKIE: cookie})) == "viewer"
    assert found.role(None) == found.role(request()) == "viewer"
    found.sign_out(token)
    assert found.role(request(**{COOKIE: token})) == "viewer"


def test_a_sign_in_ends_by_itself(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(
        access, "TTLCache", lambda size, ttl: TTLCache(size, ttl, timer=lambda: now[0])
    )
    found = Access("viewer", ("anna", PASSWORD))
    token = found.sign_in("anna", PASSWORD)
    now[0] = access.SIGNED_IN_SECONDS - 1
    assert found.role(request(**{COOKIE: str(token)})) == "admin"
    now[0] = access.SIGNED_IN_SECONDS + 1
    assert found.role(request(**{COOKIE: str(token)})) == "viewer"


def test_the_newest_sign_ins_are_remembered():
    found = Access("viewer", ("anna", PASSWORD))
    tokens = [found.sign_in("anna", PASSWORD) for _ in range(access.MAX_SIGNED_IN + 1)]
    roles = [found.role(request(**{COOKIE: str(token)})) for token in tokens]
    assert roles == ["viewer"] + ["admin"] * access.MAX_SIGNED_IN


@pytest.mark.parametrize(
    ("headers", "role"),
    [
        ({}, "admin"),  # a program
        ({"origin": "http://10.0.0.5:7860"}, "admin"),
        ({"origin": "http://10.0.0.5:9999"}, "viewer"),  # cookies do not tell ports apart
        ({"origin": "http://evil.example"}, "viewer"),
        ({"origin": "null"}, "viewer"),
        ({"origin": "http://["}, "viewer"),
        ({"origin": "http://photos.test", "x-forwarded-host": "photos.test"}, "admin"),
        ({"origin": "http://evil.test", "x-forwarded-host": "photos.test"}, "viewer"),
        ({"origin": "http://photos.test", "x-forwarded-for": "192.0.2.1"}, "admin"),  # name unknown
        ({"origin": "http://10.0.0.5:9999", "sec-fetch-site": "same-origin"}, "admin"),
    ],
)
def test_without_tls_another_page_is_told_by_its_origin(headers, role):
    """Browsers leave out Sec-Fetch-Site there."""
    found = Access("viewer", ("anna", PASSWORD))
    cookies = {COOKIE: found.sign_in("anna", PASSWORD)}
    headers = {"host": "10.0.0.5:7860", **headers}
    assert found.role(SimpleNamespace(cookies=cookies, headers=headers)) == role


def test_another_page_gets_nothing_by_an_operators_cookie():
    found = Access("viewer", ("anna", PASSWORD), embedded=True)
    token = found.sign_in("anna", PASSWORD)
    for site, role in (("cross-site", "viewer"), ("same-site", "viewer"), ("same-origin", "admin")):
        asked = SimpleNamespace(cookies={COOKIE: token}, headers={"sec-fetch-site": site})
        assert found.role(asked) == role


@pytest.mark.parametrize(
    ("embedded", "marks"),
    [(False, "SameSite=strict"), (True, "SameSite=none; Secure; Partitioned")],
)
def test_the_cookie_fits_where_the_page_stands(embedded, marks):
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    found = Access("viewer", ("anna", PASSWORD), embedded=embedded)
    client = TestClient(Starlette(routes=found.routes()), follow_redirects=False)
    answer = client.post("/operator", data={"name": "anna", "password": PASSWORD})
    assert answer.status_code == 303 and answer.headers["set-cookie"].endswith(marks)


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/99", "1.2.3"])
def test_proxies_are_addresses(text):
    with pytest.raises(InvalidRequest, match="--proxy wants addresses"):
        parse_proxies(text)
    assert parse_proxies("127.0.0.1, 10.0.0.0/8,") == ("127.0.0.1", "10.0.0.0/8")


def test_a_browser_stays_the_same_visitor_after_a_reload():
    first = ask(Guard(page))
    kept = first.headers["set-cookie"]
    assert "HttpOnly" in kept and "SameSite=Lax" in kept and "Secure" not in kept
    name, _, token = kept.partition(";")[0].partition("=")
    assert "set-cookie" not in ask(Guard(page), cookie=f"{name}={token}").headers
    assert "set-cookie" not in ask(Guard(page), "/config").headers
    one, other = (
        SimpleNamespace(cookies={name: token}, session_hash=session) for session in ("a", "b")
    )
    assert visitor_of(one) == visitor_of(other) == token
    space = ask(Guard(page, alone=False, space=True)).headers["set-cookie"]
    assert space.endswith("SameSite=None; Secure; Partitioned")


def test_no_two_visitors_share_a_name():
    assert visitor_of(SimpleNamespace(cookies={}, session_hash="a")) == "a"
    for guess in ("", "x", "a b" * 9):
        asked = SimpleNamespace(cookies={VISITOR_COOKIE: guess}, session_hash="b")
        assert visitor_of(asked) == "b"
    assert visitor_of(None) != visitor_of(None)


def test_without_an_operator_nobody_signs_in():
    assert Access("viewer").sign_in("", "") is None
    assert "Nobody can sign in" in Access("viewer").form(False)


@pytest.mark.parametrize("text", ["anna", "anna:", ":" + PASSWORD, "anna:short"])
def test_an_operator_needs_a_name_and_a_long_password(text):
    with pytest.raises(InvalidRequest, match="--operator wants"):
        access.parse_operator(text)
