"""What goes to a Hugging Face Space, and what must not."""

import subprocess

import pytest
from typer.testing import CliRunner

from mirnet.app import space
from mirnet.cli.main import app
from mirnet.errors import InvalidRequest

FRONT = "---\nsdk: gradio\napp_file: app.py\nthumbnail: examples/a.jpg\n---\n# Studio\n"


@pytest.fixture
def checkout(tmp_path):
    """A small copy of what a checkout looks like."""
    for part in ("mirnet", "eval", "examples"):
        (tmp_path / part / "__pycache__").mkdir(parents=True)
        (tmp_path / part / "a.py").write_text("x = 1\n")
        (tmp_path / part / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"0")
        (tmp_path / part / ".env").write_text("TOKEN=1")
    for name in ("LICENSE", "requirements.txt", "app.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "README.md").write_text(FRONT)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("")
    (tmp_path / "mirnet" / "link.py").symlink_to("/etc/passwd")
    (tmp_path / "mirnet" / "w.safetensors").write_bytes(bytes(5000))
    return tmp_path


def test_a_space_gets_what_the_app_needs_and_nothing_else(checkout):
    paths = [file.path for file in space.stage(checkout)]
    assert paths == sorted(
        ["LICENSE", "README.md", "app.py", "eval/a.py", "examples/a.py", "mirnet/a.py",
         "mirnet/w.safetensors", "requirements.txt"]
    )  # fmt: skip


def test_this_checkout_can_be_staged_and_is_small():
    staged = {file.path: file.size for file in space.stage()}
    assert {
        "app.py",
        "mirnet/weights/files/denoise-compact.safetensors",
        "eval/app/evaluate_tab.py",
    } <= set(staged)
    assert not [path for path in staged if path.startswith(("tests/", ".", "runs/", "data/"))]
    assert sum(staged.values()) < 60e6


@pytest.mark.parametrize(
    "secret",
    ["token = 'hf_" + "a" * 34 + "'", "ghp_" + "b" * 36, "-----BEGIN RSA PRIVATE KEY" + "-----"],
)
def test_secrets_are_refused_by_file_and_line(checkout, secret):
    (checkout / "eval" / "a.py").write_text(f"x = 1\n{secret}\n")
    with pytest.raises(InvalidRequest, match=r"eval/a\.py, line 2, holds") as refused:
        space.stage(checkout)
    assert secret not in str(refused.value)


def test_an_incomplete_checkout_and_a_readme_without_front_matter_are_refused(checkout):
    (checkout / "README.md").write_text("# Studio\n")
    with pytest.raises(InvalidRequest, match="front matter"):
        space.stage(checkout)
    (checkout / "app.py").unlink()
    with pytest.raises(InvalidRequest, match=r"has no app\.py"):
        space.stage(checkout)


def test_only_tracked_files_are_sent(checkout):
    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=checkout, check=True, capture_output=True)

    git("init", "-q")
    git("add", "--all", "--force")
    (checkout / "eval" / "notes.txt").write_text("private")
    paths = [file.path for file in space.stage(checkout)]
    assert "eval/a.py" in paths and "eval/notes.txt" not in paths


def test_push_removes_what_it_put_there_and_nothing_else(hub, checkout, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    (checkout / "mirnet" / "old.py").write_text("")
    staged = space.stage(checkout)
    assert space.push("us/studio", staged) == f"{hub.url}/spaces/us/studio"
    paths = {file.path for file in staged}
    assert set(hub.files_of("us/studio", "space")) == paths | {space.MANIFEST}
    readme = hub.files_of("us/studio", "space")["README.md"].decode()
    where = f"{hub.url}/spaces/us/studio/resolve/main/examples/a.jpg"
    assert readme == FRONT.replace("examples/a.jpg", where)
    theirs = {**hub.files_of("us/studio", "space"), "notes.md": b"mine"}
    hub.add_repo("us/studio", theirs, kind="space")
    (checkout / "mirnet" / "old.py").unlink()
    (checkout / "app.py").write_text("new")
    staged = space.stage(checkout)
    found = space.changes("us/studio", staged)
    assert found == (["mirnet/old.py"], ["notes.md"], [])
    space.push("us/studio", staged)
    there = hub.files_of("us/studio", "space")
    assert "mirnet/old.py" not in there and there["notes.md"] == b"mine"
    assert there["app.py"] == b"new"


def test_the_space_of_another_program_is_not_overwritten_by_a_mistyped_name(
    hub, checkout, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    theirs = {"app.py": b"theirs", "data.bin": b"1", ".gitattributes": b""}
    hub.add_repo("us/other", theirs, kind="space")
    staged = space.stage(checkout)
    with pytest.raises(space.SpaceRefused, match=r"not put there by this command \(app\.py\)"):
        space.push("us/other", staged)
    assert hub.files_of("us/other", "space") == theirs
    monkeypatch.setattr(space, "stage", lambda: staged)
    given = ["space", "push", "--repo", "us/other", "--yes"]
    refused = CliRunner().invoke(app, given)
    assert refused.exit_code != 0 and "stays, not of this program: data.bin" in refused.output
    done = CliRunner().invoke(app, [*given, "--replace"])
    assert "replaced, not of this program: app.py" in done.output
    assert hub.files_of("us/other", "space")["data.bin"] == b"1"
    assert hub.files_of("us/other", "space")["app.py"] == b"app.py"


def test_a_hub_that_refuses_or_is_away_is_told_in_words(hub, checkout, monkeypatch):
    staged = space.stage(checkout)
    hub.read_only = True
    with pytest.raises(space.SpaceRefused, match="hf auth login"):
        space.push("us/studio", staged)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(space.SpaceRefused, match="cannot be reached"):
        space.push("us/studio", staged)
    with pytest.raises(InvalidRequest, match="ORG/NAME"):
        space.push("../studio", staged)


def test_the_command_lists_by_default(hub):
    done = CliRunner().invoke(app, ["space", "push", "--repo", "us/studio"])
    assert done.exit_code == 0
    assert "app.py" in done.output and "Nothing was uploaded" in done.output
    assert hub.seen() == []
