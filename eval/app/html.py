"""The pieces of HTML that the Evaluate page shows; every word from outside is escaped here."""

import base64
from html import escape
from typing import TYPE_CHECKING, Any

from eval.analysis import statistics as stats
from eval.analysis.leaderboards import caution
from eval.analysis.pictures import MAX_THUMB_BYTES, Thumbnail
from eval.data.benchmarks import Benchmark
from eval.methods.record import MethodRecord
from eval.methods.registry import Choice
from eval.runs.document import MethodSummary, Run, SampleResult
from eval.runs.store import StoredRun
from mirnet.app.html import duration, facts, progress, state
from mirnet.errors import MIRNetError
from mirnet.metrics.protocols import PROTOCOLS, get_protocol
from mirnet.metrics.registry import METRICS

from .run_queue import Estimate, Snapshot

if TYPE_CHECKING:
    import pandas as pd

    from eval.analysis.run_comparison import RunComparison
    from eval.runs.verify import Finding

DASH = "–"
"""Where there is nothing to say."""


def empty(title: str, words: str) -> str:
    """A page without content, and what to do about it."""
    return (
        f'<div class="mir-empty ev-empty"><p class="mir-empty-title">{escape(title)}</p>'
        f"<p>{escape(words)}</p></div>"
    )


def note(words: str, *, warn: bool = False) -> str:
    """A small paragraph; with a bar at its side where it must be seen."""
    return f'<p class="mir-note{" mir-warn" if warn else ""}">{escape(words)}</p>'


def number(value: float | None, digits: int, sign: str = "") -> str:
    """A rounded number, or a dash for none.

    >>> number(31.4159, 2), number(float("nan"), 2), number(float("inf"), 2)
    ('31.42', '–', '∞')
    """
    if value is None or value != value:
        return DASH
    if value in (float("inf"), float("-inf")):
        return "∞"
    return f"{value:{sign}.{digits}f}"


def method_label(method: MethodRecord) -> str:
    """How a method is offered: the id that tables and plots have, and what it is."""
    return method.id if method.title == method.id else f"{method.id} · {method.title}"


def protocol_label(name: str) -> str:
    """How a protocol is offered: its name in runs, and what it is."""
    known = PROTOCOLS.get(name.partition("/")[0])
    return f"{name} · {known.title}" if known else name


