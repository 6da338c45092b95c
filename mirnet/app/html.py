"""The words and pieces of HTML the page shows; no widgets, no network, no torch.

Everything that comes from a file or a person is escaped here.
"""

import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from importlib import metadata
from pathlib import Path

from mirnet import __version__
from mirnet.images.picture import Picture
from mirnet.metrics.protocols import RGB_8BIT
from mirnet.metrics.registry import Metric
from mirnet.tasks import TASKS, Task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.catalogue import WeightsEntry

from .health import Finding

EXAMPLES_FOLDER = Path(__file__).parents[2] / "examples"
"""Pictures to try, made by examples/make_examples.py."""

EMPTY = """<div class="mir-empty"><p class="mir-empty-title">Your photo appears here</p>
<p>Choose what to do, add a photo, press <b>Restore</b>. Drop it, paste it, take it with the camera,
or click an example.</p>
<p>JPEG, PNG, WebP, TIFF, BMP, HEIC and AVIF, 8 or 16 bits. Several photos at once come back as one
zip.</p></div>"""


@dataclass(frozen=True)
class Example:
    """A picture to try, from examples/examples.json."""

    path: Path
    """The damaged picture."""
    original: Path
    """The clean original."""
    task: str
    """Id of the task."""
    title: str
    """Two or three words."""
    alt: str
    """What it shows."""


@lru_cache(maxsize=1)
def examples() -> list[Example]:
    """All examples; empty where the folder was not copied along."""
    index = EXAMPLES_FOLDER / "examples.json"
    if not index.is_file():
        return []
    return [
        Example(
            EXAMPLES_FOLDER / row["file"],
            EXAMPLES_FOLDER / row["original"],
            row["task"],
            row["title"],
            row["alt"],
        )
        for row in json.loads(index.read_text(encoding="utf-8"))
    ]


def examples_for(task_id: str) -> list[Example]:
    """Examples of one task."""
    return [example for example in examples() if example.task == task_id]


# ---------------------------------------------------------------- tasks and weights


def task_label(task: Task) -> str:
    """Two lines of a task's card; the style sheet makes the first one bold."""
    return f"{task.title}\n{task.explanation}"


def weights_label(entry: WeightsEntry) -> str:
    """One line in the list of weights: name, then what a person must know to choose."""
    if entry.kind == "embedded":
        return f"{entry.title} · included · {entry.licence}"
    if weights.locate(entry.id):
        return f"{entry.title} · on this machine · {short_licence(entry)}"
    if not entry.downloadable:
        return f"{entry.title} · bring the file · {short_licence(entry)}"
    return f"{entry.title} · {size_text(entry)} · {short_licence(entry)} · download first"


def short_licence(entry: WeightsEntry) -> str:
    """The licence in a few words."""
    return "non-commercial" if "non-commercial" in entry.licence.lower() else entry.licence


def size_text(entry: WeightsEntry) -> str:
    """Size of the file at its source."""
    if entry.size_bytes is None:
        return "size unknown"
    about = "~" if entry.size_is_expected else ""
    return f"{about}{entry.size_bytes / 1e6:.0f} MB"


def weights_note(task: Task, entry: WeightsEntry | None, may_download: bool = True) -> str:
    """What the chosen weights are, and what is missing where they cannot run yet."""
    if entry is None:
        return _note(
            f"No weights for “{escape(task.title)}” are here yet. Import a file of your own with "
            f"<code>python -m mirnet weights import FILE --task {task.id}</code>.",
            warn=True,
        )
    parts = []
    present = weights.locate(entry.id) is not None
    has_ours = any(other.kind == "embedded" for other in catalogue.entries_for(task.id))
    if not has_ours:
        parts.append(f"This copy has no weights of ours for “{escape(task.title)}” yet.")
    if not present and entry.downloadable:
        parts.append(
            f"These are not on this machine: <b>{escape(size_text(entry))}</b> from "
            f"{_link(entry.source, entry.source_url)}, licence "
            f"{_link(entry.licence, entry.licence_url)}. "
            + (
                "Nothing is fetched until you press Download."
                if may_download
                else "Only the operator of this page downloads them."
            )
        )
    elif not present:
        parts.append(
            f"No program can download these: get the file from "
            f"{_link('its page', entry.page_url)}, then run "
            f"<code>python -m mirnet weights import FILE --as {escape(entry.id)}</code>. "
            f"Licence {_link(entry.licence, entry.licence_url)}."
        )
    else:
        parts.append(escape(entry.limits or f"Trained on {entry.trained_on}."))
    return _note(" ".join(parts), warn=not present)


