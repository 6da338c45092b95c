"""HTML of the Pictures view: scores of one picture, the strip of thumbnails, the error scale."""

import base64
from collections.abc import Mapping
from math import nan

from markupsafe import Markup

from eval.analysis.pictures import STAGE_PX, Thumbnail
from eval.analysis.score_tables import RANKING
from eval.app.page_files import TEMPLATES
from eval.app.view_state import ViewState
from eval.runs.document import SampleResult, SampleScore
from mirnet.app.kit import html as kit
from mirnet.metrics.protocols import shown_metrics
from mirnet.metrics.registry import Metric, get_metric


def picture_scores(
    rows: list[SampleResult], protocol: str, baseline: str | None, titles: Mapping[str, str]
) -> Markup:
    """Scores of every method on one picture.

    Args:
        rows: Results of all methods on the pair.
        protocol: Name of the protocol with its version.
        baseline: Id of the method that gains are relative to.
        titles: Names of the methods by id.
    """
    metrics = shown_metrics(protocol)
    base = next((row.scores.get(protocol) for row in rows if row.method == baseline), None)
    cells = []
    for row in rows:
        score = row.scores.get(protocol)
        gain = nan
        if score and base and row.method != baseline:
            gain = RANKING.gain(score[RANKING.key], base[RANKING.key])
        cells.append(
            [
                titles[row.method],
                *_scores(metrics, score or {}, gain),
                kit.number(row.seconds, 2),
                f"{row.width} × {row.height}" if row.width else kit.DASH,
                row.error or (f"{row.tiles} tiles" if (row.tiles or 1) > 1 else ""),
            ]
        )
    against = f"Gain over {titles[baseline]} (dB)" if baseline else "Gain (dB)"
    first, *others = [metric.label for metric in metrics]
    heads = ["Method", first, against, *others, "Seconds", "Pixels", "Remarks"]
    return kit.table(*kit.without_empty_columns(heads, cells), f"This picture, protocol {protocol}")


def _scores(metrics: list[Metric], score: SampleScore, gain: float) -> list[str]:
    """The score that methods are ranked by, its gain, and all other scores."""
    texts = [metric.number(score.get(metric.key, nan)) for metric in metrics]
    return [texts[0], RANKING.number(gain, "+"), *texts[1:]]


def strip(
    thumbnails: list[Thumbnail],
    current: str,
    method: str,
    metric: str,
    against: str | None = None,
) -> Markup:
    """Thumbnails to choose the next picture from; empty where none is stored.

    Args:
        thumbnails: Thumbnails from `eval.analysis.pictures.strip_of`.
        current: Id of the open pair.
        method: Name of the method whose scores are shown.
        metric: Key of the score.
        against: Name of the method whose scores were subtracted.
    """
    if not any(one.image for one in thumbnails):
        return Markup("")
    buttons = [
        {
            "pair": one.pair,
            "jpeg": base64.b64encode(one.image or b"").decode(),
            "score": get_metric(metric).text(one.score, "+" if against else ""),
        }
        for one in thumbnails
    ]
    return TEMPLATES.render(
        "strip", buttons=buttons, current=current, method=method, against=against
    )


def stage_words(
    state: ViewState,
    scale: int | None,
    sides: list[str],
    *,
    has_target: bool,
    full: tuple[int, ...],
) -> Markup:
    """Words under the pictures, and the place that the browser zooms to.

    Args:
        state: State of the view; its zoom and place are gone to.
        scale: Level of 255 that error maps draw brightest; None where there are none.
        sides: Titles of the pictures on both sides of the wipe's line; [] in other layouts.
        has_target: Whether the pair has a target.
        full: Height and width of the stored pictures.
    """
    words = ""
    if state.layout == "error" and not has_target:
        words = "This pair has no target, so there is no error to show."
    reduced = max(full) > STAGE_PX
    return TEMPLATES.render(
        "stage_words", state=state, scale=scale, sides=sides, words=words, reduced=reduced,
        most=STAGE_PX, full=full,
    )  # fmt: skip
