"""`python -m eval` as a person types it."""

import json
import re
import shutil
from urllib.parse import parse_qsl

import pytest
from PIL import Image
from typer.testing import CliRunner

from eval.analysis.leaderboards import leaderboard
from eval.app.html.board import run_head
from eval.app.html.report import board_table
from eval.app.run_status import Snapshot
from eval.app.view_state import ViewState
from eval.cli.main import app
from eval.reports.html import html_report
from eval.review.invitations import read_link
from eval.review.questions import choose_questions
from eval.review.votes import store_vote
from eval.runs.output_cache import OutputCache
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from tests.support.paths import ROOT
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import write_run

REFERENCE = ROOT / "tests/mirnet/metrics/reference"


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_two_pictures_as_json():
    files = (REFERENCE / f"noise_{role}.png" for role in ("restored", "target"))
    done = invoke("score", *files, "--protocol", "y-crop", "--scale", 4, "--json")
    assert done.exit_code == 0
    content = json.loads(done.stdout)
    assert content["psnr"] == pytest.approx(29.4580639837, abs=5e-5)
    assert content["ssim"] == pytest.approx(0.7625175806, abs=1e-6)
    assert content["protocol"] == "y-crop/1"


@pytest.fixture
def folders(tmp_path):
    for case in ("noise", "blur"):
        for role in ("restored", "target"):
            (tmp_path / role).mkdir(exist_ok=True)
            shutil.copy(REFERENCE / f"{case}_{role}.png", tmp_path / role / f"{case}.png")
    return tmp_path / "restored", tmp_path / "target"


def test_two_folders_and_their_mean(folders):
    done = invoke("score", *folders)
    assert done.exit_code == 0
    assert "24.6609" in done.stdout
    assert f"{(24.6608623 + 28.4851960) / 2:.4f}" in done.stdout
    assert "rgb/1: PSNR over all RGB values" in done.stdout


def test_identical_pictures_are_counted_and_not_averaged(folders):
    shutil.copy(folders[1] / "noise.png", folders[0] / "noise.png")
    content = json.loads(invoke("score", *folders, "--json").stdout)
    assert content["identical"] == 1
    assert content["psnr"] == pytest.approx(28.4851960, abs=1e-5)
    assert content["scores"][1]["psnr"] == "identical"
    content = json.loads(invoke("score", folders[1], folders[1], "--json").stdout)
    assert content["psnr"] == "identical"


