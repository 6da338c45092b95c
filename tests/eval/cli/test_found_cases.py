"""Inputs that people reported to other tools, through `python -m eval` as they would type it."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from typer.testing import CliRunner

from eval.analysis.run_comparison import compare_runs
from eval.app.html.compare import comparison
from eval.cli.main import app
from eval.runs.document import SampleResult
from eval.runs.store import RunStore
from mirnet.images.encode import encode_image
from mirnet.images.picture import Picture
from tests.support.pair_files import png, put
from tests.support.paths import ROOT
from tests.support.runs_factory import method, sha, write_run


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run(folder: Path, out: Path, *more: str) -> list[str]:
    """Evaluate a folder without restoring anything; ids of the scored pairs."""
    done = invoke(
        *("run", "--benchmark", folder, "--task", "denoise", "--methods", "identity"),
        *("--out", out, *more),
    )
    assert done.exit_code == 0, done.output
    stored = RunStore(out).run(RunStore(out).headers()[0].id)
    rows = stored.rows()
    assert all(row.error is None for row in rows)
    return [row.pair for row in rows]


def halves(folder: Path, *names: str) -> Path:
    return put(
        folder,
        {
            f"{half}/{name}": png(24, 24, seed)
            for seed, name in enumerate(names)
            for half in ("noisy", "clean")
        },
    )


HALVES = ("restored", "target")
PATTERNS = ("--degraded", "noisy/*.png", "--target", "clean/*.png")


CASES = Path(__file__).parent / "cases"
"""Files of the cases; see README.md there."""


def reported(folder: Path, *names: str) -> Path:
    """Lay out the noisy and the clean picture of a case as pairs."""
    pictures = {half: (CASES / f"{half}.png").read_bytes() for half in ("noisy", "clean")}
    return put(
        folder,
        {f"{half}/{name}": content for name in names for half, content in pictures.items()},
    )


def psnr_of_case() -> float:
    """PSNR of the noisy picture, by scikit-image."""
    clean, noisy = (np.asarray(Image.open(CASES / f"{half}.png")) for half in ("clean", "noisy"))
    return float(peak_signal_noise_ratio(clean, noisy))


def scores(out: Path) -> list[float]:
    """PSNR of every row of the only run in a folder."""
    stored = RunStore(out).run(RunStore(out).headers()[0].id)
    return [row.scores[stored.header().protocol]["psnr_db"] for row in stored.rows()]


def test_names_in_chinese_are_pairs_of_their_own(tmp_path):
    folder = reported(tmp_path / "cjk", "图片.png", "照片.png", "風景.png")
    assert len(set(run(folder, tmp_path / "runs", *PATTERNS))) == 3
    assert scores(tmp_path / "runs") == [pytest.approx(psnr_of_case())] * 3


def test_the_case_of_a_suffix_does_not_matter(tmp_path):
    folder = reported(tmp_path / "case", "1.PNG", "2.png")
    assert run(folder, tmp_path / "runs", *PATTERNS) == ["1", "2"]
    assert scores(tmp_path / "runs") == [pytest.approx(psnr_of_case())] * 2


def test_a_table_in_csv_is_found(tmp_path):
    pictures = {"n": "noisy", "t": "clean"}
    files = {
        f"{half}{number}.png": (CASES / f"{name}.png").read_bytes()
        for number in (1, 2, 3)
        for half, name in pictures.items()
    }
    table = (CASES / "metadata.csv").read_bytes()
    folder = put(tmp_path / "m_csv", files | {"metadata.csv": table})
    assert len(run(folder, tmp_path / "runs")) == 3
    assert scores(tmp_path / "runs") == [pytest.approx(psnr_of_case())] * 3


def test_several_degraded_pictures_of_one_clean_one_are_allowed(tmp_path):
    files = {f"noisy/{name}.png": png(24, 24, 1) for name in ("1_a", "1_b")}
    folder = put(tmp_path / "many", files | {"clean/1.png": png(24, 24, 1)})
    found = run(folder, tmp_path / "runs", "--degraded", "noisy/*_*.png", "--target", "clean/*.png")
    assert found == ["1-a", "1-b"]


def test_patterns_with_a_leading_dot_are_accepted(tmp_path):
    folder = halves(tmp_path / "dots", "1.png", "2.png")
    patterns = ("--degraded", "./noisy/*.png", "--target", "./clean/?.png")
    assert run(folder, tmp_path / "runs", *patterns) == ["1", "2"]


def test_what_is_no_picture_is_left_out_of_scoring(tmp_path):
    noisy, clean, junk = (
        (CASES / name).read_bytes() for name in ("noisy.png", "clean.png", "Thumbs.db")
    )
    folder = put(
        tmp_path, {"restored/a.png": noisy, "restored/Thumbs.db": junk, "target/a.png": clean}
    )
    done = invoke("score", folder / "restored", folder / "target")
    assert done.exit_code == 0 and f"{psnr_of_case():.4f}" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="file names are no bytes there")
@pytest.mark.parametrize("coding", ["ascii", "utf-8"])
def test_names_that_no_coding_holds_do_not_end_the_scoring(tmp_path, coding):
    """A name in Latin-1 bytes, as old archives have it, and one in Chinese."""
    for half in HALVES:
        put(tmp_path, {f"{half}/照片.png": png(24, 24, 1)})
        name = os.fsencode(tmp_path / half) + b"/caf\xe9.png"
        with open(name, "wb") as file:
            file.write(png(24, 24, 2))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "eval",
            "score",
            str(tmp_path / "restored"),
            str(tmp_path / "target"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": coding},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr and b"2 identical to the target" in done.stdout


# ---------------------------------------------------------------- one bad pair


def bad_pair(folder: Path) -> bytes:
    """Damage one of three pairs; returns what repairs it."""
    good = (folder / "noisy/2.png").read_bytes()
    put(folder, {"noisy/2.png": good[:40]})
    return good


def test_one_bad_pair_is_marked_and_the_others_are_scored(tmp_path):
    folder = halves(tmp_path / "one", "1.png", "2.png", "3.png")
    good, out = bad_pair(folder), tmp_path / "runs"
    arguments = ("--task", "denoise", "--methods", "identity,tv", "--out", out)
    done = invoke("run", "--benchmark", folder, *PATTERNS, *arguments)
    assert done.exit_code == 0, done.output
    assert "1 pair could not be read" in " ".join(done.output.split())
    stored = RunStore(out).run(RunStore(out).headers()[0].id)
    header = stored.header()
    assert header.status == "done" and [line.count for line in header.summary] == [2, 2]
    assert [line.failed for line in header.summary] == [0, 0]  # no method's fault
    marked = [row for row in stored.rows() if row.error]
    assert {(row.pair, row.unusable_pair) for row in marked} == {("2", True)}
    assert "the degraded picture cannot be read" in marked[0].error
    put(folder, {"noisy/2.png": good})
    again = invoke("resume", stored.id, "--out", out)
    assert again.exit_code == 0, again.output
    assert [line.count for line in stored.header().summary] == [3, 3]
    assert len(json.loads(invoke("verify", stored.id, "--all", "--json", "--out", out).stdout)) > 0


def test_a_repair_that_changes_other_pairs_is_refused(tmp_path):
    folder = halves(tmp_path / "one", "1.png", "2.png", "3.png")
    good, out = bad_pair(folder), tmp_path / "runs"
    arguments = ("--task", "denoise", "--methods", "identity", "--out", out)
    assert invoke("run", "--benchmark", folder, *PATTERNS, *arguments).exit_code == 0
    put(folder, {"noisy/2.png": good, "noisy/1.png": png(24, 24, 99)})
    done = invoke("resume", RunStore(out).headers()[0].id, "--out", out)
    assert done.exit_code == 2 and "is not what run" in " ".join(done.stderr.split())


def test_pairs_that_are_all_bad_end_the_run_with_the_reason(tmp_path):
    folder = halves(tmp_path / "one", "1.png")
    put(folder, {"noisy/1.png": png(24, 20)})
    arguments = ("--task", "denoise", "--methods", "identity", "--out", tmp_path / "runs")
    done = invoke("run", "--benchmark", folder, *PATTERNS, *arguments)
    assert done.exit_code == 2 and "No pair can be scored" in done.stderr
    assert "they are not a pair" in " ".join(done.stderr.split())


def test_a_target_of_16_bits_with_values_of_8_is_refused_in_words(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (24, 24, 3))
    sixteen = encode_image(Picture(values.astype(np.uint16)), "png")
    eight = encode_image(Picture(values.astype(np.uint8)), "png")
    folder = put(tmp_path / "deep", {"noisy/1.png": eight, "clean/1.png": sixteen})
    arguments = ("--task", "denoise", "--methods", "identity", "--out", tmp_path / "runs")
    done = invoke("run", "--benchmark", folder, *PATTERNS, *arguments)
    words = " ".join(done.stderr.split())
    assert done.exit_code == 2
    assert "the target is a file of 16 bits whose values end at 255 of 65535" in words
    right = encode_image(Picture((values * 257).astype(np.uint16)), "png")
    put(folder, {"clean/1.png": right})
    assert run(folder, tmp_path / "mended", *PATTERNS) == ["1"]


def test_runs_without_ground_truth_have_nothing_to_compare(tmp_path):
    """Runs over DND were said to have other files, then no picture in common."""
    ids = ("20260101-120000-abcdef", "20260102-120000-abcdef")
    for run_id in ids:
        rows = [
            SampleResult(
                pair=f"p{number}", method="identity", seconds=1, megapixels=1,
                degraded_sha256=sha(f"p{number}"), output_sha256=sha(f"{run_id} {number}"),
            )
            for number in range(3)
        ]  # fmt: skip
        write_run(tmp_path, methods=(method("identity"),), rows=rows, id=run_id)
    shown = invoke("compare", *ids, "--out", tmp_path)
    assert shown.exit_code == 0 and "other files" not in shown.output
    words = "as where the ground truth is private (DND)"
    assert words in " ".join(shown.output.split())
    store = RunStore(tmp_path)
    assert words in comparison(compare_runs([store.run(run_id) for run_id in ids]), "psnr_db")


def test_a_method_that_is_not_ranked_leaves_no_picture_out(tmp_path):
    def row(pair: int, name: str, psnr: float | None) -> SampleResult:
        scores = {} if psnr is None else {"rgb/1": {"psnr_db": psnr, "ssim": 0.9}}
        error = "it failed" if psnr is None else None
        return SampleResult(pair=f"p000{pair}", method=name, scores=scores, error=error,
                            degraded_sha256=sha(str(pair)))  # fmt: skip

    rows = [row(pair, "ours", 30.0 + pair) for pair in range(3)]
    rows += [row(pair, "clahe", psnr) for pair, psnr in enumerate((math.inf, None, None))]
    write_run(tmp_path, pairs=3, methods=(method("ours"), method("clahe")), rows=rows,
              protocols=["rgb/1"])  # fmt: skip
    run_id = RunStore(tmp_path).headers()[0].id
    shown = " ".join(invoke("show", run_id, "--out", tmp_path).stdout.split())
    assert "clahe has results on 1 picture and is not ranked" in shown
    assert "left out of all mean" not in shown and "are left out" not in shown
    assert "31.00" in shown  # the mean of ours, over all three
