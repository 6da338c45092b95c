"""The About tab: what the weights are and are not, licences, privacy, versions, the self-check."""

import platform
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from markupsafe import Markup

from mirnet import __version__
from mirnet.tasks import TASKS
from mirnet.weights import catalogue
from mirnet.weights.catalogue import WeightsEntry

from .health import Finding
from .kit.html import link
from .templates import render

PACKAGES = ("gradio", "torch", "numpy", "pillow", "scikit-image")
"""Packages whose versions are told."""


def about(max_pixels: int, keep_hours: float) -> Markup:
    """The tab's text.

    Args:
        max_pixels: Most pixels accepted, in a photo and in its result.
        keep_hours: Age at which uploads and results are deleted.
    """
    return render(
        "about",
        tasks=[(task.title, _weights_rows(task.id)) for task in TASKS.values()],
        max_megapixels=f"{max_pixels / 1e6:.4g}",
        keep_hours=f"{keep_hours:g}",
        version=__version__,
        python=platform.python_version(),
        packages=[(name, _version(name)) for name in PACKAGES],
    )


def self_check(findings: Iterable[Finding]) -> Markup:
    """What the self-check found, one line each."""
    return render("self_check", findings=list(findings))


def short_licence(entry: WeightsEntry) -> str:
    """The licence in a few words."""
    return "non-commercial" if "non-commercial" in entry.licence.lower() else entry.licence


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _weights_rows(task_id: str) -> list[dict[str, Any]]:
    """The weights of one task, as the template's table takes them; first whether ours are there."""
    entries = catalogue.entries_for(task_id)
    rows: list[dict[str, Any]] = [
        {
            "title": entry.title,
            "licence": link(short_licence(entry), entry.licence_url),
            "trained_on": entry.trained_on,
            "scores": _scores(entry),
        }
        for entry in entries
    ]
    if not any(entry.kind == "embedded" for entry in entries):
        rows.insert(0, {"title": "Ours", "missing": True})
    return rows


def _scores(entry: WeightsEntry) -> list[str]:
    """Measured and published scores of some weights, each with what it depends on."""
    found = []
    card = catalogue.read_card(entry)
    for own in card.scores if card else ():
        gain = "" if own.input_psnr_db is None else f", input {own.input_psnr_db:.2f} dB"
        found.append(
            f"measured: {own.benchmark} ({own.pairs} pairs) {own.psnr_db:.2f} dB{gain}; "
            f"weights {card.sha256[:8]}, data {own.data_sha256[:8]}; {own.protocol}"
        )
    for score in entry.published:
        if score.psnr_db is not None:
            mark = "" if score.verified else " †"
            aside = score.method.partition(" (")[2].rstrip(")")
            aside = f" ({aside})" if aside else ""
            found.append(
                f"published: {score.benchmark} {score.psnr_db:.2f} dB{mark}{aside}; {score.source}"
            )
    return found
