"""Several photos restored into one zip."""

import contextlib
import secrets
import shutil
import zipfile
from base64 import b64encode
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from mirnet.errors import MIRNetError
from mirnet.images.encode import SaveOptions, encode_image
from mirnet.images.file_names import clean_name
from mirnet.images.picture import Picture
from mirnet.images.preview import shrink

from ..folders import upload_folder
from ..jobs import BatchRow, RestoreRequest, Run, result_name, unused_name
from ..result_cache import KeptResult
from ..templates import render
from .html import event_words
from .restorer import Restorer

if TYPE_CHECKING:
    from mirnet.restoration.blending import Blend

THUMBNAIL_PX = 112
"""Longest side of a thumbnail in the list, in pixels."""


class BatchStep(NamedTuple):
    """Progress event of a batch."""

    words: str
    """Name and progress of the current photo; empty if only the list changed."""
    share: float
    """Completed share of the whole batch, 0 to 1."""


def restore_batch(
    restorer: Restorer,
    paths: tuple[str, ...],
    wanted: RestoreRequest,
    run: Run,
    visitor: str,
    options: SaveOptions,
    mix: "Blend",
) -> Generator[BatchStep]:
    """Restore several photos into `run.archive`; those that cannot be read are named, not fatal.

    The zip lies in the folder of uploads and results, which expires. It is deleted at once when the
    iterator ends early, unless Stop was pressed: the handler of Stop then owns it.

    Args:
        wanted: Settings of the restoration, the same for all photos.
        run: Its `rows`, `archive` and `finished` hold the progress of the batch.
        options: Choices of the files in the zip.
        mix: Shares of the network's change that the files hold.

    Yields:
        A step after every event of a photo, and whenever a row has changed.

    Raises:
        Cancelled: Stop was pressed, or the visitor started another run.
    """
    from mirnet.restoration.result import RestoreResult

    rows = run.rows = [BatchRow(clean_name(Path(path).name)) for path in paths]
    folder = archive_folder()
    run.archive = folder / f"mirnet-{'-'.join(wanted.tasks)}.zip"
    done = False
    try:
        with zipfile.ZipFile(run.archive, "w", zipfile.ZIP_STORED) as archive:
            for index, path in enumerate(paths):
                rows[index] = rows[index]._replace(state="working", words="restoring …")
                yield BatchStep("", index / len(paths))
                try:
                    photo = restorer.restore(path, wanted, run, visitor)
                    with contextlib.closing(photo) as events:
                        for event in events:
                            if isinstance(event, RestoreResult):
                                kind = str(options.format)
                                name = result_name(event.picture, wanted.tasks, kind)
                                name = unused_name(name, archive.namelist())
                                blended = event.blend(**asdict(mix))
                                archive.writestr(name, blended.encode(options))
                                words = f"{name} · {event.facts()}"
                                run.finished += 1
                                rows[index] = rows[index]._replace(
                                    state="done",
                                    words=words,
                                    key=restorer.results.put(KeptResult(event)),
                                    before=_thumbnail(event.before),
                                    after=_thumbnail(blended.picture),
                                )
                            else:
                                words, share = event_words(event, alone=False)
                                yield BatchStep(
                                    f"Photo {index + 1} of {len(paths)} · {words}",
                                    (index + (share or 0.0)) / len(paths),
                                )
                except MIRNetError as error:
                    if run.stopped or run.replaced:
                        raise
                    rows[index] = rows[index]._replace(state="failed", words=str(error))
        yield BatchStep("", 1.0)
        done = run.finished > 0
    finally:
        if not done and not run.stopped:
            shutil.rmtree(folder, ignore_errors=True)


def archive_folder() -> Path:
    """Make a folder with an unguessable name, in the folder from which Gradio serves files."""
    folder = upload_folder() / secrets.token_hex(32)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _thumbnail(picture: Picture) -> bytes:
    return encode_image(shrink(picture, THUMBNAIL_PX), "JPEG")


def batch_table(rows: list[BatchRow]) -> Markup:
    """HTML table with one row per photo of a batch; a finished one can be clicked."""
    shown = [
        row._asdict()
        | {name: b64encode(getattr(row, name)).decode() for name in ("before", "after")}
        for row in rows
    ]
    return render("batch", rows=shown)


def stopped_rows(rows: list[BatchRow]) -> list[BatchRow]:
    """Rows of a stopped batch, with unfinished photos marked as stopped.

    >>> [row.words for row in stopped_rows([BatchRow("a.png", "done", "0.5 s"), BatchRow("b.png")])]
    ['0.5 s', 'stopped, not restored']
    """
    return [
        row
        if row.state in ("done", "failed")
        else BatchRow(row.name, words="stopped, not restored")
        for row in rows
    ]


def stopped_words(finished: int) -> str:
    """Sentence about the zip of a stopped batch with `finished` photos."""
    photos = "photo that was" if finished == 1 else f"{finished} photos that were"
    return f"Stopped. The zip holds the {photos} finished."