def _note(text: str, *, warn: bool = False) -> str:
    return f'<p class="mir-note{" mir-warn" if warn else ""}">{text}</p>'


def _link(text: str, url: str | None) -> str:
    if not url:
        return escape(text)
    return f'<a href="{escape(url)}" target="_blank" rel="noreferrer">{escape(text)}</a>'


# ---------------------------------------------------------------- photos and progress


def photo_facts(picture: Picture) -> str:
    """Name, size and kind of a photo that was just read."""
    parts = [
        picture.name,
        f"{picture.width} × {picture.height}",
        f"{picture.megapixels:.3g} MP",
        f"{picture.bits} bits",
    ]
    parts += [picture.source_format] if picture.source_format else []
    parts += ["grey"] if picture.grey else []
    if picture.alpha is not None and (picture.alpha != picture.alpha.max()).any():
        parts.append("transparent")
    return facts(" · ".join(parts))


def facts(line: str) -> str:
    """A line of facts in small tabular figures."""
    return f'<p class="mir-facts">{escape(line)}</p>'


def batch_table(rows: list[tuple[str, str, str]]) -> str:
    """One row per photo of a batch.

    Args:
        rows: Name, state ("waiting", "working", "done" or "failed") and a few words.
    """
    body = "".join(
        f'<tr class="mir-{state}"><th scope="row">{escape(name)}</th><td>{escape(words)}</td></tr>'
        for name, state, words in rows
    )
    return (
        '<div class="mir-scroll"><table class="mir-table mir-batch"><caption>'
        f"{len(rows)} photos</caption><tbody>{body}</tbody></table></div>"
    )


def stopped_rows(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The rows of a batch that was stopped: what was not finished says so.

    >>> stopped_rows([("a.png", "done", "0.5 s"), ("b.png", "working", "restoring …")])
    [('a.png', 'done', '0.5 s'), ('b.png', 'waiting', 'stopped, not restored')]
    """
    return [
        row if row[1] in ("done", "failed") else (row[0], "waiting", "stopped, not restored")
        for row in rows
    ]


def stopped_batch(finished: int) -> str:
    """What a stopped batch hands over, `finished` photos of it, in one sentence."""
    photos = "photo that was" if finished == 1 else f"{finished} photos that were"
    return f"Stopped. The zip holds the {photos} finished."


def progress(words: str, share: float | None = None) -> str:
    """A progress bar with its words.

    Args:
        words: What happens, how far it is and how long it takes.
        share: 0 to 1; None while nobody knows.
    """
    if share is None:
        value, inner = "", '<i class="mir-unknown"></i>'
    else:
        percent = round(100 * min(max(share, 0), 1))
        value, inner = f' aria-valuenow="{percent}"', f'<i style="width:{percent}%"></i>'
    return (
        f'<div class="mir-progress"><div class="mir-bar" role="progressbar" aria-label="Progress" '
        f'aria-valuemin="0" aria-valuemax="100"{value} aria-valuetext="{escape(words)}">{inner}'
        f"</div><p>{escape(words)}</p></div>"
    )


def state(words: str, kind: str = "") -> str:
    """One sentence about what was done, announced to screen readers.

    Args:
        words: The sentence.
        kind: "", "done" or "failed".
    """
    mark = {"done": "✓ ", "failed": "! "}.get(kind, "")
    style = f" mir-{kind}" if kind else ""
    return f'<p class="mir-state{style}" role="status">{mark}{escape(words)}</p>'


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(7.6), duration(80), duration(4000)
    ('8 s', '1 min 20 s', '1 h 7 min')
    """
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {round(whole % 3600 / 60)} min"


def scores_table(before: dict[str, float], after: dict[str, float]) -> str:
    """Scores of the input and the result by `RGB_8BIT`, which stands below them."""
    heads = "".join(f'<th scope="col">{metric.title}</th>' for metric in RGB_8BIT.metrics)
    rows = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{_score(metric, scores)}</td>" for metric in RGB_8BIT.metrics)
        + "</tr>"
        for name, scores in (("Before", before), ("After", after))
    )
    return (
        f'<table class="mir-table mir-numbers"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f'<p class="mir-small">{RGB_8BIT.meaning} Higher is better.</p>'
    )


