"""Sign-in with the Hub on a Space, against a sign-in server on this machine."""

import re
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import requests

from mirnet.app.auth import Access
from mirnet.app.hub_login import is_owner, space_owner
from tests.support.oauth_server import OAuthServer
from tests.support.running import running_app

pytest.importorskip("authlib")


class Browser:
    """Follows redirects and keeps all cookies, also those for https only."""

    def __init__(self, url: str, host: str):
        self.url, self.host, self.cookies = url, host, {}

    def get(self, path: str, **headers: str) -> requests.Response:
        address = path if path.startswith("http") else self.url.rstrip("/") + path
        for _ in range(10):
            # The Space's public address leads to the app, which listens on this machine.
            address = address.replace(f"https://{self.host}", self.url.rstrip("/"))
            given = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **headers}
            answer = requests.get(address, headers=given, allow_redirects=False, timeout=60)
            for name, value in re.findall(
                r"(?:^|, )(session|mirnet-\w+)=([^;]*)", answer.headers.get("Set-Cookie", "")
            ):
                self.cookies[name] = value
            if answer.status_code not in (302, 303, 307):
                return answer
            address = requests.compat.urljoin(address, answer.headers["Location"])
        raise AssertionError("redirects without end")


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """A Space of an organisation, and the server that signs in its visitors."""
    state = str(tmp_path_factory.mktemp("state"))
    with OAuthServer({}) as server:
        environment = server.space("our-lab")
        with running_app(**environment, MIRNET_STATE_DIR=state) as url:
            yield SimpleNamespace(server=server, url=url, host=environment["SPACE_HOST"])


@pytest.mark.parametrize(
    ("user", "operates"),
    [
        ({"preferred_username": "anna", "orgs": [{"preferred_username": "Our-Lab"}]}, True),
        ({"preferred_username": "ben", "orgs": [{"preferred_username": "others"}]}, False),
    ],
)
def test_members_of_the_spaces_organisation_are_operators(user, operates, space):
    space.server.user = user
    browser = Browser(space.url, space.host)
    assert browser.get("/metrics").status_code == 403
    assert "Sign in with" in browser.get("/operator").text
    shown = browser.get("/login/huggingface?_target_url=/operator")
    assert shown.status_code == 200 and "session" in browser.cookies
    assert ("You are signed in" in shown.text) == operates
    assert browser.get("/metrics").status_code == (200 if operates else 403)
    # Another web page that uses the visitor's cookie is nobody.
    assert browser.get("/metrics", **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    name, end = browser.cookies["session"][:-3], browser.cookies["session"][-3:]
    browser.cookies["session"] = name + ("abc" if end != "abc" else "xyz")
    assert browser.get("/metrics").status_code == 403


def signed_in(**changes) -> SimpleNamespace:
    answer = {
        "expires_at": time.time() + 60,
        "userinfo": {"preferred_username": "anna", "orgs": [{"preferred_username": "lab"}]},
    }
    return SimpleNamespace(cookies={}, headers={}, session={"oauth_info": {**answer, **changes}})


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at": time.time() - 1},
        {"expires_at": None},
        {"userinfo": None},
        {"userinfo": {"preferred_username": "ben", "orgs": "lab"}},
        {"userinfo": {"preferred_username": None, "orgs": [None, {"preferred_username": 3}]}},
        {"userinfo": {"name": "lab", "preferred_username": "ben"}},
    ],
)
def test_what_does_not_say_so_makes_nobody_an_operator(changes):
    assert not is_owner(signed_in(**changes), "lab")
    assert Access(hub_owner="lab").role(signed_in(**changes)) == "viewer"


def test_the_owner_and_members_are_operators_where_the_hub_signs_in(monkeypatch):
    assert is_owner(signed_in(), "lab") and is_owner(signed_in(), "Anna")
    assert not is_owner(signed_in(), None) and not is_owner(SimpleNamespace(), "lab")
    assert Access(hub_owner="lab").role(signed_in()) == "admin"
    assert space_owner() is None
    for name, value in OAuthServer.space(SimpleNamespace(url="http://x"), "lab").items():
        monkeypatch.setenv(name, value)
    assert space_owner() == "lab"
    monkeypatch.delenv("OAUTH_CLIENT_ID")
    assert space_owner() is None
