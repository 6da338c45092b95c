"""What a run records of the code that made it."""

import subprocess

from eval.runs.environment import has_changes


def test_changed_code_is_a_change_and_a_replaced_recording_is_not(tmp_path):
    recorded = tmp_path / "eval/recorded/run.json"
    recorded.parent.mkdir(parents=True)
    recorded.write_text("old")
    code = tmp_path / "code.py"
    code.write_text("one")
    identity = ("-c", "user.name=a test", "-c", "user.email=test@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert not has_changes(tmp_path)
    recorded.write_text("new")
    assert not has_changes(tmp_path)
    code.write_text("two")
    assert has_changes(tmp_path)
