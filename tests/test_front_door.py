"""What developers, pre-commit and CI run is the same, and the API pages can be made."""

import re
import runpy
import subprocess
import sys

import pytest
import yaml

from tests.support.paths import ROOT


def front_door(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tests", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.fixture
def commands():
    return runpy.run_path(str(ROOT / "tests" / "__main__.py"), run_name="front_door")["COMMANDS"]


def test_precommit_and_ci_run_the_checks_of_the_front_door(commands):
    checks = list(commands["check"][1])
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == checks
    assert {(hook["language"], hook["pass_filenames"]) for hook in hooks} == {("system", False)}
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert "python -m tests check" in lines
    assert not [line for line in lines if line.startswith(("ruff", "mypy"))]


def test_ci_ends_with_the_test_command_of_the_readme():
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    readme = (ROOT / "README.md").read_text()
    (shown,) = re.findall(r"^pip install -r tests/requirements.txt && .*$", readme, re.MULTILINE)
    assert last.replace("install -q", "install") == shown


def test_every_word_is_documented_and_an_unknown_one_is_told(commands):
    contributing = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    shown = front_door("--help").stdout
    for word in commands:
        assert f"python -m tests {word}" in contributing
        assert re.search(rf"^{word} ", shown, re.MULTILINE)
    done = front_door("sing")
    assert done.returncode == 2 and "invalid choice: 'sing'" in done.stderr


def test_arguments_and_exit_status_pass_through():
    done = front_door("test", "--collect-only", "-q", "tests/test_front_door.py")
    assert done.returncode == 0 and "test_arguments_and_exit_status" in done.stdout
    assert front_door("test", "--no-such-option").returncode == 4


@pytest.mark.slow
def test_api_pages_are_made_without_a_warning(commands, tmp_path):
    done = front_door("docs", "-o", str(tmp_path))
    assert done.returncode == 0
    assert done.stderr == ""
    pages = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.html")}
    assert {
        "mirnet.html",
        "mirnet/restore.html",
        "eval/runner.html",
        "eval/protocols.html",
    } <= pages
    assert not [page for page in pages if page.endswith("/ui.html")]
    page = (tmp_path / "mirnet" / "restore.html").read_text()
    assert "Longest side of a tile" in page and "<h6" in page  # Google sections became headings
