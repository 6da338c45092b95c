"""The About tab: facts and limits of the weights, privacy, the API, licences, the self-check."""

import platform
from collections.abc import Iterable
from importlib import metadata
from typing import NamedTuple

from markupsafe import Markup

from mirnet.metrics.registry import get_metric
from mirnet.tasks import TASKS
from mirnet.version import __version__
from mirnet.weights import catalogue
from mirnet.weights.catalogue import Card, WeightsEntry

from .health import Finding
from .kit.html import link
from .templates import render

PACKAGES = ("gradio", "torch", "numpy", "pillow", "scikit-image")
"""Packages whose versions are listed."""
MARKS = "abcdefghijkl"
"""Footnote marks of the protocols below the table of measured scores."""


class Measured(NamedTuple):
    """One network of ours and its measured scores."""

    tasks: list[str]
    """Titles of the tasks it serves."""
    entry: WeightsEntry
    """Catalogue entry of the weights for the first of these tasks."""
    card: Card | None
    """Model card with the scores; None if it is not shipped."""
    licence: Markup
    """The licence in a few words, with its link."""


class Published(NamedTuple):
    """One of the authors' networks on one task, with its published scores."""

    network: str
    """Name of the network."""
    task: str
    """Title of the task."""
    entry: WeightsEntry
    """Catalogue entry of the weights."""
    licence: Markup
    """The licence in a few words, with its link."""
    scores: list[str]
    """Published scores, each with its source."""


def about(max_pixels: int, keep_hours: float) -> Markup:
    """HTML of the About tab.

    Args:
        max_pixels: Most pixels accepted, in a photo and in its result.
        keep_hours: Age in hours at which uploads and results are deleted.
    """
    ours = measured()
    texts = {own.protocol: None for row in ours if row.card for own in row.card.scores}
    return render(
        "about",
        ours=ours,
        protocols=dict(zip(texts, MARKS, strict=False)),
        authors=published(),
        max_megapixels=f"{max_pixels / 1e6:.4g}",
        keep_hours=f"{keep_hours:g}",
        version=__version__,
        python=platform.python_version(),
        packages=[(name, _version(name)) for name in PACKAGES],
    )


def self_check(findings: Iterable[Finding]) -> Markup:
    """HTML of the self-check: a summary line that unfolds to all findings."""
    return render("self_check", findings=list(findings))


def short_licence(entry: WeightsEntry) -> str:
    """The licence in a few words."""
    return "non-commercial" if "non-commercial" in entry.licence.lower() else entry.licence


def measured() -> list[Measured]:
    """Our networks, one row for each weights file; a file may serve several tasks."""
    rows: dict[str, Measured] = {}
    for task in TASKS.values():
        for entry in catalogue.entries_for(task.id):
            if entry.kind == "embedded":
                card = catalogue.read_card(entry)
                row = Measured([], entry, card, link(short_licence(entry), entry.licence_url))
                rows.setdefault(card.sha256 if card else entry.id, row).tasks.append(task.title)
    return list(rows.values())


def published() -> list[Published]:
    """The authors' networks by task."""
    return [
        Published(
            entry.title.partition(",")[0],
            task.title,
            entry,
            link(short_licence(entry), entry.licence_url),
            _published_scores(entry),
        )
        for task in TASKS.values()
        for entry in catalogue.entries_for(task.id)
        if entry.kind != "embedded"
    ]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _published_scores(entry: WeightsEntry) -> list[str]:
    found = []
    for score in entry.published:
        numbers = ", ".join(
            f"{metric.as_published(value)} {metric.unit or metric.title}"
            for metric, value in ((get_metric(key), value) for key, value in score.scores.items())
        )
        mark = "" if score.verified else " †"
        aside = score.method.partition(" (")[2].rstrip(")")
        aside = f" ({aside})" if aside else ""
        found.append(f"{score.benchmark} {numbers}{mark}{aside}; {score.source}")
    return found
