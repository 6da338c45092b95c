"""Stored runs, checked again: every number the same, and what was tampered with."""

import json
import subprocess

import numpy as np
import pytest

from eval.runs.runner import execute_run
from eval.runs.store import replace_file
from eval.runs.verify import verify
from mirnet.errors import InvalidRequest
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from tests.support.own_pairs_runs import finished, ordered


def outcomes(findings):
    return {(finding.what, finding.outcome) for finding in findings}


def test_verify_finds_every_number_the_same(folder, store):
    stored, _ = finished(store, ordered(folder, n=2))
    found = list(verify(stored, sample=None))
    assert len(found) == 2 * 2 * 3
    assert {finding.outcome for finding in found} == {"same"}
    assert len(list(verify(stored, sample=1))) == 3


def test_verify_catches_a_tampered_picture(folder, store):
    stored, _ = finished(store, ordered(folder, methods=("tv",), n=1))
    path = stored.output(stored.rows()[0].output_sha256)
    path.unlink()
    write_image(Picture(np.full((48, 60, 3), 7, np.uint8)), path)
    found = outcomes(verify(stored))
    assert ("stored picture", "differs") in found
    assert ("score (rgb-8bit/1)", "cannot be checked") in found


def test_verify_catches_a_tampered_score(folder, store):
    stored, _ = finished(store, ordered(folder, methods=("tv",), n=1))
    path = stored.folder / "scores.jsonl"
    row = json.loads(path.read_bytes())
    row["scores"]["rgb-8bit/1"]["psnr_db"] += 0.5
    replace_file(path, json.dumps(row).encode() + b"\n")
    found = outcomes(verify(stored))
    assert ("score (rgb-8bit/1)", "differs") in found
    assert ("stored picture", "same") in found


def test_verify_catches_swapped_weights(folder, store):
    stored, _ = finished(store, ordered(folder, methods=("denoise-compact",), n=1))
    header = stored.header()
    other = header.methods[0].model_copy(update={"weights_sha256": "0" * 64})
    stored.write_header(header.model_copy(update={"methods": [other]}))
    found = {finding.what: finding for finding in verify(stored)}
    assert found["restored again"].outcome == "differs"
    assert "000000000000" in found["restored again"].detail
    with pytest.raises(InvalidRequest, match="are not those that run"):
        list(execute_run(stored))


def test_verify_says_what_it_cannot_check(folder, store, tmp_path):
    gone = tmp_path / "gone"
    subprocess.run(["cp", "-r", str(folder), str(gone)], check=True)
    stored, _ = finished(store, ordered(gone, methods=("identity",), n=1))
    gone.rename(tmp_path / "elsewhere")
    assert outcomes(verify(stored)) == {
        ("stored picture", "same"),
        ("score (rgb-8bit/1)", "cannot be checked"),
        ("restored again", "cannot be checked"),
    }
