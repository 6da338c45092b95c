"""The page behind real nginx and Caddy, with the files that the documentation names."""

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests
from gradio_client import Client, handle_file
from requests.adapters import HTTPAdapter

import app
from eval.app.run_queue import RunQueue
from eval.runs.store import RunStore
from mirnet.app.auth import Access
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.settings import read_settings
from tests.support.paths import ROOT

DEPLOY = ROOT / "mirnet" / "app" / "deploy"
LOGIN = ("anna", "correct horse battery")
KEY = "0123456789abcdef0123"
PHOTO = EXAMPLES_FOLDER / "denoise" / "dogs.jpg"


def free_port() -> int:
    with socket.socket() as wire:
        wire.bind(("127.0.0.1", 0))
        return wire.getsockname()[1]


def nginx(folder, upstream: int, port: int, server: str | None = None) -> list[str]:
    """Command that serves the documented server block on a port."""
    server = server or (DEPLOY / "nginx.conf").read_text()
    server = server.replace("listen 80;", f"listen 127.0.0.1:{port};")
    server = server.replace("127.0.0.1:7860", f"127.0.0.1:{upstream}")
    places = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; daemon off; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {places}\n{server} }}"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-e", f"{folder}/error.log"]


def caddy(folder, upstream: int, port: int) -> list[str]:
    """Command that serves the documented site on a port, without a certificate."""
    site = (DEPLOY / "Caddyfile").read_text()
    site = site.replace("photos.example.org", f"http://127.0.0.1:{port}")
    site = site.replace("127.0.0.1:7860", f"127.0.0.1:{upstream}")
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{site}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


PROXIES = {"nginx": nginx, "caddy": caddy}


def installed(name: str):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def started(command: list[str], port: int, folder) -> subprocess.Popen:
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        [shutil.which(command[0]), *command[1:]],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "stderr").open("w"),
        env=environment,
    )
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None, (folder / "stderr").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)


def served(folder, alone: bool, proxies=()):
    """A page as `python app.py` serves it, with an operator."""
    access = Access("viewer", LOGIN)
    service = RunQueue(RunStore(folder / "runs"), local=False)
    page = app.build(1_000_000, service, 2.0, access)
    page.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        **app.launch_options(access, alone, proxies=proxies),
    )
    return page, service


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Started with --proxy 127.0.0.1."""
    page, service = served(tmp_path_factory.mktemp("page"), False, ["127.0.0.1"])
    yield SimpleNamespace(port=int(re.search(r":(\d+)/", page.local_url)[1]))
    page.close()
    service.close()


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=installed(name)) for name in PROXIES]
)
def url(request, page, tmp_path_factory):
    """Where visitors reach it."""
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    process = started(PROXIES[request.param](folder, page.port, port), port, folder)
    yield f"http://127.0.0.1:{port}/"
    process.kill()  # at once: it would wait for pages that listen
    process.wait(20)


def test_a_visitor_restores_a_photo_and_is_no_operator(url):
    client = Client(url, verbose=False)
    assert client.predict(image=handle_file(PHOTO), task="denoise", api_name="/restore")
    with pytest.raises(Exception, match="Only the operator"):
        client.predict("mini-retouch", ["identity"], 1, api_name="/evaluate_start")


def test_the_page_knows_its_own_address(url):
    answer = requests.get(f"{url}config", timeout=60)
    assert answer.json()["root"] == url.rstrip("/")


def test_the_operator_signs_in(url):
    form = dict(zip(("name", "password"), LOGIN, strict=True))
    with requests.Session() as session:
        headers = {"Origin": url.rstrip("/")}
        answer = session.post(f"{url}operator", form, headers=headers, timeout=60)
        assert answer.status_code == 200
        assert "You are signed in" in session.get(f"{url}operator", timeout=60).text


class From(HTTPAdapter):
    """Connects from another address than the proxy's, as visitors do."""

    def __init__(self, address: str):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *given, **options):
        super().init_poolmanager(*given, source_address=(self.address, 0), **options)


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127.0.0.0/8 is this machine on Linux")
def test_a_visitor_who_makes_up_addresses_is_one_and_others_are_not_locked_out(url):
    wrong, port = {"name": "anna", "password": "wrong"}, urlsplit(url).port

    def status(address: str, made_up: str = "", form=wrong) -> int:
        headers = {"X-Forwarded-For": made_up, "X-Real-IP": made_up} if made_up else {}
        with requests.Session() as session:
            session.mount("http://", From(address))
            answer = session.post(
                f"{url}operator", form, headers=headers, timeout=60, allow_redirects=False
            )
        return answer.status_code

    one, other = (f"127.{port % 200 + 20}.0.{last}" for last in (2, 3))  # not those of another test
    seen = [status(one, f"203.0.113.{number}") for number in range(12)]
    assert seen == [403] * 10 + [429] * 2
    assert status(other, form=dict(zip(wrong, LOGIN, strict=True))) == 303


