"""Sentences and pieces of HTML of the Restore tab; no widgets, no network, no torch."""

from typing import TYPE_CHECKING

from markupsafe import Markup

from mirnet.images.exif import iso_of
from mirnet.images.picture import Picture
from mirnet.metrics.protocols import RGB_8BIT
from mirnet.tasks import Task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.catalogue import WeightsEntry
from mirnet.weights.fetch import FetchProgress

from ..about import short_licence
from ..kit import html
from ..queue import QueuePosition
from ..templates import render

if TYPE_CHECKING:
    from mirnet.restoration.job import TileProgress
    from mirnet.restoration.result import RestoreResult


# ---------------------------------------------------------------- tasks and weights


def weights_label(entry: WeightsEntry) -> str:
    """Line in the list of weights: name, then the facts that matter for a choice."""
    if entry.kind == "embedded":
        return f"{entry.title} · included · {entry.licence}"
    if weights.locate(entry.id):
        return f"{entry.title} · on this machine · {short_licence(entry)}"
    if not entry.downloadable:
        return f"{entry.title} · bring the file · {short_licence(entry)}"
    return f"{entry.title} · {size_text(entry)} · {short_licence(entry)} · download first"


def size_text(entry: WeightsEntry) -> str:
    """Size of the weights file at its source."""
    if entry.size_bytes is None:
        return "size unknown"
    about = "~" if entry.size_is_expected else ""
    return f"{about}{entry.size_bytes / 1e6:.0f} MB"


def weights_note(task: Task, entry: WeightsEntry | None, may_download: bool = True) -> Markup:
    """Facts of the chosen weights, and what is missing if they cannot run yet.

    Args:
        entry: Catalogue entry of the chosen weights; None if the task has none.
        may_download: Whether the visitor may download weights.
    """
    present = entry is not None and weights.locate(entry.id) is not None
    known = catalogue.entries_for(task.id)
    text = render(
        "weights_note",
        task=task,
        entry=entry,
        present=present,
        has_ours=any(other.kind == "embedded" for other in known),
        may_download=may_download,
        size=entry and size_text(entry),
        source=entry and html.link(entry.source, entry.source_url),
        page=entry and html.link("its page", entry.page_url),
        licence=entry and html.link(entry.licence, entry.licence_url),
    )
    return html.note(text, warn=not present)


# ---------------------------------------------------------------- photos and results


def photo_facts(picture: Picture, advice: str = "") -> Markup:
    """Name, size and kind of a photo that was just read.

    Args:
        advice: What it may need, in a sentence; empty says nothing.
    """
    parts = [
        picture.name,
        f"{picture.width} × {picture.height}",
        f"{picture.megapixels:.3g} MP",
        f"{picture.bits} bits",
    ]
    parts += [picture.source_format] if picture.source_format else []
    iso = iso_of(picture.exif)
    parts += [f"ISO {iso}"] if iso else []
    parts += ["grey"] if picture.grey else []
    if picture.alpha is not None and (picture.alpha != picture.alpha.max()).any():
        parts.append("transparent")
    line = html.facts(" · ".join(parts))
    sentences = (*picture.notes, *([advice] if advice else []))
    return line + Markup("").join(html.small(note) for note in sentences)


def result_facts(result: "RestoreResult") -> Markup:
    """Size, time, weights, folded details and lost file contents of a result."""
    picture = result.picture
    first = f"{result.first.weights_id}, then " if result.first else ""
    weights = first + result.weights_id
    line = f"{picture.width} × {picture.height} · {result.seconds:.1f} s · {weights}"
    return render("result_facts", line=line, details=result.facts(), notes=picture.notes)


def welcome() -> Markup:
    """Card shown on the stage while there is no photo."""
    return render("welcome")


def scores_table(before: dict[str, float], after: dict[str, float]) -> Markup:
    """Table of scores of input and result by `RGB_8BIT`, with the protocol's meaning below."""
    metrics = RGB_8BIT.metrics
    rows = [
        (name, [m.text(scores[m.key]) if m.key in scores else "too small" for m in metrics])
        for name, scores in (("Before", before), ("After", after))
    ]
    heads = [metric.title for metric in metrics]
    return render("scores", heads=heads, rows=rows, meaning=RGB_8BIT.meaning)


# ---------------------------------------------------------------- progress


def event_words(
    event: "QueuePosition | TileProgress", alone: bool = True
) -> tuple[str, float | None]:
    """Progress of a restoration: a sentence, and the share done if it is known.

    Args:
        alone: Whether the photo is the only one of the run, so that its time left is shown.
    """
    if isinstance(event, QueuePosition):
        return event.words(), None
    done, tiles, left = event.tile, event.tiles, event.seconds_left
    words = f"Tile {done} of {tiles}"
    if alone and left is not None and done < tiles:
        words += f" · {html.duration(left)} left"
    return words, done / tiles


def fetch_words(event: FetchProgress) -> tuple[str, float | None]:
    """Progress of a download: a sentence, and the share done if it is known."""
    done, total = event.done_bytes / 1e6, (event.total_bytes or 0) / 1e6
    if event.state == "downloading" and event.done_bytes:
        of = f" of {total:.1f}" if total else ""
        return f"Downloading · {done:.1f}{of} MB", min(done / total, 1) if total else None
    words = {
        "waiting": "Another window downloads the same weights …",
        "downloading": "Asking for the file …",
        "checking": "Checking the file …",
        "converting": "Converting to safetensors …",
        "ready": "Ready",
    }
    return words[event.state], None