def _score(metric: Metric, scores: dict[str, float]) -> str:
    return metric.text(scores[metric.key]) if metric.key in scores else "too small"


# ---------------------------------------------------------------- about


def about(max_pixels: int, keep_hours: float) -> str:
    """The About page: what the weights are and are not, licences, privacy, versions."""
    packages = ("gradio", "torch", "numpy", "pillow", "scikit-image")
    versions = " · ".join(f"{name} {_version(name)}" for name in packages)
    return f"""<div class="mir-about">
<h2>What this is</h2>
<p>MIRNet Studio restores photos with two published networks, MIRNet (ECCV 2020) and MIRNet-v2
(TPAMI 2022), written anew from the papers. Your photo goes through the network at its full size
and depth; alpha, colour profile and EXIF data are kept. What you download is written by this
program, never compressed again by the page. What you see is a preview of at most 1600 pixels;
“100 %” shows true pixels.</p>
<h2>The weights, honestly</h2>
<p>A network restores what its training taught it to expect. <b>Ours</b> are small, made for a CPU,
and trained on freely licensed photographs damaged by simulation, those for camera photos also on
real pairs of two cameras (City100, MIT): other cameras can differ, and detail that is lost stays
lost or is guessed. Do not take a result as evidence of what was in front
of a camera. The <b>authors'</b> weights are larger and slower, under a non-commercial licence,
never part of this program, and downloaded only when you press Download.</p>
<div class="mir-scroll">{_weights_table()}</div>
<p class="mir-small">Measured: our own runs. Published: numbers of others, by other protocols, so
they do not compare with ours; † from memory, found in no text. City100's pairs differ by the zoom
of its lenses, whatever enlargement is asked for. Super-resolution enlarges the photo
first (bicubic), then the network sharpens it: these networks keep the size.</p>
<h2>Your photos</h2>
<p>Photos and results stay on the machine that runs this page and are used for nothing else. They
are deleted after {keep_hours:g} hours, and when the program ends. Neither the page nor your browser
keeps a history of what you did, and no statistics are sent to anybody. Votes and names of blind
reviews are stored with the run, as their page says. At most {max_pixels / 1e6:.4g} megapixels.</p>
<h2>By program</h2>
<pre tabindex="0"><code>from gradio_client import Client, handle_file
Client("ADDRESS OF THIS PAGE").predict(
    image=handle_file("holiday.jpg"), task="denoise", api_name="/restore")</code></pre>
<h2>Licences and versions</h2>
<p>Program and our weights: Apache-2.0. Example photos: free licences, credited in
examples/CREDITS.md; their damage is synthetic, and no weights were trained on them.</p>
<p class="mir-small">MIRNet Studio {__version__} · Python {platform.python_version()} ·
{versions}</p>
</div>"""


def self_check(findings: Iterable[Finding]) -> str:
    """What the self-check found, one line each."""
    rows = "".join(
        f"<li><b>{escape(finding.what)}</b>{'' if finding.ok else ' — wrong'}: "
        f"{escape(finding.words)}</li>"
        for finding in findings
    )
    return f'<div class="mir-about"><h2>Self-check, just now</h2><ul>{rows}</ul></div>'


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _weights_table() -> str:
    rows = []
    for task in TASKS.values():
        entries = catalogue.entries_for(task.id)
        cells = [_weights_cells(entry) for entry in entries]
        if not any(entry.kind == "embedded" for entry in entries):
            cells.insert(0, '<td>Ours</td><td colspan="3">not shipped yet</td>')
        for index, cell in enumerate(cells):
            title = f'<th scope="rowgroup" rowspan="{len(cells)}">{escape(task.title)}</th>'
            rows.append(f"<tr>{title if index == 0 else ''}{cell}</tr>")
    return (
        '<table class="mir-table"><thead><tr><th scope="col">Task</th><th scope="col">Weights</th>'
        '<th scope="col">Licence</th><th scope="col">Trained on</th><th scope="col">Scores</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _weights_cells(entry: WeightsEntry) -> str:
    found = []
    card = catalogue.read_card(entry)
    if card is not None:
        for own in card.scores:
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
    cells = {
        "Weights": escape(entry.title),
        "Licence": _link(short_licence(entry), entry.licence_url),
        "Trained on": escape(entry.trained_on),
        "Scores": "<br>".join(escape(text) for text in found) or "none known",
    }
    return "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in cells.items())
