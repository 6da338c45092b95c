"""Signed links of reviewers: only whoever holds a store's key can make one.

A link carries run, reviewer and an HMAC-SHA256 (RFC 2104) of both. Without the key nobody can guess
the link of a reviewer, or turn an own link into one of somebody else. The keys lie beside the runs:

    .review-keys.json   {"keys": [{"id": ..., "secret": ...}, ...]}, the newest first

`rotate_key` adds a key that signs from then on; links of older keys keep working until
`forget_old_keys`. Copying the folder of a run copies no key.
"""

import base64
import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from mirnet.files import PathLock, replacing

from .reviewers import MAX_NAME_READ, clean_reviewer

KEYS_FILE = ".review-keys.json"
"""Name of the file of keys in the folder of runs."""
SECRET_BYTES = 32
"""Length of a new key in bytes."""
SIGNATURE_BYTES = 16
"""Length of a link's signature in bytes, cut from 32."""
MAX_KEYS = 50
"""Most keys that are kept."""
LOCK_SECONDS = 10.0
"""Longest wait in seconds for another process that writes the keys."""


@dataclass(frozen=True)
class Invitation:
    """Right that a link gives: to vote on one run, under one name."""

    run: str
    """Id of the run."""
    reviewer: str
    """Cleaned name of the reviewer."""
    with_unchanged: bool = False
    """Whether questions include the unchanged input; see `questions.choose_questions`."""


class _Key(BaseModel):
    """One key of a store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    """Name of the key, which a link carries."""
    secret: str = Field(pattern=r"^[0-9a-f]{32,128}$")
    """The key itself, in hexadecimal."""


class _KeyFile(BaseModel):
    """Content of `KEYS_FILE`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[_Key, ...] = Field(max_length=MAX_KEYS)


def make_link(store: RunStore, invitation: Invitation) -> str:
    """Query string of a reviewer's link; the first one makes the store's key.

    Raises:
        InvalidRequest: The name has no letter and no digit, or the keys cannot be read or written.
    """
    name = clean_reviewer(invitation.reviewer)
    signed = Invitation(invitation.run, name, invitation.with_unchanged)
    key = _current_key(store)
    query = {"tab": "review", "run": signed.run, "reviewer": name}
    if signed.with_unchanged:
        query["unchanged"] = "1"
    return "?" + urlencode(query | {"key": f"{key.id}.{_signature(key, signed)}"})


def read_link(store: RunStore, query: Mapping[str, str]) -> Invitation:
    """Check a reviewer's link.

    Args:
        query: Fields of the link: `run`, `reviewer`, `key`, and `unchanged` or not.

    Raises:
        InvalidRequest: The link was not made here, was changed, or its key was forgotten.
    """
    wrong = InvalidRequest(
        "This link was not made here, or is not complete: ask whoever sent it for a new one."
    )
    name = query.get("reviewer", "")
    if len(name) > MAX_NAME_READ:
        raise wrong
    try:
        cleaned = clean_reviewer(name)
    except InvalidRequest as error:
        raise wrong from error
    found = Invitation(query.get("run", ""), cleaned, query.get("unchanged") == "1")
    key_id, _, signature = query.get("key", "").partition(".")
    for key in _read_keys(store):
        if key.id == key_id:
            expected = _signature(key, found)
            if hmac.compare_digest(signature.encode(), expected.encode()):
                return found
    raise wrong


def rotate_key(store: RunStore) -> None:
    """Sign new links with a new key; links that were made before keep working.

    Raises:
        InvalidRequest: The keys cannot be read or written, or there are too many.
    """
    with _locked(store):
        keys = _read_keys(store)
        if len(keys) >= MAX_KEYS:
            raise InvalidRequest(
                f"There are {MAX_KEYS} keys, the most that are kept: forget the old ones first."
            )
        _write_keys(store, (_new_key(), *keys))


def forget_old_keys(store: RunStore) -> int:
    """Keep the newest key only: links of older keys stop working, votes stay.

    Returns:
        The number of forgotten keys.

    Raises:
        InvalidRequest: The keys cannot be read or written.
    """
    with _locked(store):
        keys = _read_keys(store)
        _write_keys(store, keys[:1])
        return max(len(keys) - 1, 0)


def _signature(key: _Key, invitation: Invitation) -> str:
    """Signature of an invitation; upper and lower case of the name make no difference."""
    parts = [invitation.run, invitation.reviewer.casefold(), invitation.with_unchanged]
    digest = hmac.digest(bytes.fromhex(key.secret), json.dumps(parts).encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).decode().rstrip("=")


def _new_key() -> _Key:
    return _Key(id=secrets.token_hex(4), secret=secrets.token_hex(SECRET_BYTES))


def _current_key(store: RunStore) -> _Key:
    """The key that signs new links; made if the store has none."""
    if keys := _read_keys(store):
        return keys[0]
    with _locked(store):
        keys = _read_keys(store) or (_new_key(),)
        _write_keys(store, keys)
    return keys[0]


def _read_keys(store: RunStore) -> tuple[_Key, ...]:
    path = store.folder / KEYS_FILE
    try:
        return _KeyFile.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        raise InvalidRequest(
            f"{KEYS_FILE} in the folder of runs cannot be read: remove it, and make new links."
        ) from error


def _write_keys(store: RunStore, keys: tuple[_Key, ...]) -> None:
    """Replace the file of keys; nobody but the program's user can read it."""
    path: Path = store.folder / KEYS_FILE
    content = _KeyFile(keys=keys).model_dump_json(indent=2).encode()
    try:
        with replacing(path) as temporary:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
    except OSError as error:
        raise _not_written(error) from error


@contextlib.contextmanager
def _locked(store: RunStore) -> Iterator[None]:
    """Hold the lock of the file of keys, so that two processes do not both make one."""
    with PathLock(store.folder / f"{KEYS_FILE}.lock") as lock:
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            acquired = lock.acquired(LOCK_SECONDS)
        except OSError as error:
            raise _not_written(error) from error
        if not acquired:
            raise InvalidRequest("Another process is writing the keys of links: try again.")
        yield


def _not_written(error: OSError) -> InvalidRequest:
    return InvalidRequest(
        f"The key of links cannot be stored beside the runs ({error.strerror or error}): links are "
        "made where the folder of runs may be written to."
    )
