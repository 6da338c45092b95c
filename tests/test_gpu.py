"""`python -m tests.gpu`, run on the processor."""

import json

import pytest

from tests import gpu


def test_checks_and_table_are_made_and_kept(tmp_path, capsys, weights_cache):
    found = tmp_path / "found.json"
    sizes = ["--megapixels", "0.02", "--networks", "lowlight-compact"]
    assert gpu.main(["--device", "cpu", "--json", str(found), *sizes]) == 0
    printed = capsys.readouterr().out
    assert "ok   parity of v1_default" in printed and "FAIL" not in printed
    kept = json.loads(found.read_text())
    assert all(check["ok"] for check in kept["checks"])
    rows = {row["engine"]: row for row in kept["rows"]}
    assert rows["torch"]["psnr_db"] is None and rows["torch"]["seconds"] > 0
    assert rows["winograd"]["psnr_db"] > 80
    assert "| lowlight-compact | torch | 0.02 MP | 1 whole |" in printed


def test_a_failed_check_fails_the_script(monkeypatch, capsys, weights_cache):
    monkeypatch.setattr(gpu, "MIN_EXACT_DB", 500.0)
    monkeypatch.setattr(gpu, "GOLDEN", {})
    assert gpu.main(["--device", "cpu", "--networks", "lowlight-compact", "--minutes", "0"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL exact tiles of lowlight-compact" in printed
    assert "| lowlight-compact" not in printed  # no row begins when the time is over


def test_a_missing_device_is_told(capsys):
    assert gpu.main(["--device", "cuda:7"]) == 2
    assert "cannot compute on 'cuda:7'" in capsys.readouterr().err


@pytest.mark.parametrize("equal", [True, False])
def test_psnr_of_equal_pictures_is_infinite(equal):
    import numpy as np

    one = np.zeros((2, 2, 3))
    assert (gpu.psnr_db(one, one if equal else one + 0.1) == float("inf")) == equal
