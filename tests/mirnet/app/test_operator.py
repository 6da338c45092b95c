"""What the operator has: numbers, jobs, errors, keys for programs, limits, a journal."""

import asyncio
import doctest
import io
import json
import threading
from types import SimpleNamespace

import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from mirnet.app import api_keys, journal, operator_page, photo_limits
from mirnet.app.api_keys import parse_keys
from mirnet.app.auth import COOKIE, Access
from mirnet.app.jobs import RestoreRequest, Run, restore_when_scheduled
from mirnet.app.journal import RequestJournal
from mirnet.app.monitor import Job, Monitor
from mirnet.app.photo_limits import parse_limits
from mirnet.app.queue import FairQueue
from mirnet.app.security import Guard
from mirnet.app.settings import read_settings
from mirnet.errors import Cancelled, InvalidRequest

PASSWORD = "correct horse battery"
SECRET = "0123456789abcdef0123"
KEYS = parse_keys(f"ci:{SECRET}:admin, lab:{SECRET[::-1]}")


@pytest.fixture
def monitor(monkeypatch) -> Monitor:
    made = Monitor()
    monkeypatch.setattr("mirnet.app.jobs.MONITOR", made)
    return made


@pytest.fixture
def photo(tmp_path) -> str:
    path = tmp_path / "anna-at-the-beach.png"
    Image.new("RGB", (300, 200)).save(path)
    return str(path)


@pytest.fixture
def lines():
    stream = io.StringIO()
    journal.write_to(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    journal.log.handlers.clear()
    journal.log.setLevel("WARNING")
    journal.log.propagate = True


def numbers(monitor: Monitor) -> dict[str, float]:
    """Values by name, labels in order of their names."""
    families = text_string_to_metric_families(monitor.numbers().decode())
    return {
        " ".join(
            [sample.name, *(value for _, value in sorted(sample.labels.items()))]
        ): sample.value
        for family in families
        for sample in family.samples
    }


def web(monitor: Monitor, everyone="viewer") -> tuple[TestClient, Access]:
    access = Access(everyone, ("anna", PASSWORD), keys=KEYS)
    routes = [*access.routes(), *operator_page.operator_routes(access, monitor)]
    middleware = [
        Middleware(RequestJournal, answered=monitor.answered, failed=monitor.failed),
        Middleware(Guard, alone=False, keys=KEYS),
    ]
    application = Starlette(routes=routes, middleware=middleware)
    return TestClient(application, base_url="https://photos.test", follow_redirects=False), access


@pytest.mark.parametrize("module", [api_keys, journal, photo_limits])
def test_examples_in_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


# ---------------------------------------------------------------- jobs


def restored(photo, run, work, **limits):
    request = RestoreRequest("denoise", "denoise-compact", max_pixels=10**6)
    return restore_when_scheduled(FairQueue(), "me", photo, request, run, work, **limits)


def test_a_job_is_seen_while_it_runs_and_counted_when_it_ends(photo, monitor, lines):
    seen = []

    def work(path, request):
        seen.extend(monitor.jobs())
        assert numbers(monitor)["mirnet_jobs_running"] == 1
        yield "result"

    run = Run()
    assert list(restored(photo, run, work)) == ["result"]
    (job,) = seen
    assert (job.id, job.state, job.title) == (run.id, "running", "denoise · denoise-compact")
    assert monitor.jobs() == [] and job.megapixels == 0.06
    found = numbers(monitor)
    assert found["mirnet_photos_total done denoise denoise-compact"] == 1
    assert found["mirnet_photo_work_seconds_count denoise denoise-compact"] == 1
    assert found["mirnet_jobs_running"] == 0 and found["mirnet_disk_free_bytes"] > 0
    (line,) = lines()
    assert (line["kind"], line["id"], line["outcome"]) == ("job", run.id, "done")
    assert "anna" not in json.dumps(line) and "beach" not in json.dumps(line)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Cancelled("Stopped."), "stopped"),
        (InvalidRequest("No."), "refused"),
        (ValueError, "failed"),
    ],
)
def test_jobs_are_counted_by_their_outcome(photo, monitor, error, outcome):
    def work(path, request):
        raise error
        yield

    with pytest.raises(Exception):  # noqa: B017
        list(restored(photo, Run(), work))
    assert numbers(monitor)[f"mirnet_photos_total {outcome} denoise denoise-compact"] == 1


