"""Tags and notes on the pictures of a run, and saved selections of pictures.

    ID/notes.jsonl        one line for each change of a picture's tags and note (`PictureNote`)
    ID/selections.jsonl   one line for each change of a selection (`Selection`)

Lines are appended and synced to the disk; the latest one on a picture or a selection counts, so
that files of several machines are merged by their lines. A new line is later than those that it
replaces, even where the clock of another machine was ahead. A full file is reduced to the lines
that count. Texts come from outside: they are one line without unprintable characters, and every
place that shows them escapes them. Damaged lines are left out.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from eval.data.pair_facts import one_line
from mirnet.errors import InvalidRequest
from mirnet.files import PathLock, append_line, write_file

from .store import NotWritten, RecordedRun, StoredRun
from .timestamps import latest_time, time_after

NOTES, SELECTIONS = "notes.jsonl", "selections.jsonl"
"""Files of a run."""
MAX_TAG, MAX_NOTE, MAX_NAME = 40, 1000, 60
"""Longest tag, note and name of a selection, in characters."""
MAX_TAGS = 12
"""Most tags of a picture."""
MAX_TAGS_OF_RUN = 100
"""Most different tags of a run."""
MAX_SELECTIONS = 50
"""Most selections of a run."""
MAX_SELECTED = 1000
"""Most pictures of a selection."""
MAX_FILE_BYTES = 4_000_000
"""Largest size of each file in bytes; larger ones are neither read nor written."""
LOCK_SECONDS = 10.0
"""Longest wait in seconds for another change of the same run."""


def clean_text(text: object, most: int) -> str:
    r"""Reduce a text to one line of printable characters with a largest length.

    >>> clean_text(" too\n\tsoft\u202e ", 40), clean_text("abcdef", 3)
    ('too soft', 'abc')
    """
    return one_line(str(text)[: 4 * most])[:most].strip()


def _tags(value: object) -> tuple[str, ...]:
    """Clean tags, each once; empty ones and those beyond `MAX_TAGS` are left out."""
    if not isinstance(value, list | tuple):
        raise ValueError("tags are a list")
    cleaned = (clean_text(tag, MAX_TAG) for tag in value[: 4 * MAX_TAGS])
    return tuple(dict.fromkeys(tag for tag in cleaned if tag))[:MAX_TAGS]


def _pairs(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_SELECTED:
        raise ValueError(f"a selection has at most {MAX_SELECTED} pictures")
    return tuple(dict.fromkeys(str(pair)[:200] for pair in value))


class PictureNote(BaseModel):
    """Tags and note of one pair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pair: str = Field(max_length=200)
    """Id of the pair."""
    tags: Annotated[tuple[str, ...], BeforeValidator(_tags)] = ()
    """Tags, in the order in which they were given."""
    note: Annotated[str, BeforeValidator(lambda text: clean_text(text, MAX_NOTE))] = ""
    """Free text; "" for none."""
    time: AwareDatetime
    """Time of the change, UTC."""


