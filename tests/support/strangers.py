"""The app as strangers reach it: a page of theirs, and calls that its own script would not make."""

import hashlib
import json
import uuid
from pathlib import Path

import requests

import app
from eval.app.run_queue import RunQueue
from eval.runs.store import RunStore
from mirnet.app.auth import Access
from mirnet.app.examples import EXAMPLES_FOLDER
from tests.support.runs_factory import method

RUN = "20260101-120000-abcdef"
GONE = "20260102-120000-abcdef"
DELETED = "20260103-120000-abcdef"
LOGIN = ("anna", "correct horse battery")
PHOTO = EXAMPLES_FOLDER / "lowlight" / "window.jpg"
METHODS = tuple(method(name) for name in ("identity", "clahe"))


def launched(folder: Path, everyone: str, keep_hours: float = 2.0, **options):
    """A page that strangers reach."""
    access = Access(everyone, LOGIN)
    service = RunQueue(RunStore(folder / "runs"), local=False)
    page = app.build(1_000_000, service, keep_hours, access)
    page.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        **options,
        **app.launch_options(access, alone=False),
    )
    return page, service


def events(page) -> dict[str, list[int]]:
    """Numbers of the page's events by the names of their functions."""
    found: dict[str, list[int]] = {}
    for number, event in page.fns.items():
        if event.fn is not None:
            found.setdefault(event.fn.__qualname__, []).append(number)
    return found


def call(place, number: int, data: list, cookies=None, seconds: float = 60) -> dict:
    """Call any event by its number, as the page's own script does, private or not."""
    session = uuid.uuid4().hex
    body = {"data": data, "fn_index": number, "session_hash": session, "trigger_id": None}
    joined = requests.post(
        f"{place.url}gradio_api/queue/join", json=body, cookies=cookies, timeout=60
    )
    if joined.status_code != 200:
        return {"refused": joined.status_code, "output": joined.json()}
    with requests.get(
        f"{place.url}gradio_api/queue/data",
        {"session_hash": session},
        stream=True,
        cookies=cookies,
        timeout=seconds,
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith(b"data:"):
                message = json.loads(line[5:])
                if message["msg"] in ("process_completed", "unexpected_error", "close_stream"):
                    return message
    raise AssertionError("no answer")


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of what is in it; locks and indexes are derived."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
