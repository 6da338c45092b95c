"""Downloads one file: HTTP, Google Drive through gdown, or the Hugging Face Hub.

Each function writes into the caller's folder and reports through a `Transfer`, which can also stop
it. `mirnet.weights.fetch` checks and stores the file. Every error is one sentence that ends with a
way out.
"""

import contextlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from mirnet.download import Answer, BrokenOff, receive
from mirnet.errors import WeightsUnavailable
from mirnet.hub import hub_endpoint, hub_name, repository_problem

from .catalogue import WeightsEntry
from .download_state import Arrived, Stopped, Transfer, megabytes

CONNECT_SECONDS = 5.0
"""Timeout for a server to accept a connection."""
READ_SECONDS = 15.0
"""Timeout for the next bytes in the middle of a file."""
HUB_SECONDS = 3.0
"""Timeout for the Hub's answer whether a file exists; its own client tries for 24 s."""
CONTACT_SECONDS = {"hub": 4.0, "drive": 20.0, "http": 12.0}
"""Seconds to wait for the first answer, name look-up and redirects included, by kind of server."""
DRIVE_RETRIES = 3
"""Number of times a broken connection to Google Drive is resumed."""


def download(entry: WeightsEntry, transfer: Transfer) -> Arrived:
    """Download the file of one catalogue entry into `transfer.folder`.

    Args:
        transfer: Receives progress and can stop the download.

    Raises:
        WeightsUnavailable: The download failed; the message gives the reason and a way out.
        Stopped: The caller has asked to stop.
    """
    try:
        if entry.repo:
            arrived = _download_from_hub(entry, transfer)
        elif entry.drive_id:
            arrived = _download_from_drive(entry, transfer)
        else:
            arrived = _download_from_url(entry, transfer)
    except Stopped:
        raise
    except Exception:
        transfer.check()  # a connection closed by `stop` fails in many ways
        raise
    with arrived.path.open("rb") as file:
        head = file.read(256).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _web_page(entry)
    return arrived


def contact_seconds(entry: WeightsEntry) -> float:
    """Seconds to wait for the first answer of the entry's server."""
    return CONTACT_SECONDS["hub" if entry.repo else "drive" if entry.drive_id else "http"]


def unreachable(entry: WeightsEntry) -> WeightsUnavailable:
    """Make the error for a server that does not answer."""
    return WeightsUnavailable(f"{server_name(entry)} cannot be reached: {_way_out(entry)}")


def server_name(entry: WeightsEntry) -> str:
    """Name of the entry's server in messages."""
    if entry.repo:
        return hub_name()
    return "Google Drive" if entry.drive_id else urlsplit(entry.url or "").netloc


def by_hand(entry: WeightsEntry) -> str:
    """Instructions for downloading the file with a browser and importing it."""
    page = f" from {entry.page_url}" if entry.page_url else ""
    name = entry.filename or "FILE"
    return (
        f"download it in a browser{page} and run "
        f"`python -m mirnet weights import {name} --as {entry.id}`"
    )


def _way_out(entry: WeightsEntry) -> str:
    if entry.kind == "official":
        return f"check the connection and try again, or {by_hand(entry)}."
    return "check the connection and try again, or choose weights that are already here."


def _web_page(entry: WeightsEntry) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"{server_name(entry)} sent a web page in place of the file of {entry.id!r}: "
        f"{by_hand(entry)}."
    )


def _clean_name(name: str | None, otherwise: str) -> str:
    """Last part of a path or address as a safe file name; `otherwise` if nothing is left."""
    return re.sub(r"[^\w.-]+", "_", (name or "").rsplit("/", 1)[-1]).lstrip(".") or otherwise


def _download_from_url(entry: WeightsEntry, transfer: Transfer) -> Arrived:
    url = str(entry.url)
    path = transfer.folder / _clean_name(entry.filename or urlsplit(url).path, "weights.bin")
    _stream(entry, url, {}, path, transfer)
    return Arrived(path, url, None)


def _stream(
    entry: WeightsEntry, url: str, headers: dict[str, str], path: Path, transfer: Transfer
) -> None:
    """Download over HTTP, going on where a connection broke if the server supports it."""

    def check(answer: Answer) -> None:
        transfer.contacted.set()
        transfer.check()
        response = answer.response
        _refuse_status(entry, response.status_code)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise _web_page(entry)
        transfer.done_bytes = answer.position
        transfer.expect(answer.total_bytes)
        transfer.interrupt = getattr(response.raw, "shutdown", lambda: None)

    def pause(seconds: float) -> None:
        transfer.cancel.wait(seconds)
        transfer.check()

    transfer.begin()
    chunks = receive(
        url,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        headers=headers,
        changeable=True,
        check=check,
        pause=pause,
    )
    try:
        with path.open("wb") as file, contextlib.closing(chunks):
            for position, content in chunks:
                transfer.advance(len(content))
                if position != file.tell():
                    file.seek(position)
                    file.truncate()
                file.write(content)
    except BrokenOff as error:
        transfer.check()
        if not transfer.contacted.is_set():
            raise unreachable(entry) from error
        raise WeightsUnavailable(
            f"The download of {entry.id!r} stopped after {megabytes(error.position)} because "
            f"{error.reason}: {_way_out(entry)}"
        ) from error