def table(heads: list[str], rows: list[list[str]], caption: str = "", words: int = 1) -> str:
    """A table of plain text.

    Args:
        heads: Of the columns.
        rows: Text of the cells; the first of each row is its head.
        caption: Above it.
        words: How many columns on the left hold words; the others hold numbers.
    """

    def style(place: int) -> str:
        return ' class="ev-number"' if place >= words else ""

    head = "".join(
        f'<th scope="col"{style(place)}>{escape(text)}</th>' for place, text in enumerate(heads)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{style(place)}>{escape(text)}</td>" for place, text in enumerate(row[1:], 1))
        + "</tr>"
        for row in rows
    )
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    label = escape(caption or heads[0])
    return (
        f'<div class="mir-scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table class="mir-table ev-table">{told}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


# ---------------------------------------------------------------- before a run


def only_look(read_only: bool, can_sign_in: bool) -> str:
    """Why nothing can be started here, and where it can."""
    if read_only:
        title, who = "This copy only shows results", "Runs can be looked at here, not started."
    else:
        title, who = "Look at what was measured", "Runs are started by the operator of this page."
    words = f"{who} Run MIRNet Studio on your own machine to make some."
    link = ' <a href="./operator">I am the operator</a>' if can_sign_in and not read_only else ""
    return (
        f'<div class="mir-empty ev-empty"><p class="mir-empty-title">{escape(title)}</p>'
        f"<p>{escape(words)}{link}</p></div>"
    )


def benchmark_facts(benchmark: Benchmark, *, local: bool) -> str:
    """What a benchmark is, before anything of it is fetched."""
    kind = "official pictures" if benchmark.official else "not the pictures that papers report on"
    damage = "simulated damage" if benchmark.synthetic else "real damage"
    pairs = "as many pairs as you bring" if benchmark.pairs is None else f"{benchmark.pairs} pairs"
    if benchmark.source.folder is not None:
        fetch = "nothing to download"
    elif benchmark.manual_download:
        fetch = "you bring the files"
    elif benchmark.megabytes is None:
        fetch = "download of unmeasured size"
    else:
        fetch = f"{benchmark.megabytes:g} MB to download for all"
    protocols = "; ".join(get_protocol(name).meaning for name in benchmark.protocols[:1])
    lines = [
        f"<b>{pairs}</b> · {escape(benchmark.size)} · <b>{escape(fetch)}</b> · {kind} · {damage}",
        f"Licence: {escape(benchmark.licence)}",
        f"Protocol {escape(benchmark.protocols[0])}: {escape(protocols)}",
        escape(benchmark.note),
    ]
    text = "".join(f'<p class="mir-note">{line}</p>' for line in lines)
    if not benchmark.ground_truth:
        text += note("Its truth is kept by its site: pictures are made, and nothing is scored.")
    if benchmark.manual_download:
        way = (
            "then name that folder below"
            if local
            else "then run it on your own machine: "
            f"python -m eval run --benchmark {benchmark.id} --folder FOLDER"
        )
        text += note(f"To use it, {benchmark.source.layout}, {way}.", warn=True)
    return text


def missing_methods(choices: list[Choice]) -> str:
    """Methods that cannot be used here, each with its way out."""
    missing = [choice for choice in choices if not choice.available]
    if not missing:
        return ""
    rows = "".join(
        f"<li><b>{escape(choice.title)}</b>: {escape(choice.reason)}</li>" for choice in missing
    )
    return (
        f'<details class="ev-missing"><summary>{len(missing)} more, not on this machine</summary>'
        f"<ul>{rows}</ul></details>"
    )


def estimate(found: Estimate, pairs: int, limits: str) -> str:
    """About how long it takes, and how good that guess is."""
    text = f"{pairs} pairs · about {duration(found.seconds)} on this machine"
    if found.guessed:
        text += f" (a guess for {', '.join(found.guessed)}: not timed here yet)"
    if not found.size_known:
        text += " (a guess: its pictures vary in size)"
    return f'<p class="ev-estimate">{escape(text)}</p>{note(limits)}'


# ---------------------------------------------------------------- while it runs


def live_bar(found: Snapshot) -> str:
    """Progress of a run."""
    if found.state in ("queued", "elsewhere"):
        return progress(f"{found.words} {found.done} of {found.total} results.")
    if found.under_way:
        words = f"{found.done} of {found.total} results"
        if found.state == "stopping":
            words = f"{found.words} {words}"
        elif found.latest is None:
            words = f"Getting ready · {words}"
        elif found.seconds_left is not None:
            words += f" · {duration(found.seconds_left)} left"
        return progress(words, found.done / max(found.total, 1))
    kind = {"done": "done", "failed": "failed"}.get(found.state, "")
    return state(f"{found.words} {found.done} of {found.total} results.", kind)


def live_table(run: Run, rows: list[MethodSummary]) -> str:
    """Means of a run so far, in the order of its methods."""
    cells = [
        [
            row.method,
            f"{row.count + row.failed} of {run.benchmark.n}",
            number(row.scores.get("psnr_db") if row.count else None, 2),
            number(row.scores.get("ssim") if row.count else None, 4),
            number(row.seconds_per_megapixel, 2),
            str(row.failed or DASH),
        ]
        for row in rows
    ]
    heads = ["Method", "Pictures", "PSNR (dB)", "SSIM", "Seconds per megapixel", "Failed"]
    far = ", so far" if run.status != "done" else ""
    return table(heads, cells, f"{run.name}{far}, protocol {run.protocol}")


def latest(stored: StoredRun, row: SampleResult | None) -> str:
    """Thumbnails of the picture made last: input, output, target."""
    if row is None:
        return ""
    if row.error:
        return state(f"{row.pair}, {row.method}: {row.error}", "failed")
    parts = []
    for title, sha256 in (
        ("Input", row.degraded_sha256),
        (row.method, row.output_sha256),
        ("Target", row.target_sha256),
    ):
        path = stored.thumb(sha256) if sha256 else None
        if path is None or not path.is_file() or path.stat().st_size > MAX_THUMB_BYTES:
            continue
        data = base64.b64encode(path.read_bytes()).decode()
        parts.append(
            f'<figure><img src="data:image/jpeg;base64,{data}" alt="{escape(title)} of '
            f'{escape(row.pair)}"><figcaption>{escape(title)}</figcaption></figure>'
        )
    score = next(iter(row.scores.values()), None)
    words = f"Latest: {row.pair}, {row.method}"
    if score is not None:
        words += f" · {number(score.get('psnr_db'), 2)} dB · SSIM {number(score.get('ssim'), 4)}"
    return f'{facts(words)}<div class="ev-thumbs">{"".join(parts)}</div>'


# ---------------------------------------------------------------- a stored run


def run_head(found: Snapshot) -> str:
    """What a run is, in one line with what its numbers depend on."""
    run, bench = found.run, found.run.benchmark
    kind = "official pictures" if bench.official else "not the official pictures"
    damage = ", simulated damage" if bench.synthetic else ""
    line = (
        f"{found.state} · {bench.n} of {bench.of} pairs, seed {bench.seed} · "
        f"{len(run.methods)} methods · {kind}{damage} · protocol {', '.join(run.protocols)}"
    )
    where = (
        f"{run.created:%Y-%m-%d %H:%M} UTC · {run.environment.machine} · "
        f"{run.environment.device} · data {(run.data_sha256 or 'not complete')[:12]} · "
        f"revision {bench.revision[:12]} · commit {(run.environment.commit or 'unknown')[:10]}"
        + (" with changes" if run.environment.dirty else "")
    )
    warn = ""
    if found.state != "done":
        warn = note(f"{found.words} {found.done} of {found.total} results are here.", warn=True)
    return f'<h2 class="ev-title">{escape(run.name)}</h2>{facts(line)}{facts(where)}{warn}'


def best_words(board: "pd.DataFrame", baseline: str | None) -> str:
    """How to read the leaderboard."""
    words = (
        "Click a heading to sort, a row to see that method's worst pictures. "
        "Mean over pictures with its 95 % bootstrap interval. Best in bold. "
        "s/MP: seconds per megapixel."
    )
    if baseline:
        words += (
            f" Difference, p (Wilcoxon signed-rank, two-sided) and wins: paired with {baseline}, "
            "picture by picture, ties half a win; tied: the interval of the difference includes "
            "zero or p is at least 0.05; too few: fewer than 5 pictures."
        )
    failed, same = int(board.failed.sum()), int(board.identical.sum())
    if failed:
        words += f" {failed} results failed and are left out."
    if same:
        words += f" {same} results equal their target: their pictures leave every mean PSNR."
    warning = caution(board)
    return (note(warning, warn=True) if warning else "") + note(words)


def published_table(beside: "pd.DataFrame") -> str:
    """Published numbers with their protocols; those nobody could check are grey."""
    if beside.empty:
        return ""
    number_class = " class='ev-number'"
    body = ""
    for row in beside.to_dict("records"):
        style = "" if row["verified"] else ' class="ev-unverified"'
        cells = (
            number(row["psnr_db"], 2),
            number(row["ssim"], 4),
            row["protocol"],
            row["source"],
            row["evidence"],
        )
        year = "" if row["year"] != row["year"] or row["year"] is None else f" ({row['year']:.0f})"
        body += f'<tr{style}><th scope="row">{escape(str(row["method"]) + year)}</th>' + "".join(
            f"<td{number_class if place < 2 else ''}>{escape(str(text))}</td>"
            for place, text in enumerate(cells)
        )
        body += "</tr>"
    first = beside.iloc[0]
    told = (
        f"Published on {first.dataset}, each by its own protocol: they do not compare with the "
        f"numbers measured here ({first.measured_protocol}, {first.measured_pictures} pictures). "
        "Grey: unverified."
    )
    heads = "".join(
        f"<th scope='col'{number_class if place in (1, 2) else ''}>{text}</th>"
        for place, text in enumerate(
            ("Method", "PSNR (dB)", "SSIM", "Protocol", "Source", "Evidence")
        )
    )
    return (
        '<div class="mir-scroll" tabindex="0" role="region" aria-label="Published numbers">'
        f'<table class="mir-table ev-table"><caption>{escape(told)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def methods_table(run: Run) -> str:
    """What every method was: settings, weights, packages."""
    rows = [
        [
            method.id,
            method.title,
            f"{method.weights_sha256[:16]} …" if method.weights_sha256 else "no weights",
            " · ".join(f"{name} {value}" for name, value in method.settings.items()) or DASH,
            ", ".join(f"{name} {version}" for name, version in method.packages.items()) or DASH,
        ]
        for method in run.methods
    ]
    heads = ["Method", "Title", "Weights SHA-256", "Settings", "Packages"]
    return table(heads, rows, "How it was made", words=5)


# ---------------------------------------------------------------- pictures


def picture_numbers(rows: list[SampleResult], protocol: str, baseline: str | None) -> str:
    """Scores of every method on one picture."""
    base = next((row.scores.get(protocol) for row in rows if row.method == baseline), None)
    cells = []
    for row in rows:
        score = row.scores.get(protocol)
        paired = score and base and row.method != baseline
        gain = score["psnr_db"] - base["psnr_db"] if paired else None
        cells.append(
            [
                row.method,
                number(score.get("psnr_db") if score else None, 2),
                number(gain, 2, "+"),
                number(score.get("ssim") if score else None, 4),
                number(row.seconds, 2),
                f"{row.width} × {row.height}" if row.width else DASH,
                row.error or (f"{row.tiles} tiles" if (row.tiles or 1) > 1 else ""),
            ]
        )
    against = f"Gain over {baseline} (dB)" if baseline else "Gain (dB)"
    heads = ["Method", "PSNR (dB)", against, "SSIM", "Seconds", "Pixels", "Remarks"]
    if not any(cell[-1] for cell in cells):
        heads, cells = heads[:-1], [cell[:-1] for cell in cells]
    return table(heads, cells, f"This picture, protocol {protocol}")


def strip(
    tiny: list[Thumbnail], current: str, method: str, metric: str, against: str | None = None
) -> str:
    """Small pictures to choose from; nothing where none of them is stored.

    Args:
        tiny: From `pictures.strip_of`.
        current: The pair that is open.
        method: Whose scores they have.
        metric: Which of its scores.
        against: The method whose scores were taken away from these.
    """
    if not any(one.image for one in tiny):
        return ""
    sign = "+" if against else ""
    parts = []
    for one in tiny:
        data = base64.b64encode(one.image or b"").decode()
        shown = f'<img src="data:image/jpeg;base64,{data}" alt="">' if data else "<i></i>"
        here = ' aria-current="true"' if one.pair == current else ""
        name, score = escape(one.pair), METRICS[metric].text(one.score, sign)
        parts.append(
            f'<button type="button" data-pair="{name}" title="{name}"{here} '
            f'aria-label="{name}, {score}">{shown}<span>{score}</span></button>'
        )
    what = f"the lead of {method} over {against}" if against else f"the score of {method}"
    label = escape(f"Pictures to choose from, with {what}")
    shown = f'<div class="ev-strip" role="group" aria-label="{label}">{"".join(parts)}</div>'
    return shown + (facts(f"By how much {method} leads {against}.") if against else "")


def heat_legend(scale: int) -> str:
    """The scale of the error maps."""
    return (
        '<div class="ev-legend"><span>0</span><i role="img" aria-label="from black over red to '
        f'yellow"></i><span>{scale} of 255 and more</span></div>'
        + facts(
            "Mean absolute difference from the target over the three channels, one scale for all."
        )
    )


# ---------------------------------------------------------------- two runs, checks


def comparison(found: "RunComparison") -> str:
    """What differs between two runs, and what changed."""
    summary = [
        [
            str(row["method"]),
            str(row["pairs"]),
            number(row["change_db"], 3, "+"),
            f"{number(row['low'], 3, '+')} to {number(row['high'], 3, '+')}",
            "< 0.001" if row["p_value"] < 0.001 else number(row["p_value"], 3),
            _verdict(row),
            str(row["same_outputs"]),
        ]
        for row in found.summary.to_dict("records")
    ]
    heads = ["Method", "Pairs", "Change (dB)", "95 % interval", "p", "Verdict", "Equal to the bit"]
    if summary:
        text = table(heads, summary, f"From the stored run to the second one, {found.protocol}")
        warning = stats.caution(int(found.summary.pairs.max()))
        text += note(warning, warn=True) if warning else ""
    else:
        text = note("The two runs have no picture and method in common.", warn=True)
    if found.left_out:
        text += note(
            f"{found.left_out} pairs have the same id and other files: they are not compared.",
            warn=True,
        )
    rows = [[row["what"], row["a"], row["b"]] for row in found.differences.to_dict("records")]
    if rows:
        return text + table(
            ["What", found.a.id, found.b.id], rows, "What differs in how they were made", words=3
        )
    return text + note("They were made alike: no weights, settings, versions or data differ.")


def _verdict(row: dict[str, Any]) -> str:
    """Whether a method does better in the second run."""
    if row["pairs"] and row["same_outputs"] >= row["pairs"]:
        return "same"
    return str(row["verdict"]) or DASH


def findings(rows: "list[Finding]", *, complete: bool) -> str:
    """What recomputing a sample of a run showed."""
    cells = [[row.pair, row.method, row.what, row.outcome, row.detail] for row in rows]
    wrong = sum(row.outcome == "differs" for row in rows)
    unknown = sum(row.outcome == "cannot be checked" for row in rows)
    if not complete:
        head = progress(f"Recomputing · {len(rows)} checks so far")
    elif wrong:
        head = state(f"{wrong} of {len(rows)} checks differ from what is stored.", "failed")
    elif unknown:
        head = state(f"No check differs; {unknown} of {len(rows)} could not be made.")
    else:
        head = state(f"All {len(rows)} checks agree with what is stored.", "done")
    heads = ["Pair", "Method", "What", "Outcome", "Detail"]
    return head + (table(heads, cells, "Checks", words=5) if cells else "")


def safely(words: MIRNetError) -> str:
    """One of our sentences as a state of the page."""
    return state(str(words), "failed")
