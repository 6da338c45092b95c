"""An app that is started anew without its disk has its runs, votes and links again."""

import signal
import time

import requests
from gradio_client import Client

from eval.review.questions import Question
from eval.review.votes import all_votes, store_vote
from eval.runs.results_repo import ResultsRepo
from eval.runs.store import RunStore
from tests.support.running import app_process
from tests.support.runs_factory import write_run

REPO = "us/results"


def finding(url: str) -> dict:
    found = requests.get(f"{url}healthz", timeout=60).json()["findings"]
    return next(one for one in found if one["what"] == "results")


def until(reached, seconds: float = 120.0) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends
        time.sleep(0.2)


def test_runs_votes_and_links_outlive_a_lost_disk(hub, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    stored = write_run(first / "runs", pairs=2)
    asked = Question(stored.pairs()[0], "identity", "ours", *["0" * 64] * 2, None, None)
    store_vote(stored, "Anna", asked, "a")
    ResultsRepo(RunStore(first / "runs"), REPO).exchange()  # as the app does until it is killed
    environment = {"HF_ENDPOINT": hub.url, "MIRNET_RESULTS_REPO": REPO}
    with app_process(environment | {"MIRNET_STATE_DIR": str(second)}) as app:
        until(lambda: "1 run" in finding(app.url)["words"])
        there = RunStore(second / "runs").run(stored.id)
        assert there.rows() == stored.rows() and all_votes(there) == all_votes(stored)
        client = Client(app.url, verbose=False)
        answer = client.predict(run=stored.id, api_name="/evaluate_status")
        assert answer["state"] == "done"
        store_vote(there, "Ben", asked, "b")  # a moment before the Space is stopped
        app.process.send_signal(signal.SIGTERM)
        app.process.wait(60)
    assert sum("/votes/" in name for name in hub.files_of(REPO)) == 2