class Selection(BaseModel):
    """A named set of pairs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, BeforeValidator(lambda text: clean_text(text, MAX_NAME))] = Field(
        min_length=1
    )
    """Name of the selection."""
    pairs: Annotated[tuple[str, ...], BeforeValidator(_pairs)] = ()
    """Ids of the pairs; () means that the selection was deleted."""
    time: AwareDatetime
    """Time of the change, UTC."""


_Line = TypeVar("_Line", PictureNote, Selection)


def notes_of(stored: StoredRun) -> dict[str, PictureNote]:
    """Read the tags and notes of a run by pair; pairs without either are left out."""
    return _notes(_lines(stored.folder / NOTES, PictureNote))


def _notes(lines: Iterable[PictureNote]) -> dict[str, PictureNote]:
    """Notes by pair, out of lines from the oldest to the latest."""
    found = {line.pair: line for line in lines}
    return {pair: line for pair, line in found.items() if line.tags or line.note}


def selections_of(stored: StoredRun) -> dict[str, tuple[str, ...]]:
    """Read the pairs of every selection of a run, by its name in the order of names."""
    return _selections(_lines(stored.folder / SELECTIONS, Selection))


def _selections(lines: Iterable[Selection]) -> dict[str, tuple[str, ...]]:
    """Pairs by selection, out of lines from the oldest to the latest."""
    found = {line.name: line.pairs for line in lines}
    names = [name for name in sorted(found) if found[name]]  # deleted ones take no room
    return {name: found[name] for name in names[:MAX_SELECTIONS]}


def tags_of(notes: dict[str, PictureNote]) -> dict[str, tuple[str, ...]]:
    """Pairs with each tag, by tag in the order of tags."""
    found: dict[str, list[str]] = {}
    for pair, note in notes.items():
        for tag in note.tags:
            found.setdefault(tag, []).append(pair)
    return {tag: tuple(found[tag]) for tag in sorted(found)[:MAX_TAGS_OF_RUN]}


def require_annotatable(stored: StoredRun) -> None:
    """Check that tags, notes and selections may be stored beside a run.

    Raises:
        InvalidRequest: The run is a recorded one, which nothing is added to.
    """
    if isinstance(stored, RecordedRun):
        raise InvalidRequest(
            f"Run {stored.id} was recorded by the project and takes no tags or notes: start a run "
            "of your own."
        )


class NoteChanged(InvalidRequest):
    """A note is not what its writer has read; `newer` is what is stored, None for nothing."""

    def __init__(self, newer: PictureNote | None):
        self.newer = newer
        if newer is None:
            stored = "there are no tags and no note any more"
        else:
            tags = f"the tags {', '.join(newer.tags)}" if newer.tags else "no tags"
            stored = f"there are {tags} and " + (
                f"the note “{newer.note}”" if newer.note else "no note"
            )
        super().__init__(
            f"Somebody changed this picture's tags or note meanwhile: now {stored}. Nothing was "
            "replaced."
        )


def time_of(note: PictureNote | None) -> str:
    """Time of a note as text, by which a later one is told from it; "" for no note."""
    return note.time.isoformat() if note else ""


def store_note(
    stored: StoredRun, pair: str, tags: Sequence[str], note: str, read: str | None = None
) -> PictureNote:
    """Replace the tags and the note of a pair.

    Args:
        tags: Tags, cleaned by `clean_text`; none and an empty note delete what was there.
        read: `time_of` the note that is replaced, as its writer has read it; None replaces any.

    Raises:
        InvalidRequest: The run has no such pair, is read-only, has too many tags, or cannot be
            written.
        NoteChanged: The stored note is not the one of `read`, and says something else.
    """
    require_annotatable(stored)
    _require_pairs(stored, [pair])
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(
            f"A picture has at most {MAX_TAGS} tags: take {len(tags) - MAX_TAGS} away."
        )
    with annotation_lock(stored):
        earlier = _lines(stored.folder / NOTES, PictureNote)
        time = time_after(one.time for one in earlier if one.pair == pair)
        line = PictureNote(pair=pair, tags=tuple(tags), note=note, time=time)
        notes = _notes(earlier)
        now = notes.get(pair)
        same = now and (now.tags, now.note) == (line.tags, line.note)
        if read is not None and read != time_of(now) and not same:
            raise NoteChanged(now)
        known = {tag for other in notes.values() for tag in other.tags}
        if len(known | {*line.tags}) > max(MAX_TAGS_OF_RUN, len(known)):
            raise InvalidRequest(
                f"A run has at most {MAX_TAGS_OF_RUN} different tags: use one of those there are."
            )
        _append(stored, NOTES, line)
    return line


def store_selection(stored: StoredRun, name: str, pairs: Iterable[str]) -> Selection:
    """Replace the pairs of a selection; without pairs, the selection is deleted.

    Args:
        name: Name of the selection, cleaned by `clean_text`.

    Raises:
        InvalidRequest: The name is empty, the run has no such pair or is read-only, there are too
            many selections or pairs, or the run cannot be written.
    """
    require_annotatable(stored)
    chosen = list(pairs)
    _require_pairs(stored, chosen)
    return _change_selection(stored, name, lambda _: chosen)


def add_to_selection(stored: StoredRun, name: str, pair: str) -> Selection:
    """Add a pair to a selection, which is made if there is none of that name.

    What others add at the same time is kept.

    Raises:
        InvalidRequest: See `store_selection`.
    """
    require_annotatable(stored)
    _require_pairs(stored, [pair])
    return _change_selection(stored, name, lambda before: [*before, pair])


def remove_from_selection(stored: StoredRun, name: str, pair: str) -> Selection:
    """Take a pair out of a selection, which is deleted with its last pair.

    Raises:
        InvalidRequest: There is no such selection, or see `store_selection`.
    """
    require_annotatable(stored)
    return _change_selection(
        stored, name, lambda before: [one for one in before if one != pair], must_exist=True
    )


def delete_selection(stored: StoredRun, name: str) -> Selection:
    """Delete a selection.

    Raises:
        InvalidRequest: There is no such selection, or see `store_selection`.
    """
    require_annotatable(stored)
    return _change_selection(stored, name, lambda _: [], must_exist=True)


def _change_selection(
    stored: StoredRun,
    name: str,
    change: Callable[[tuple[str, ...]], Sequence[str]],
    must_exist: bool = False,
) -> Selection:
    """Read the pairs of a selection and store what a function makes of them, under one lock."""
    name = clean_text(name, MAX_NAME)
    if not name:
        raise InvalidRequest("A selection needs a name: type one first.")
    with annotation_lock(stored):
        earlier = _lines(stored.folder / SELECTIONS, Selection)
        known = _selections(earlier)
        if must_exist and name not in known:
            raise InvalidRequest(f"There is no selection {name!r}: choose one of the list.")
        chosen = tuple(dict.fromkeys(change(known.get(name, ()))))
        if len(chosen) > MAX_SELECTED:
            raise InvalidRequest(
                f"A selection has at most {MAX_SELECTED} pictures: {len(chosen)} are too many."
            )
        if chosen and name not in known and len(known) >= MAX_SELECTIONS:
            raise InvalidRequest(
                f"A run has at most {MAX_SELECTIONS} selections: delete one first."
            )
        time = time_after(one.time for one in earlier if one.name == name)
        line = Selection(name=name, pairs=chosen, time=time)
        _append(stored, SELECTIONS, line)
    return line


@contextlib.contextmanager
def annotation_lock(stored: StoredRun) -> Iterator[None]:
    """Hold the lock of a run's tags, notes and selections.

    Raises:
        NotWritten: The disk is full or may not be written to.
        InvalidRequest: Another process holds the lock for `LOCK_SECONDS`.
    """
    try:
        with PathLock(stored.folder / ".notes.lock") as lock:
            if not lock.acquired(LOCK_SECONDS):
                raise InvalidRequest(
                    f"Somebody else is writing a note on run {stored.id}: try again."
                )
            yield
    except OSError as error:
        raise NotWritten(
            f"Notes on run {stored.id} cannot be stored ({error.strerror or error}): open the "
            "store for writing, or make room. What was stored before is safe."
        ) from error


def _require_pairs(stored: StoredRun, pairs: Sequence[str]) -> None:
    known = set(stored.pairs())
    unknown = next((pair for pair in pairs if pair not in known), None)
    if unknown is not None:
        raise InvalidRequest(
            f"Run {stored.id} has no picture {str(unknown)[:60]!r}: choose one of its own."
        )


def _append(stored: StoredRun, name: str, line: BaseModel) -> None:
    path, content = stored.folder / name, line.model_dump_json().encode()
    if path.exists() and path.stat().st_size + len(content) >= MAX_FILE_BYTES:
        # The new line may be shorter than the one that it replaces: a full file takes deletions.
        kept = latest_lines(name, [*path.read_bytes().split(b"\n")[:-1], content])
        reduced = b"".join(one + b"\n" for one in kept)
        if len(reduced) > MAX_FILE_BYTES:
            raise InvalidRequest(
                f"Run {stored.id} has so many notes that no more are stored: shorten or delete "
                "some. What was stored before is safe."
            )
        write_file(path, reduced)
    else:
        append_line(path, content)


def latest_lines(name: str, lines: Iterable[bytes]) -> list[bytes]:
    """Reduce the lines of a file to the latest undamaged one on each picture or selection.

    Lines that delete something are kept as well: without them, the lines of another machine would
    bring back what was deleted.

    Args:
        name: `NOTES` or `SELECTIONS`.
        lines: Lines without their ends.

    Returns:
        Lines without their ends, oldest first.
    """
    parsed: Sequence[PictureNote | Selection]
    parsed = _parsed(lines, PictureNote) if name == NOTES else _parsed(lines, Selection)
    found = {_subject(line): line for line in parsed}
    latest = sorted(found.values(), key=lambda line: line.time)
    return [line.model_dump_json().encode() for line in latest]


def _subject(line: PictureNote | Selection) -> str:
    """The pair or the name that a line is about."""
    return line.pair if isinstance(line, PictureNote) else line.name


def _lines(path: Path, kind: type[_Line]) -> list[_Line]:
    """Read the undamaged lines of a file, oldest first; none of a file that is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return []
    return [] if len(content) > MAX_FILE_BYTES else _parsed(content.split(b"\n")[:-1], kind)


def _parsed(lines: Iterable[bytes], kind: type[_Line]) -> list[_Line]:
    """Parse the undamaged ones of some lines, oldest first."""
    found: list[_Line] = []
    latest = latest_time()
    for line in lines:
        with contextlib.suppress(ValidationError, RecursionError):
            parsed = kind.model_validate_json(line)
            if parsed.time <= latest:
                found.append(parsed)
    return sorted(found, key=lambda one: one.time)
