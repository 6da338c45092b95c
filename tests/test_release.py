"""The gate ahead of a release: every step is a command that exists, and failures count."""

import shlex
import sys

import pytest

from tests import release
from tests.support.paths import ROOT

FAKE = {
    "good": release.Step("it works", "python -c 'print(1)'", "python -c 'print(2)'"),
    "bad": release.Step("it fails", "python -c 'import sys; print(7); sys.exit(3)'", "false"),
}


def test_the_table_says_what_passed_and_shows_the_end_of_what_failed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(release, "STEPS", FAKE)
    out = tmp_path / "release.md"
    assert release.main(["--out", str(out)]) == 1
    text = out.read_text()
    assert "| good | it works | `python -c 'print(1)'` | yes | 0.0 |" in text
    assert "| **no** (3) |" in text and "## bad\n\n```\n7\n```" in text
    assert release.main(["good", "--quick", "--out", str(out)]) == 0
    assert "print(2)" in out.read_text() and "bad" not in out.read_text()
    assert "good: passed" in capsys.readouterr().out


def test_the_number_of_files_of_a_fuzzer_can_be_chosen(tmp_path, monkeypatch):
    step = release.Step("it counts", "python -c 'print({inputs})'", "python -c 'print(5)'")
    monkeypatch.setattr(release, "STEPS", {"fuzz": step})
    out = tmp_path / "release.md"
    for flags, count in (((), 100_000), (("--inputs", "7"), 7), (("--inputs", "7", "--quick"), 5)):
        assert release.main([*flags, "--out", str(out)]) == 0
        assert f"print({count})" in out.read_text()


def test_an_unknown_step_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        release.main(["nothing"])
    assert ended.value.code == 2 and "choose from check, tests" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(release.STEPS))
def test_every_step_names_a_module_that_exists(name):
    for line in (release.STEPS[name].command, release.STEPS[name].quick):
        words = shlex.split(line)
        assert words[:2] == ["python", "-m"]
        module = words[2].replace(".", "/")
        if module.startswith("tests"):
            assert (ROOT / f"{module}.py").exists() or (ROOT / module / "__main__.py").exists()
        else:
            assert module == "pytest" and module in sys.modules
