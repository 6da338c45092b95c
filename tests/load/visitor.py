"""One visitor of the page over plain HTTP, as the browser does it: upload, queue, listen, fetch.

Gradio's own client hides statuses and places in the queue, which are what is looked at here.
"""

import asyncio
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Job:
    """Result of one request to the queue."""

    what: str
    """Kind of the request, such as "small" or "read"."""
    visitor: str
    """Name of the visitor."""
    number: int = -1
    """Watermark of the photo sent."""
    asked: float = 0.0
    """`time.monotonic` when it was sent."""
    began: float | None = None
    """`time.monotonic` when the first tile was done."""
    ended: float | None = None
    """`time.monotonic` when the result was there."""
    places: list[str] = field(default_factory=list)
    """Queue messages shown to the visitor, without repetitions."""
    error: str = ""
    """Error message shown to the visitor; "" for none."""
    data: Any = None
    """Last output of the event."""
    file: bytes = b""
    """Content of the result's file."""

    @property
    def seconds(self) -> float:
        """Seconds from the request to the result."""
        return (self.ended or time.monotonic()) - self.asked


class Refused(Exception):
    """An upload was refused; the message has the status and the answer."""


class Page:
    """Configuration of the page: the number of each named event, and the defaults of its inputs."""

    def __init__(self, url: str) -> None:
        self.url = url
        config = httpx.get(f"{url}config", timeout=120).json()
        self.events = {
            entry["api_name"]: entry["id"]
            for entry in config["dependencies"]
            if entry.get("api_name")
        }
        told = httpx.get(f"{url}gradio_api/info", timeout=120).json()["named_endpoints"]
        self.defaults = {
            name.lstrip("/"): [given.get("parameter_default") for given in entry["parameters"]]
            for name, entry in told.items()
        }
        self.inputs = {entry["id"]: entry["inputs"] for entry in config["dependencies"]}


