"""The page /operator: signing in and out, what it shows, and roles of keys."""

import time
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mirnet.app import auth
from mirnet.app.api_keys import parse_keys
from mirnet.app.auth import COOKIE, Access, parse_login, parse_operator, visitor_cookie, visitor_of
from mirnet.app.hub_login import SESSION_KEY
from mirnet.app.rate_limit import RateLimiter, RequestLimits
from mirnet.app.roles import allows
from mirnet.errors import InvalidRequest
from tests.support.guarded import PASSWORD

RIGHT = {"name": "anna", "password": PASSWORD}
SECRET = "a secret of a program"


def client_of(access: Access, scheme: str = "http") -> TestClient:
    app = Starlette(routes=access.routes())
    return TestClient(app, base_url=f"{scheme}://testserver", follow_redirects=False)


def test_the_operator_signs_in_and_out():
    access = Access("viewer", ("anna", PASSWORD))
    client = client_of(access)
    assert "Password" in client.get("/operator").text
    wrong = client.post("/operator", data=RIGHT | {"password": "wrong"})
    assert wrong.status_code == 403 and ">Name or password is wrong.<" in wrong.text
    assert "Password" in wrong.text and "set-cookie" not in wrong.headers
    answer = client.post("/operator", data=RIGHT)
    assert (answer.status_code, answer.headers["location"]) == (303, "./?tab=evaluate")
    shown = client.get("/operator")
    assert shown.status_code == 200 and "You are signed in" in shown.text
    assert access.role(SimpleNamespace(cookies={COOKIE: client.cookies[COOKIE]})) == "admin"
    token = client.cookies[COOKIE]
    out = client.post("/operator", data={"out": "1"})
    assert (out.status_code, out.headers["location"]) == (
        303,
        "./",
    ) and COOKIE not in client.cookies
    assert access.role(SimpleNamespace(cookies={COOKIE: token})) == "viewer"
    assert client.post("/operator", data={"out": "1"}).status_code == 303
    assert client.put("/operator").status_code == 405


def test_the_cookie_is_hidden_from_scripts_ends_and_needs_tls_where_there_is_some():
    for scheme, secure in (("http", False), ("https", True)):
        access = Access("viewer", ("anna", PASSWORD))
        answer = client_of(access, scheme).post("/operator", data=RIGHT)
        cookie = answer.headers["set-cookie"]
        assert f"Max-Age={auth.SIGNED_IN_SECONDS}" in cookie and "HttpOnly" in cookie
        assert cookie.startswith(f"{COOKIE}=") and ("Secure" in cookie) == secure


@pytest.mark.parametrize("data", [b"", b"name=anna", b"password=x", b"\xff=\xff", b"x" * 5000])
def test_forms_that_are_none_sign_nobody_in(data):
    answer = client_of(Access("viewer", ("anna", PASSWORD))).post("/operator", content=data)
    assert answer.status_code == 403


def test_a_form_has_so_many_bytes():
    client = client_of(Access("viewer", ("anna", PASSWORD)))
    start = f"name=anna&password={PASSWORD.replace(' ', '+')}&more=".encode()
    fitting = start + b"x" * (auth.MAX_FORM_BYTES - len(start))
    assert client.post("/operator", content=fitting).status_code == 303
    assert client.post("/operator", content=fitting + b"x").status_code == 403


def test_the_page_says_who_may_sign_in_and_how():
    for_hub = Access("viewer", hub_owner="acme")
    assert "for acme" in for_hub.form(False) and "Nobody can" not in for_hub.form(False)
    assert auth.SETTING in Access("viewer").form(False)
    both = Access("viewer", ("anna", PASSWORD), hub_owner="acme").form(False)
    assert "for acme" in both and 'name="password"' in both and 'role="alert"' not in both
    assert "sign out there" in for_hub.form(True) and "You are signed in" in for_hub.form(True)


@pytest.mark.parametrize(
    ("everyone", "of_key", "role"),
    [
        ("viewer", "runner", "runner"),
        ("viewer", "admin", "admin"),
        ("runner", "viewer", "runner"),
        ("admin", "viewer", "admin"),
        ("runner", "runner", "runner"),
    ],
)
def test_a_key_gives_its_role_and_takes_none_away(everyone, of_key, role):
    access = Access(everyone, keys=parse_keys(f"ci:{SECRET}:{of_key}"))
    for headers in ({"x-api-key": SECRET}, {"authorization": f"Bearer {SECRET}"}):
        assert access.role(SimpleNamespace(headers=headers)) == role
    assert access.role(SimpleNamespace(headers={"x-api-key": SECRET[1:]})) == everyone


def test_each_role_includes_those_before_it():
    order = ("viewer", "runner", "admin")
    for at, role in enumerate(order):
        assert [allows(role, wanted) for wanted in order] == [number <= at for number in range(3)]


def test_the_owner_of_a_space_is_known_by_the_hubs_session():
    session = {
        SESSION_KEY: {"expires_at": time.time() + 99, "userinfo": {"preferred_username": "Acme"}}
    }
    asked = SimpleNamespace(cookies={}, session=session)
    assert Access("viewer", hub_owner="acme").role(asked) == "admin"
    assert Access("viewer", hub_owner="other").role(asked) == "viewer"
    assert Access("viewer").role(asked) == "viewer"
    assert Access("viewer", hub_owner="acme").role(SimpleNamespace(cookies={})) == "viewer"


def test_nobody_knows_more_than_a_stranger_by_default():
    assert Access().role(None) == "viewer"


def test_cookies_of_any_kind_are_read():
    access = Access("viewer", ("anna", PASSWORD))
    pairs = [(COOKIE, access.sign_in("anna", PASSWORD))]
    assert access.role(SimpleNamespace(cookies=pairs)) == "admin"
    assert access.role(SimpleNamespace(cookies=[])) == "viewer"


def test_tokens_are_long_and_names_of_visitors_are_those_of_their_cookies():
    token = Access("viewer", ("anna", PASSWORD)).sign_in("anna", PASSWORD)
    assert token is not None and len(token) == 43  # 32 bytes
    cookie = visitor_cookie(secure=True, embedded=False)
    assert cookie.endswith("; SameSite=Lax; Secure")
    name, _, own = cookie.partition(";")[0].partition("=")
    assert visitor_of(SimpleNamespace(cookies={name: own})) == own and len(own) == 22
    assert len(visitor_of(None)) == 22
    assert len(visitor_of(SimpleNamespace(session_hash=""))) == 22


def test_a_password_may_hold_colons_and_have_the_least_length():
    assert parse_login("anna:a:b") == ("anna", "a:b")
    least = "p" * auth.MIN_PASSWORD
    assert parse_operator(f"anna:{least}") == ("anna", least)
    with pytest.raises(InvalidRequest, match="^--auth wants .* --auth anna:secret"):
        parse_login("anna")
    with pytest.raises(InvalidRequest, match="^--operator wants"):
        parse_operator("anna:" + least[1:])


def test_a_counter_is_forgotten_by_its_key_and_limit():
    rates = RateLimiter(60)
    assert rates.add("a", 1) and rates.add("b", 1) and not rates.add("a", 1)
    rates.forget("a", 1)
    assert rates.add("a", 1) and not rates.add("b", 1)


def test_limits_are_told_in_words():
    limits = RequestLimits(upload_bytes=1_500_000_000, requests=30, window_seconds=3660)
    words = "Every 61 minutes, a visitor may send 1.5 GB of photos and 30 requests."
    assert limits.words() == words