@installed("nginx")
def test_a_page_of_ones_own_behind_a_proxy_says_how_to_start_it(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("alone"), free_port()
    page, service = served(folder, True)
    process = None
    try:
        upstream = int(re.search(r":(\d+)/", page.local_url)[1])
        process = started(nginx(folder, upstream, port), port, folder)
        answer = requests.get(f"http://127.0.0.1:{port}/", timeout=60)
        assert answer.status_code == 421 and "--proxy 127.0.0.1" in answer.json()["detail"]
        assert requests.get(page.local_url, timeout=60).status_code == 200
    finally:
        if process is not None:
            process.kill()
            process.wait(20)
        page.close()
        service.close()


@installed("nginx")
def test_a_page_below_a_path_of_a_site(tmp_path_factory, monkeypatch):
    """As deploying.md says: GRADIO_ROOT_PATH, and a proxy that cuts the path off."""
    text = (ROOT / "mirnet" / "docs" / "deploying.md").read_text(encoding="utf-8")
    (location,) = re.findall(r"`(location /studio/) \{ (proxy_pass [^;]+;) … \}`", text)
    server = (DEPLOY / "nginx.conf").read_text().replace("location /", location[0])
    server = server.replace("proxy_pass http://127.0.0.1:7860;", location[1])
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/studio")
    folder, port = tmp_path_factory.mktemp("below"), free_port()
    page, service = served(folder, False, ["127.0.0.1"])
    process = None
    try:
        upstream = int(re.search(r":(\d+)/", page.local_url)[1])
        process = started(nginx(folder, upstream, port, server), port, folder)
        url = f"http://127.0.0.1:{port}/studio"
        assert requests.get(f"{url}/config", timeout=60).json()["root"] == url
        client = Client(f"{url}/", verbose=False)
        assert client.predict(image=handle_file(PHOTO), task="denoise", api_name="/restore")
        with requests.Session() as session:
            form = dict(zip(("name", "password"), LOGIN, strict=True))
            there = session.post(f"{url}/operator", form, timeout=60)
            assert there.status_code == 200 and there.url == f"{url}/?tab=evaluate"
            assert session.get(f"{url}/operator/jobs", timeout=60).status_code == 200
            assert session.get(f"{url}/metrics", timeout=60).status_code == 200
        away = requests.get(f"{url}/operator/jobs", timeout=60)
        assert away.url == f"{url}/operator"  # who is nobody is sent to sign in
    finally:
        if process is not None:
            process.kill()
            process.wait(20)
        page.close()
        service.close()


# ---------------------------------------------------------------- the tunnel of a share link


class Tunnel:
    """Passes bytes on to a port of this machine, as the end of a share link's tunnel does.

    What arrives was sent to the public name; the other end has added X-Forwarded-For.
    """

    def __init__(self, upstream: int):
        self.upstream = upstream
        self.wire = socket.create_server(("127.0.0.1", 0))
        self.port = self.wire.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                outside, _ = self.wire.accept()
                inside = socket.create_connection(("127.0.0.1", self.upstream))
                for one, other in ((outside, inside), (inside, outside)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(65536):
                other.sendall(content)
            other.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A page as `python app.py --share --auth anna:...` serves it, behind a tunnel."""
    keys = f"lab:{KEY}"
    settings = read_settings(["--share", "--auth", ":".join(LOGIN), "--api-keys", keys])
    assert not settings.alone and settings.everyone == "viewer"
    access = Access(settings.everyone, settings.operator_login, keys=settings.keys)
    service = RunQueue(RunStore(tmp_path_factory.mktemp("shared") / "runs"), local=False)
    page = app.build(1_000_000, service, 2.0, access)
    page.launch(
        server_name="127.0.0.1",
        auth=settings.login,
        prevent_thread_lock=True,
        quiet=True,
        **app.launch_options(access, settings.alone, True, settings.proxies),
    )
    tunnel = Tunnel(int(re.search(r":(\d+)/", page.local_url)[1]))
    yield f"http://127.0.0.1:{tunnel.port}"
    tunnel.wire.close()
    page.close()
    service.close()


def public(address: str = "203.0.113.7", **more: str) -> dict[str, str]:
    """Headers of a request that came through the tunnel."""
    name = "0123abcd.gradio.live"
    forwarded = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    return {"Host": name, "X-Forwarded-Host": name, **forwarded, **more}


def test_a_visitor_of_a_share_link_logs_in_and_is_no_operator(shared):
    origin = {"Origin": "https://0123abcd.gradio.live"}
    form = dict(zip(("username", "password"), LOGIN, strict=True))
    assert requests.get(f"{shared}/config", headers=public(), timeout=60).status_code == 401
    wrong = {**form, "password": "wrong"}
    answer = requests.post(f"{shared}/login", wrong, headers=public(**origin), timeout=60)
    assert answer.status_code == 400
    answer = requests.post(f"{shared}/login", form, headers=public(**origin), timeout=60)
    assert answer.status_code == 200
    cookie = "; ".join(f"{one.name}={one.value}" for one in answer.cookies)

    def get(path: str, **more: str) -> int:
        given = public(Cookie=cookie, **more)
        return requests.get(f"{shared}{path}", headers=given, timeout=60).status_code

    assert get("/config") == 200 and get("/metrics") == 403
    assert get("/metrics", **{"X-Forwarded-For": "127.0.0.1"}) == 403  # is made up
    foreign = public(Cookie=cookie, Origin="https://evil.example")
    answer = requests.post(f"{shared}/gradio_api/call/restore", headers=foreign, timeout=60)
    assert answer.status_code == 403


def test_a_program_with_a_key_needs_no_log_in(shared):
    client = Client(shared, verbose=False, headers={"X-API-Key": KEY})
    assert client.predict(image=handle_file(PHOTO), task="denoise", api_name="/restore")

    def get(path: str, **more: str) -> requests.Response:
        given = public(**more)
        return requests.get(f"{shared}{path}", headers=given, timeout=60, allow_redirects=False)

    bearer = {"Authorization": f"Bearer {KEY}"}
    assert get("/config", **bearer).json()["username"] == "key lab"
    assert get("/config", **bearer, Cookie="a=b; access-token-x=y").status_code == 200
    assert get("/logout", **bearer).status_code == 302
    assert get("/config", **bearer).status_code == 200  # a program's log-out ends nothing
    token = get("/gradio_api/token", **bearer).text
    assert "key-" not in token
    assert get("/config").status_code == 401
    assert get("/config", **{"X-API-Key": KEY[1:] + "x"}).status_code == 401


def test_visitors_of_a_share_link_are_counted_by_their_own_address(shared):
    wrong = {"username": "anna", "password": "wrong"}

    def status(address: str) -> int:
        answer = requests.post(f"{shared}/login", wrong, headers=public(address), timeout=60)
        return answer.status_code

    assert [status("198.51.100.9") for _ in range(12)] == [400] * 10 + [429] * 2
    assert status("198.51.100.10") == 400