def _refuse_status(entry: WeightsEntry, status: int) -> None:
    if status < 400 or status == 416:  # 416: nothing left to resume, so start anew
        return
    name = server_name(entry)
    if status in (404, 410):
        text = f"{name} no longer has the file of {entry.id!r} ({status})"
    elif status in (401, 403):
        text = f"{name} refuses to hand out the file of {entry.id!r} ({status})"
    else:
        text = f"{name} answered with error {status} when asked for {entry.id!r}"
    raise WeightsUnavailable(f"{text}: {_way_out(entry)}")


def _download_from_drive(entry: WeightsEntry, transfer: Transfer) -> Arrived:
    import gdown
    from gdown.exceptions import DownloadCancelled, FileURLRetrievalError

    path = transfer.folder / _clean_name(entry.filename, "weights.pth")

    def on_chunk(done: int, total: int | None) -> None:
        transfer.contacted.set()
        if total != transfer.total_bytes:
            transfer.expect(total)
        transfer.done_bytes = 0
        transfer.advance(done)

    transfer.begin()
    try:
        gdown.download(
            id=entry.drive_id,
            output=str(path),
            quiet=True,
            use_cookies=False,
            progress=on_chunk,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            retries=DRIVE_RETRIES,
            cancel=transfer.cancel,
        )
    except (Stopped, WeightsUnavailable):
        raise
    except DownloadCancelled as error:
        raise Stopped from error
    except FileURLRetrievalError as error:
        raise WeightsUnavailable(
            f"Google Drive did not hand over the file of {entry.id!r}, because too many people "
            f"downloaded it lately or it is no longer shared: {by_hand(entry)}."
        ) from error
    except Exception as error:
        # gdown parses web pages that change without notice, so any exception is possible.
        if not transfer.contacted.is_set():
            raise unreachable(entry) from error
        raise WeightsUnavailable(
            f"The download of {entry.id!r} from Google Drive broke off after "
            f"{megabytes(transfer.done_bytes)}: {by_hand(entry)}."
        ) from error
    return Arrived(path, f"Google Drive {entry.drive_id}", None)


def _download_from_hub(entry: WeightsEntry, transfer: Transfer) -> Arrived:
    """Find the file's address with the Hub's own client, then stream it.

    Its download function would try a dead server for 24 s and cannot be stopped, which is why only
    its look-up, its errors and its credentials are used.
    """
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    repo, filename = str(entry.repo), str(entry.filename)
    endpoint = hub_endpoint()
    transfer.begin()
    try:
        url = hf_hub_url(repo, filename, revision=entry.revision, endpoint=endpoint)
        found = get_hf_file_metadata(url, timeout=HUB_SECONDS, endpoint=endpoint)
    except errors.OfflineModeIsEnabled as error:
        raise WeightsUnavailable(
            f"HF_HUB_OFFLINE is set, so {entry.id!r} cannot be downloaded: unset it and try again."
        ) from error
    except errors.EntryNotFoundError as error:
        raise WeightsUnavailable(
            f"{repo} has no file {filename} at revision {entry.revision!r}: it was not saved by "
            "`save_pretrained` of MIRNet or MIRNet-v2."
        ) from error
    except Exception as error:
        # Releases of the client use different HTTP libraries, whose errors differ.
        if problem := repository_problem(error, repo, "model", entry.revision):
            raise WeightsUnavailable(problem) from error
        if isinstance(error, errors.HfHubHTTPError):
            _refuse_status(entry, error.response.status_code)
        raise unreachable(entry) from error
    transfer.contacted.set()
    if found.size is not None:
        transfer.expect(found.size)
    exact = hf_hub_url(
        repo, filename, revision=found.commit_hash or entry.revision, endpoint=endpoint
    )
    path = transfer.folder / _clean_name(filename, "model.safetensors")
    _stream(entry, exact, build_hf_headers(), path, transfer)
    # Large files carry their SHA-256 as ETag, small ones a git hash.
    promised = found.etag if re.fullmatch(r"[0-9a-f]{64}", found.etag or "") else None
    return Arrived(path, exact, promised)
