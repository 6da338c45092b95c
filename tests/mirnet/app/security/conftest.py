"""A page for strangers, a program of a visitor, and the cookie of the operator."""

from types import SimpleNamespace

import pytest
import requests
from gradio_client import Client

from mirnet.app.auth import COOKIE
from tests.support.runs_factory import write_run
from tests.support.strangers import DELETED, GONE, LOGIN, METHODS, launched


@pytest.fixture(scope="package")
def place(tmp_path_factory):
    """A page for which nobody allowed visitors to run anything."""
    folder = tmp_path_factory.mktemp("state")
    write_run(folder / "runs", pairs=3, methods=METHODS, title="Three pictures")
    write_run(folder / "runs", pairs=2, methods=METHODS, status="stopped", id=GONE)
    write_run(folder / "runs", pairs=1, methods=METHODS, id=DELETED)
    page, service = launched(folder, "viewer")
    yield SimpleNamespace(page=page, url=page.local_url, folder=folder, service=service)
    page.close()
    service.close()


@pytest.fixture(scope="package")
def client(place) -> Client:
    """A program of a visitor."""
    return Client(place.url, verbose=False)


@pytest.fixture(scope="package")
def cookie(place) -> dict[str, str]:
    """The operator's."""
    name, password = LOGIN
    form = {"name": name, "password": password}
    answer = requests.post(f"{place.url}operator", form, timeout=60, allow_redirects=False)
    assert answer.status_code == 303
    kept = answer.headers["set-cookie"]
    assert "HttpOnly" in kept and "SameSite=strict" in kept
    return {COOKIE: answer.cookies[COOKIE]}