def test_the_operator_stops_a_job(photo, monitor):
    run, stopped = Run(), threading.Event()
    run.job = SimpleNamespace(cancel=stopped.set)

    def work(path, request):
        assert monitor.stop(run.id)
        yield "result"

    list(restored(photo, run, work))
    assert stopped.is_set() and run.entry.cancelled
    assert not monitor.stop("unknown")


def test_limits_by_task_and_weights_are_sentences(photo, monitor):
    def work(path, request):
        yield "result"

    limits = parse_limits("denoise=0.05")
    with pytest.raises(InvalidRequest, match="takes 'denoise' up to 0.05 megapixels"):
        list(restored(photo, Run(), work, limits=limits))
    with pytest.raises(InvalidRequest, match="'denoise-compact' is turned off"):
        list(restored(photo, Run(), work, limits=parse_limits("denoise-compact=0")))
    assert list(restored(photo, Run(), work, limits=parse_limits("denoise=1,sr-x4=0"))) == [
        "result"
    ]


@pytest.mark.parametrize("text", ["denoise", "denoise=x", "denoise=-1", "denoise=nan", "nothing=2"])
def test_wrong_limits_are_told(text, capsys):
    with pytest.raises(SystemExit) as ended:
        read_settings(["--limits", text])
    assert ended.value.code == 2 and "--limits" in capsys.readouterr().err


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "text", ["a", "a:short", f"a:{SECRET}:king", f"a b:{SECRET}", f"a:{SECRET},a:{SECRET}"]
)
def test_wrong_keys_are_told_without_repeating_them(text, capsys):
    with pytest.raises(SystemExit) as ended:
        read_settings(["--api-keys", text])
    printed = capsys.readouterr().err
    assert ended.value.code == 2 and "--api-keys" in printed and SECRET not in printed


def test_a_key_gives_its_role_and_is_counted_by_its_name():
    access = Access("viewer", keys=KEYS)

    def role(**headers):
        return access.role(SimpleNamespace(cookies={}, headers=headers))

    assert role(**{"x-api-key": SECRET}) == "admin"
    assert role(authorization=f"Bearer {SECRET[::-1]}") == "viewer"
    assert role(authorization="Bearer hf_somebody") == "viewer"  # of the Hub, for private Spaces
    assert (
        Access("runner", keys=KEYS).role(
            SimpleNamespace(cookies={}, headers={"x-api-key": SECRET[::-1]})
        )
        == "runner"
    )


