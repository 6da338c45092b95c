"""HTML of the current run: progress, means so far, and the newest result."""

import base64
from math import nan

from markupsafe import Markup

from eval.analysis.pictures import MAX_THUMB_BYTES
from eval.app.page_files import TEMPLATES
from eval.app.run_status import Snapshot
from eval.runs.document import MethodSummary, Run, SampleResult
from eval.runs.store import StoredRun
from mirnet.app.kit import html as kit
from mirnet.metrics.protocols import shown_metrics
from mirnet.metrics.registry import metrics_in


def progress_bar(found: Snapshot) -> Markup:
    """Progress of a running run, or the state of one that has ended."""
    results = f"{found.done} of {found.total} results"
    if found.state in ("queued", "elsewhere"):
        return kit.progress(f"{found.words} {results}.")
    if not found.under_way:
        kind = found.state if found.state in ("done", "failed") else ""
        return kit.state(f"{found.words} {results}.", kind)
    if found.state == "stopping":
        words = f"{found.words} {results}"
    elif found.latest is None:
        words = f"Getting ready · {results}"
    elif found.seconds_left is not None:
        words = f"{results} · {kit.duration(found.seconds_left)} left"
    else:
        words = results
    return kit.progress(words, found.done / max(found.total, 1))


def means_table(run: Run, rows: list[MethodSummary]) -> Markup:
    """Means of a run so far, in the order of its methods."""
    metrics = shown_metrics(run.protocol)
    cells = [
        [
            row.method,
            f"{row.count + row.failed} of {run.benchmark.n}",
            *(
                metric.number(row.scores.get(metric.key, nan) if row.count else nan)
                for metric in metrics
            ),
            kit.number(row.seconds_per_megapixel, 2),
            str(row.failed or kit.DASH),
        ]
        for row in rows
    ]
    labels = [metric.label for metric in metrics]
    heads = ["Method", "Pictures", *labels, "Seconds per megapixel", "Failed"]
    so_far = "" if run.status == "done" else ", so far"
    return kit.table(heads, cells, f"{run.name}{so_far}, protocol {run.protocol}")


def newest_result(stored: StoredRun, row: SampleResult) -> Markup:
    """Thumbnails of input, output and target of the newest result, with its scores."""
    if row.error:
        return kit.state(f"{row.pair}, {row.method}: {row.error}", "failed")
    thumbs = []
    for title, sha256 in (
        ("Input", row.degraded_sha256),
        (row.method, row.output_sha256),
        ("Target", row.target_sha256),
    ):
        path = stored.thumb(sha256) if sha256 else None
        if path is None or not path.is_file() or path.stat().st_size > MAX_THUMB_BYTES:
            continue
        thumbs.append((title, base64.b64encode(path.read_bytes()).decode()))
    words = f"Latest: {row.pair}, {row.method}"
    score = next(iter(row.scores.values()), None)
    if score is not None:
        known = [metric for metric in metrics_in(score) if metric.key in score]
        words += "".join(f" · {metric.title} {metric.text(score[metric.key])}" for metric in known)
    return kit.facts(words) + TEMPLATES.render("thumbs", thumbs=thumbs, pair=row.pair)
