"""Files of the Hub's community evaluations: only of runs that came out the same again."""

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from typer.testing import CliRunner

from eval.analysis.leaderboards import leaderboard
from eval.cli.main import app
from eval.reports.eval_results import eval_results
from eval.runs.verify import Finding
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, sha, write_run

SAME = [Finding("p0000", "ours", "restored again", "same", "every pixel")]
PATH = "ours/.eval_results/lol.yaml"


def test_every_score_of_weights_becomes_an_entry(tmp_path):
    stored = write_run(tmp_path, benchmark__folder=None)
    files = eval_results(stored, SAME)
    assert set(files) == {"eval.yaml", "table.md", PATH, PATH.replace("ours", "official")}
    entries = parse_eval_result_entries(yaml.safe_load(files[PATH]))
    found = {entry.task_id: entry for entry in entries}
    tasks = {"rgb-1-psnr", "rgb-1-ssim", "gt-mean-1-psnr", "gt-mean-1-ssim"}
    assert set(found) == tasks
    board = leaderboard(stored, "identity", "rgb/1").set_index("method")
    entry = found["rgb-1-psnr"]
    assert entry.value == pytest.approx(board.psnr_db["ours"], abs=1e-4)
    assert entry.dataset_id == "geekyrakshit/LoL-Dataset"
    assert entry.dataset_revision == "a" * 40
    for fact in ("protocol rgb/1", sha("weights of ours"), sha("data"), stored.id, "1 recomputed"):
        assert fact in entry.notes
    benchmark = yaml.safe_load(files["eval.yaml"])
    assert {task["id"] for task in benchmark["tasks"]} == tasks
    assert {"name", "description", "evaluation_framework"} < set(benchmark)
    assert f"| Method ours | {board.psnr_db['ours']:.2f} |" in files["table.md"]


@pytest.mark.parametrize(
    "findings, header, words",
    [
        ([], {}, "nothing was checked"),
        ([*SAME, Finding("p1", "ours", "score (rgb/1)", "differs", "30 / 31")], {}, "p1: differs"),
        ([Finding("p", "ours", "x", "cannot be checked", "no Hub")], {}, "cannot be checked"),
        (SAME, {"benchmark__n": 4}, "has 4 of 8 pairs"),
        (SAME, {"status": "stopped"}, "is stopped"),
        (SAME, {"benchmark__folder": "/data/lol"}, "was not read from the Hub"),
        (SAME, {"benchmark__id": "sidd"}, "was not read from the Hub"),
        (SAME, {"methods": (method("identity"),)}, "no complete scores of a method with weights"),
    ],
)
def test_what_is_not_published(findings, header, words, tmp_path):
    with pytest.raises(InvalidRequest, match=words):
        eval_results(write_run(tmp_path, **header), findings)


def test_the_command_recomputes_first(tmp_path):
    stored = write_run(tmp_path / "runs")  # its pictures are not there: nothing can be reproduced
    arguments = ["hub-results", stored.id, "-o", str(tmp_path / "out"), "--offline"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "runs")])
    assert done.exit_code == 2, done.output
    assert not (tmp_path / "out").exists()


def test_names_that_become_one_part_of_a_path_keep_files_of_their_own(tmp_path):
    names = ("../a/b", "..:a:b")
    methods = tuple(method(name, kind="weights", weights_sha256=sha(name)) for name in names)
    files = eval_results(write_run(tmp_path, methods=methods), SAME)
    assert {name for name in files if name.endswith("lol.yaml")} == {
        "-a-b/.eval_results/lol.yaml",
        "-a-b-2/.eval_results/lol.yaml",
    }
    for name in names:
        assert sum(sha(name) in text for path, text in files.items() if "lol" in path) == 1