def test_wrong_input_ends_with_one_sentence(folders, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    small = tmp_path / "small.png"
    Image.new("RGB", (30, 30)).save(small)
    cases = {
        ("score", tmp_path / "none.png", small): "There is no",
        ("score", folders[0], small): "two pictures or two folders",
        ("score", tmp_path / "text.png", small): "text.png",
        ("score", folders[0] / "noise.png", small): "must be the same size",
        ("score", small, small, "--protocol", "ssim"): "choose one of",
        ("score", small, small, "--protocol", "y-sr"): "needs the scale",
    }
    for arguments, message in cases.items():
        done = invoke(*arguments)
        assert done.exit_code == 2
        assert message in done.stderr
        assert "Traceback" not in done.output
    for folder, junk in zip(folders, ("Thumbs.db", "notes.txt"), strict=True):
        (folder / junk).write_bytes(b"no picture")
    assert invoke("score", *folders).exit_code == 0
    (folders[0] / "noise.png").unlink()
    assert "noise is only in" in invoke("score", *folders).stderr


def test_protocols_are_listed_with_their_meaning():
    done = invoke("protocols")
    assert done.exit_code == 0
    for name in ("rgb/1", "rgb-8bit/1", "matlab-rgb-3d/1", "y-crop/1", "y-sr/1", "gt-mean/1"):
        assert name in done.stdout


@pytest.fixture
def mini_run(tmp_path):
    """A run of two methods over two pairs of the mini benchmark, made by the command itself."""
    done = invoke(
        *("run", "--benchmark", "mini-retouch", "--methods", "identity,grey-world", "--n", 2),
        *("--out", tmp_path / "runs", "--title", "first look"),
    )
    assert done.exit_code == 0, done.output
    return tmp_path / "runs", next(
        p.name for p in (tmp_path / "runs").iterdir() if p.name[0] == "2"
    )


def test_a_run_from_start_to_report(mini_run, tmp_path):
    out, run_id = mini_run
    shown = invoke("show", run_id, "--out", out)
    assert "grey-world" in shown.output
    assert "rgb-8bit/1 · 2 of 8 pairs, seed 0 · done" in shown.output
    assert "simulated" in shown.output
    listed = json.loads(invoke("list", "--json", "--out", out).stdout)
    assert [row["id"] for row in listed] == [run_id]
    verified = invoke("verify", run_id, "--all", "--json", "--out", out)
    assert verified.exit_code == 0
    findings = json.loads(verified.stdout)
    assert {finding["outcome"] for finding in findings} == {"same"} and len(findings) == 16
    assert invoke("compare", run_id, "--out", out).exit_code == 2
    table = tmp_path / "table.csv"
    assert invoke("export", run_id, "--out", out, "-o", table).exit_code == 0
    assert table.read_text().count("\n") == 9
    page = tmp_path / "report.html"
    assert invoke("report", run_id, "--out", out, "-o", page).exit_code == 0
    assert "first look" in page.read_text()


def test_several_runs_are_compared_with_the_first_or_a_named_one(mini_run, tmp_path):
    out, run_id = mini_run
    others = [f"20300101-00000{number}-aaaaaa" for number in (1, 2)]
    for name in others:
        folder = shutil.copytree(out / run_id, out / name)
        header = json.loads((folder / "run.json").read_text()) | {"id": name, "title": name}
        (folder / "run.json").write_text(json.dumps(header))
    ids = [run_id, *others]
    shown = invoke("compare", *ids, "--out", out)
    assert shown.exit_code == 0 and "identity" in shown.output and others[1][:8] in shown.output
    found = json.loads(invoke("compare", *ids, "--json", "--out", out).stdout)
    assert {row["run"] for row in found["summary"]} == {*others}
    assert {row["change"] for row in found["summary"]} == {0} and found["left_out"] == 0
    assert found["protocol"] and found["differences"] == []
    table = tmp_path / "compared.tex"
    done = invoke(
        *("compare", *ids, "--baseline", others[1], "--format", "latex"),
        *("-o", table, "--out", out),
    )
    assert done.exit_code == 0 and table.read_text().count("(+0.00)") == 4
    wrong = invoke("compare", *ids, "--format", "latex", "--metric", "flip", "--out", out)
    assert wrong.exit_code == 2 and "no FLIP in common: choose one of psnr_db, ssim" in wrong.stderr
    wrong = invoke("compare", run_id, run_id, "--out", out)
    assert wrong.exit_code == 2 and "named twice" in wrong.output
    assert "Traceback" not in wrong.output


def test_verify_exits_with_1_where_a_number_is_wrong(mini_run):
    out, run_id = mini_run
    path = out / run_id / "scores.jsonl"
    first, rest = path.read_text().split("\n", 1)
    row = json.loads(first)
    row["scores"]["rgb-8bit/1"]["ssim"] += 0.01
    path.write_text(json.dumps(row) + "\n" + rest)
    done = invoke("verify", run_id, "--all", "--out", out)
    assert done.exit_code == 1
    assert done.output.count("differs") == 1


def test_a_family_of_benchmarks_is_run_one_after_another(tmp_path):
    done = invoke(
        *("run", "--benchmark", "mini", "--task", "lowlight", "--methods", "gamma", "--n", 1),
        *("--out", tmp_path),
    )
    assert done.exit_code == 0 and "Mini: dark" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--benchmark", "nope"), "There is no benchmark 'nope'"),
        (("run", "--benchmark", "sidd", "--methods", "identity"), "is not on the Hub"),
        (("run", "--benchmark", "mini-retouch", "--methods", "nope"), "nope"),
        (("run", "--benchmark", "mini-retouch", "--engine", "gpu"), "no engine 'gpu'"),
        (("run", "--benchmark", "mini-retouch", "--methods", "os:getcwd"), "allow"),
        (("show", "../etc"), "no run '../etc'"),
        (("resume", "20260101-000000-abcdef"), "no run"),
        (("methods", "--task", "paint"), "no task 'paint'"),
        (("invite", "20260101-000000-abcdef", "anna"), "no run"),
        (("review-keys",), "Nothing to do"),
    ],
)
def test_wrong_input_ends_with_2_and_a_sentence(arguments, sentence, tmp_path):
    out = () if arguments[0] == "methods" else ("--out", tmp_path)
    done = invoke(*arguments, *out)
    assert done.exit_code == 2
    assert sentence in done.output
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