def test_an_unknown_key_is_refused_and_guessing_is_limited(monitor):
    client, _ = web(monitor)
    assert client.get("/metrics", headers={"X-API-Key": SECRET}).status_code == 200
    answers = [client.get("/metrics", headers={"X-API-Key": "wrong"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[0].json()["request"] == answers[0].headers["x-request-id"]
    # A right guess looks like a wrong one, or guessing would have no end.
    assert client.get("/metrics", headers={"X-API-Key": SECRET}).status_code == 429
    assert client.get("/operator").status_code == 200


def test_guessing_bearer_tokens_is_limited_and_those_of_others_pass(monitor):
    """A proxy in front, or a client of the Hub, has tokens that are not for this page."""
    client, _ = web(monitor)

    def status(path: str, token: str) -> int:
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status("/metrics", SECRET) for _ in range(20)] == [200] * 20
    assert [status("/operator", "hf_of_somebody") for _ in range(30)] == [200] * 30
    assert status("/metrics", SECRET) == 200
    guesses = [status("/operator", f"guess {number}") for number in range(11)]
    assert guesses == [200] * 9 + [429] * 2
    assert status("/metrics", SECRET) == 429
    assert status("/operator", "hf_of_somebody") == 200
    assert client.get("/metrics", headers={"X-API-Key": SECRET}).status_code == 200


# ---------------------------------------------------------------- pages


def test_numbers_and_jobs_are_the_operators(monitor):
    client, access = web(monitor)
    assert client.get("/metrics").status_code == 403
    assert client.get("/operator/jobs").status_code == 303
    monitor.add_source(lambda: [Job("run-1", "evaluation", None, stopped.set, "running")])
    stopped = threading.Event()
    assert client.post("/operator/jobs", data={"stop": "run-1"}).status_code == 303
    assert not stopped.is_set()
    client.cookies.set(COOKIE, access.sign_in("anna", PASSWORD))
    found = client.get("/metrics")
    assert found.status_code == 200 and "mirnet_requests_total" in found.text
    assert 'status="403"' in found.text  # refusals are counted
    assert "run-1" in client.get("/operator/jobs").text
    foreign = {"sec-fetch-site": "cross-site"}
    client.post("/operator/jobs", data={"stop": "run-1"}, headers=foreign)
    assert not stopped.is_set()
    client.post("/operator/jobs", data={"stop": "run-1"})
    assert stopped.is_set()


def test_errors_are_shown_without_names_of_files_and_escaped(monitor):
    client, access = web(monitor)
    client.cookies.set(COOKIE, access.sign_in("anna", PASSWORD))
    try:
        raise OSError(28, "No space <b>left</b>", "/tmp/anna/beach.jpg")
    except OSError as error:
        number = monitor.failed(error, "job-1")
    shown = client.get("/operator/jobs").text
    assert number in shown and "job-1" in shown and "OSError" in shown
    assert "beach" not in shown and "&lt;b&gt;left" in shown
    assert numbers(monitor)["mirnet_errors_total"] == 1
    for _ in range(100):
        monitor.failed(ValueError("x"))
    assert len(monitor.errors()) == 50


@pytest.mark.parametrize("job", ["", "12ab34cd"])
def test_who_meets_a_fault_is_told_the_ids_of_the_journal(monitor, lines, monkeypatch, job):
    import gradio as gr

    from mirnet.app.kit.widgets import translate_errors

    monkeypatch.setattr("mirnet.app.monitor.MONITOR", monitor)
    with pytest.raises(gr.Error) as told, translate_errors(job):
        raise KeyError("beach.jpg")
    (line,) = lines()
    assert line["kind"] == "error" and line["job"] == job
    assert f"error {line['id']}" in str(told.value) and "beach" not in str(told.value)
    assert (f"job {job}" in str(told.value)) == bool(job)
    with pytest.raises(gr.Error, match="^'No.'$"), translate_errors(), translate_errors():
        raise InvalidRequest("No.")
    assert len(monitor.errors()) == 1


# ---------------------------------------------------------------- the journal


def test_a_request_has_an_id_that_the_visitor_sees_and_no_name_of_a_file(monitor, lines):
    client, _ = web(monitor)
    answer = client.get("/gradio_api/file=/tmp/anna/beach.jpg?token=hf_abcdefghijklmnop")
    assert answer.status_code == 404
    (line,) = lines()
    assert line["id"] == answer.headers["x-request-id"]
    assert (line["route"], line["status"], line["method"]) == ("/gradio_api/file", 404, "GET")
    assert "beach" not in json.dumps(line) and "hf_" not in json.dumps(line)


def test_who_leaves_before_the_answer_is_no_fault(monitor, lines):
    async def left(scope, receive, send):
        return

    async def run() -> None:
        within = RequestJournal(left, monitor.answered, monitor.failed)
        await within({"type": "http", "method": "POST", "path": "/gradio_api/upload"}, None, None)

    asyncio.run(run())
    assert lines()[0]["status"] == 499
    assert numbers(monitor)["mirnet_requests_total POST /gradio_api/upload 499"] == 1


def test_an_unexpected_error_is_written_with_the_id_of_its_request(monitor, lines):
    async def broken(scope, receive, send):
        raise RuntimeError("cannot read '/home/anna/beach.jpg' with hf_abcdefghijkl")

    app = RequestJournal(broken, monitor.answered, monitor.failed)
    with pytest.raises(RuntimeError):
        TestClient(app).get("/")
    error, request = lines()
    assert error["job"] == request["id"] and request["status"] == 500
    assert error["text"] == "cannot read … with …"