def connections(patience_seconds: float = 900) -> httpx.AsyncClient:
    """Open an HTTP client for any number of visitors.

    The app closes a connection after 5 idle seconds. A browser that meets one at that moment sends
    its request again; here none is used again after 2, so that what breaks is the app's.

    Args:
        patience_seconds: Timeout of an answer.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200, keepalive_expiry=2)
    return httpx.AsyncClient(timeout=httpx.Timeout(patience_seconds), limits=limits)


class Visitor:
    """A browser's session.

    Args:
        page: Page to visit.
        client: Shared connections.
        statuses: Counts every HTTP status seen.
        name: Name in the table; a new session's id by default.
    """

    def __init__(
        self, page: Page, client: httpx.AsyncClient, statuses: dict[int, int], name: str = ""
    ) -> None:
        self.page, self._client, self._statuses = page, client, statuses
        self.session = uuid.uuid4().hex[:12]
        self.name = name or self.session
        self._jobs: dict[str, Job] = {}
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._stream: asyncio.Task | None = None

    async def get(self, path: str) -> bytes:
        """Fetch a path of the app."""
        return self._seen(await self._client.get(f"{self.page.url}{path}")).content

    async def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Send a file and return how events name it."""
        answer = await self._client.post(
            f"{self.page.url}gradio_api/upload", files={"files": (name, content)}
        )
        if self._seen(answer).status_code != 200:
            raise Refused(f"{answer.status_code} {answer.text[:200]}")
        path = answer.json()[0]
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    async def ask(self, event: str, data: list[Any], job: Job) -> Job:
        """Send an event to the queue and listen until it ends.

        Args:
            event: Name of the event in the API.
            data: Inputs; those that are left out at the end get their defaults.
            job: Job that receives the result.
        """
        job.asked = time.monotonic()
        data = [*data, *self.page.defaults.get(event, [])[len(data) :]]
        answer = await self._client.post(
            f"{self.page.url}gradio_api/queue/join",
            json={
                "data": data,
                "fn_index": self.page.events[event],
                "session_hash": self.session,
                "trigger_id": None,
                "event_data": None,
            },
        )
        self._seen(answer)
        if answer.status_code != 200:
            job.error = f"{answer.status_code} {answer.text[:200]}"
            return job
        event_id = answer.json()["event_id"]
        self._ended[event_id] = asyncio.Event()
        self._jobs[event_id] = job
        for message in self._early.pop(event_id, []):
            self._dispatch(message)
        if self._stream is None:
            self._stream = asyncio.create_task(self._listen())
        await self._ended[event_id].wait()
        return job

    async def _listen(self) -> None:
        """Listen to one stream for all jobs of this session, until none is left."""
        try:
            while self._jobs:
                stream = self._client.stream(
                    "GET",
                    f"{self.page.url}gradio_api/queue/data",
                    params={"session_hash": self.session},
                )
                heard = False
                async with stream as lines:
                    self._seen(lines)
                    async for line in lines.aiter_lines():
                        if line.startswith("data:"):
                            message = json.loads(line[5:])
                            heard |= bool(message.get("event_id"))
                            self._dispatch(message)
                if not heard:
                    break
        except httpx.HTTPError as error:
            self._lose(f"{type(error).__name__}: {error}")
        self._lose("the stream ended before the job did")
        self._stream = None

    def _lose(self, words: str) -> None:
        for event_id, job in self._jobs.items():
            job.error = job.error or words
            self._ended[event_id].set()
        self._jobs.clear()

    def _dispatch(self, message: dict[str, Any]) -> None:
        event_id = message.get("event_id")
        if event_id is None:
            return
        if event_id not in self._ended:  # it was faster than the answer that names it
            self._early.setdefault(event_id, []).append(message)
        elif event_id in self._jobs and self._take(message, self._jobs[event_id]):
            del self._jobs[event_id]
            self._ended[event_id].set()

    def _take(self, message: dict[str, Any], job: Job) -> bool:
        """Process one message; returns True for the last one."""
        kind = message["msg"]
        if kind == "estimation":
            self._note_words(job, f"place {message['rank'] + 1} of {message['queue_size']}")
        elif kind == "progress":
            for unit in message["progress_data"]:
                self._note_words(job, unit.get("desc") or "")
        elif kind == "process_generating":
            found = re.search(r"\d+ photos? (?:is|are) before yours", json.dumps(message))
            if found:
                self._note_words(job, found[0])
            elif job.began is None:
                job.began = time.monotonic()
            self._files(message, job)
        elif kind == "process_completed":
            job.ended = time.monotonic()
            self._files(message, job)
            output = message["output"]
            if not message["success"]:
                job.error = str(output.get("error") or "no words")
            return True
        elif kind == "unexpected_error":
            job.error = str(message.get("message"))
            return True
        return False

    def _note_words(self, job: Job, words: str) -> None:
        if words and words not in job.places:
            job.places.append(words)

    def _files(self, message: dict[str, Any], job: Job) -> None:
        output = message.get("output") or {}
        if output.get("data"):
            job.data = output["data"]
        found = re.findall(r'"path": "([^"]+-denoise\.png)"', json.dumps(output))
        if found:
            job.file = found[-1].encode()

    async def restore(self, name: str, content: bytes, job: Job) -> Job:
        """Upload a photo, restore it and fetch the result."""
        try:
            photo = await self.upload(name, content)
        except Refused as error:
            job.error = str(error)
            return job
        await self.ask("restore", [photo, "denoise", "", 1.0, False, "PNG", 1.0, 1.0, 0.0, ""], job)
        if not job.error:
            if not job.file:
                job.error = "no file came back"
            else:
                job.file = await self.get(f"gradio_api/file={job.file.decode()}")
        return job

    def _seen(self, answer: httpx.Response) -> httpx.Response:
        self._statuses[answer.status_code] = self._statuses.get(answer.status_code, 0) + 1
        return answer