def test_votes_rank_methods_and_metrics(tmp_path):
    stored = with_pictures(write_run(tmp_path))
    done = invoke("votes", stored.id, "--out", tmp_path)
    assert done.exit_code == 0 and "Nobody has voted yet." in done.stdout
    for question in choose_questions(stored, "anna"):
        store_vote(stored, "anna", question, "a")
    done = invoke("votes", stored.id, "--out", tmp_path, "-o", tmp_path / "metrics.csv")
    assert done.exit_code == 0 and "PSNR" in done.stdout and "strength" in done.stdout
    assert (tmp_path / "metrics.csv").read_text().startswith("metric,title,protocol,votes,agree,")
    content = json.loads(invoke("votes", stored.id, "--out", tmp_path, "--json").stdout)
    assert content["votes"] == content["metrics"][0]["votes"] > 0


def test_links_of_reviewers_open_their_review_until_the_key_is_forgotten(tmp_path):
    stored = with_pictures(write_run(tmp_path))
    done = invoke("invite", stored.id, "anna", "bert", "--page", "https://p/", "--out", tmp_path)
    links = done.stdout.split()
    assert done.exit_code == 0 and len(links) == 2 and links[0].startswith("https://p/?tab=review&")
    query = dict(parse_qsl(links[1].partition("?")[2]))
    assert read_link(RunStore(tmp_path), query).reviewer == "bert"
    done = invoke("review-keys", "--rotate", "--forget-old", "--out", tmp_path)
    assert done.exit_code == 0 and "1 old keys are forgotten" in done.stdout
    with pytest.raises(InvalidRequest):
        read_link(RunStore(tmp_path), query)


def test_deleting_a_run_frees_its_pictures_and_refuses_one_under_way(tmp_path):
    stored = write_run(tmp_path)
    cache = OutputCache(tmp_path / ".cache")
    cache.give("1" * 64, b"png", stored.output("1" * 64))
    with stored.lock():
        done = invoke("delete", stored.id, "--out", tmp_path)
        assert done.exit_code == 2 and "under way" in done.stderr
    assert stored.folder.exists()
    assert invoke("delete", stored.id, "--out", tmp_path).exit_code == 0
    assert not stored.folder.exists() and not cache.picture("1" * 64).exists()
    assert invoke("delete", stored.id, "--out", tmp_path).exit_code == 2


def test_one_is_said_in_the_singular(tmp_path):
    """A run of one pair and one method, in every place that counts them."""
    run = ("--benchmark", "mini-retouch", "--n", 1, "--methods", "identity", "--offline")
    made = invoke("run", *run, "--out", tmp_path)
    stored = RunStore(tmp_path).run(RunStore(tmp_path).headers()[0].id)
    (stored.folder / "facts.jsonl").unlink()
    described = invoke("describe", stored.id, "--offline", "--out", tmp_path)
    assert described.stdout == f"Described: 1 pair of run {stored.id}.\n"
    header = stored.header()
    board = leaderboard(stored, None)
    texts = (
        made.output,
        header.name,
        html_report(stored),
        board_table(board, header, ViewState(run=stored.id)),
        run_head(Snapshot(header, "done", 1, 1, None, None, "")),
    )
    for text in texts:
        assert not re.findall(r"\b1 (?:pairs|pictures|methods|runs|files|threads)\b", text)
    assert "1 method" in texts[0] and "1 pair" in texts[1] and "over 1 picture " in texts[3]


@pytest.mark.parametrize("place", ["~nobody-of-this-name/results", "x" * 5000])
@pytest.mark.parametrize("kind", ["folder", "results", "onnx", "own", "weights", "training"])
def test_a_place_that_cannot_be_is_named_in_words(kind, place, tmp_path):
    pytest.importorskip("onnxruntime")
    more: dict[str, tuple[str, ...]] = {
        "folder": ("lol", "--methods", "identity", "--folder", place),
        "results": ("mini-retouch", "--methods", f"theirs=folder:{place}"),
        "onnx": ("mini-retouch", "--methods", f"theirs=onnx:{place}"),
        "weights": ("mini-retouch", "--methods", f"theirs=weights:{place}"),
        "training": ("mini-retouch", "--methods", f"theirs=training:{place}"),
        "own": (place, "--methods", "identity", "--task", "denoise"),
    }
    done = invoke("run", "--benchmark", *more[kind], "--offline", "--out", tmp_path)
    assert done.exit_code == 2 and place[:20] in done.stderr
    assert done.stderr.endswith(".\n") and "Traceback" not in done.stderr
