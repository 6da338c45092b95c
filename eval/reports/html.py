"""One run as one HTML file that needs nothing else: figures, pictures, hashes, published numbers.

The file asks no other machine for anything, and its policy (CSP) forbids it to. Two scripts may
run, named by their hashes: plotly.js and the few lines that draw; figures are data, not code. Every
word from outside is escaped by jinja2.
"""

import base64
import hashlib
import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any

from eval.analysis import plots
from eval.analysis import tables as compare
from eval.analysis.published import published_beside
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.metrics.protocols import PROTOCOLS

from .export import board_cells, provenance

if TYPE_CHECKING:
    import pandas as pd

PICTURE_ROWS = 3
"""Pairs shown from each end of the ranking."""
PICTURE_METHODS = 6
"""Methods shown for each of them."""
MAX_THUMB_BYTES = 100_000
"""Larger thumbnails are left out."""


def html_report(stored: StoredRun, baseline: str | None = None) -> str:
    """Write a run as a self-contained page.

    Args:
        stored: The run; one under way is shown as far as it is.
        baseline: Method that the others are paired with. Where none is given, the table takes
            `compare.default_baseline` and the paired figures the two methods that rank first.

    Returns:
        HTML of about 5 MB, nearly all of it plotly.js; the same for the same run.

    Raises:
        InvalidRequest: The run has no such method, or is damaged.
    """
    from plotly.offline import get_plotlyjs

    run = stored.header()
    against = baseline or compare.default_baseline(run)
    scores = compare.scores_frame(stored)
    board = compare.leaderboard(stored, against, scores=scores)
    beside = published_beside(run)
    figures = _figures(scores, board, beside, baseline)
    library = get_plotlyjs()
    policy = (
        "default-src 'none'; "
        f"script-src '{_csp_hash(library)}' '{_csp_hash(_DRAW)}'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return _template().render(
        run=run,
        policy=policy,
        style=_STYLE,
        library=library,
        draw=_DRAW,
        meaning=_meaning(run.protocol),
        facts=provenance(run, run.protocol),
        rows=list(zip(board_cells(board), board.to_dict("records"), strict=True)),
        best=_best(board),
        baseline=against,
        caution=compare.caution(board),
        left_out=int(board.identical.sum()),
        errors=_errors(scores),
        figures=[json.loads(figure.to_json()) for figure in figures],
        ends=_ends(stored, run, scores, board),
        beside=[_published_cells(row) for row in beside.to_dict("records")],
        settings={m.id: json.dumps(m.settings, sort_keys=True) for m in run.methods},
    )


def _csp_hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _meaning(protocol: str) -> str:
    name, _, version = protocol.partition("/")
    known = PROTOCOLS.get(name)
    if known is None or str(known.version) != version:
        return "This version of the project does not know the protocol."
    return f"{known.title}. {known.meaning} After {known.follows}."


def _figures(
    scores: "pd.DataFrame",
    board: "pd.DataFrame",
    beside: "pd.DataFrame",
    baseline: str | None,
) -> list[Any]:
    figures = [
        plots.distribution(scores, compare.quartiles(scores)),
        plots.quality_speed(board),
        plots.cumulative(compare.cumulative(scores)),
    ]
    ranked = [str(name) for name in board.method]
    if len(ranked) > 1:
        leader = next(name for name in ranked if name != baseline)
        rival = baseline or ranked[1]
        paired = compare.paired_scores(scores, rival, leader)
        figures += [plots.scatter(paired), plots.differences(paired)]
        figures.append(plots.against_input(compare.input_quality(scores)))
    if len(beside):
        figures.append(plots.published(beside, board))
    return figures


def _best(board: "pd.DataFrame") -> dict[str, float]:
    """The highest mean of each column, to be set in bold."""
    return {metric: board[metric].max() for metric in ("psnr_db", "ssim")}


def _errors(scores: "pd.DataFrame") -> list[dict[str, Any]]:
    failed = scores[scores.error.notna()]
    counts = failed.groupby(["method", "error"], observed=True).size().reset_index(name="pictures")
    return counts.head(20).to_dict("records")


def _published_cells(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": row["method"],
        "year": "–" if row["year"] is None or row["year"] != row["year"] else int(row["year"]),
        "psnr": f"{row['psnr_db']:.2f}" if math.isfinite(row["psnr_db"]) else "–",
        "ssim": f"{row['ssim']:.3f}" if math.isfinite(row["ssim"]) else "–",
        "protocol": row["protocol"],
        "measured_protocol": row["measured_protocol"],
        "source": row["source"],
        "evidence": row["evidence"],
        "verified": row["verified"],
    }


# ---------------------------------------------------------------- pictures


def _ends(
    stored: StoredRun, run: Run, scores: "pd.DataFrame", board: "pd.DataFrame"
) -> list[dict[str, Any]]:
    """The worst and best pictures of the method that ranks first, with every method's result."""
    leader = next(
        (str(row.method) for row in board.itertuples() if math.isfinite(row.psnr_db)), None
    )
    if leader is None:
        return []
    shown = [method.id for method in run.methods][:PICTURE_METHODS]
    worst = compare.worst(scores, leader, PICTURE_ROWS)
    best = compare.best(scores, leader, PICTURE_ROWS)
    best = best[~best.pair.isin(worst.pair)]
    wanted = scores[scores.pair.isin([*worst.pair, *best.pair])]
    of_pair = dict(list(wanted.groupby("pair")))
    return [
        {
            "title": f"{words} of {leader}",
            "pairs": [_pictures(stored, pair, of_pair[pair], shown) for pair in rows.pair],
        }
        for words, rows in (("Worst pictures", worst), ("Best pictures", best))
        if len(rows)
    ]


def _pictures(
    stored: StoredRun, pair: str, rows: "pd.DataFrame", shown: list[str]
) -> dict[str, Any]:
    by_method = {str(row["method"]): row for row in rows.to_dict("records")}
    first = next(iter(by_method.values()))
    cells = [{"name": "input", "score": "", "image": _thumb(stored, first["degraded_sha256"])}]
    for name in shown:
        row = by_method.get(name)
        if row is not None:
            score = _score(row["psnr_db"], row["ssim"]) if row["error"] is None else "failed"
            image = _thumb(stored, row["output_sha256"])
            cells.append({"name": name, "score": score, "image": image})
    cells.append({"name": "target", "score": "", "image": _thumb(stored, first["target_sha256"])})
    return {"id": pair, "cells": cells}


def _score(psnr_db: float, ssim: float) -> str:
    if math.isnan(psnr_db):
        return "not scored"
    psnr = "identical" if math.isinf(psnr_db) else f"{psnr_db:.2f} dB"
    return f"{psnr} · {ssim:.4f}"


def _thumb(stored: StoredRun, sha256: Any) -> str | None:
    """A thumbnail as data URI, or None where none lies there or it is no small JPEG."""
    if not isinstance(sha256, str):
        return None
    path = stored.thumb(sha256)
    try:
        if path.stat().st_size > MAX_THUMB_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


# ---------------------------------------------------------------- the page


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_PAGE)


_DRAW = """
const figures = JSON.parse(document.getElementById('figures').textContent);
const options = {responsive: true, displaylogo: false};
figures.forEach((figure, number) => {
  const place = document.getElementById('figure-' + number);
  Plotly.newPlot(place, figure.data, figure.layout, options);
});
addEventListener('beforeprint', () => {
  document.querySelectorAll('.js-plotly-plot').forEach((plot) => Plotly.Plots.resize(plot));
});
"""

_STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f8; --ink: #1b1f24; --soft: #5a6270; --line: #dfe3e8;
  --accent: #0064a0; --warn: #8a4b00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --panel: #1c2026; --ink: #e8eaed; --soft: #a2abb8; --line: #333a44;
    --accent: #6cb8ea; --warn: #f0b36b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1180px; padding: 32px 24px 64px; background: var(--ground);
  color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums;
}
header { border-bottom: 1px solid var(--line); padding-bottom: 16px; }
h1 { font-size: 26px; line-height: 1.25; letter-spacing: -0.01em; margin: 0 0 4px;
  overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 40px 0 8px; }
h3 { font-size: 15px; margin: 24px 0 8px; }
p { margin: 4px 0 12px; max-width: 76ch; }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 99px;
  padding: 0 9px; font-size: 12.5px; margin-right: 4px; color: var(--soft); }
.badge.warn { color: var(--warn); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 7px 9px; text-align: right; white-space: nowrap; vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: 13px; background: var(--panel); }
tbody tr + tr td, tbody tr + tr th { border-top: 1px solid var(--line); }
th:first-child, td:first-child, .words th, .words td { text-align: left; }
td:first-child { position: sticky; left: 0; background: var(--ground); font-weight: 600;
  min-width: 120px; max-width: 38vw; overflow-wrap: anywhere; white-space: normal; }
.words td { white-space: normal; overflow-wrap: anywhere; }
.words td.number, .words th.number { text-align: right; white-space: nowrap; }
.words td { min-width: 130px; }
.words td.number { min-width: 0; }
.words td.long { min-width: 220px; }
.unverified td { color: var(--soft); font-style: italic; font-weight: 400; }
code { font: 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 12px 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
.figure { border: 1px solid var(--line); border-radius: 8px; padding: 12px 8px 4px; min-width: 0; }
.figure:last-child:nth-child(odd) { grid-column: 1 / -1; }
.figure .main-svg text { fill: var(--ink) !important; }
.pair { margin: 0 0 20px; }
.pair h4 { margin: 0 0 6px; font-size: 13px; font-weight: 600; overflow-wrap: anywhere; }
.cells { display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: 8px; }
figure { margin: 0; }
figure img, .absent { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: contain;
  background: var(--panel); border-radius: 4px; }
.absent { display: grid; place-items: center; color: var(--soft); font-size: 13px; }
figcaption { font-size: 12.5px; color: var(--soft); overflow-wrap: anywhere; }
figcaption b { color: var(--ink); font-weight: 600; }
@media (max-width: 760px) {
  body { padding: 20px 14px 40px; }
  .figures { grid-template-columns: minmax(0, 1fr); }
  .cells { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 8px; }
}
@media print {
  :root { --ground: #fff; --panel: #f3f3f3; --ink: #000; --soft: #444; --line: #bbb; }
  body { max-width: none; padding: 0; font-size: 11px; }
  .wide { overflow: visible; border: 0; }
  th, td { padding: 3px 5px; font-size: 9.5px; white-space: normal; }
  .modebar { display: none !important; }
  .figure, .pair, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ run.name }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<header>
<h1>{{ run.name }}</h1>
<p class="soft">Restored pictures scored against their targets ·
{{ run.benchmark.n }} of {{ run.benchmark.of }} pairs · {{ run.methods | length }} methods ·
{{ run.created.strftime("%Y-%m-%d %H:%M") }} UTC</p>
<span class="badge">{{ run.task }}</span>
<span class="badge">{{ run.protocol }}</span>
{% if run.status != "done" %}
<span class="badge warn">{{ run.status }}: not all pairs</span>
{% endif %}
{% if run.benchmark.synthetic %}<span class="badge warn">synthetic degradation</span>{% endif %}
{% if not run.benchmark.official %}
<span class="badge warn">not the pictures that papers report on</span>
{% endif %}
{% if run.environment.dirty %}<span class="badge warn">uncommitted changes</span>{% endif %}
{% if run.error %}<p class="small">{{ run.error }}</p>{% endif %}
</header>
<main>

<section>
<h2>Leaderboard</h2>
<p class="soft small"><b>{{ run.protocol }}</b>: {{ meaning }}</p>
<div class="wide" tabindex="0" role="region" aria-label="Leaderboard">
<table>
<thead><tr><th scope="col">Method</th><th scope="col">PSNR (dB)</th>
<th scope="col">95 % interval</th><th scope="col">SSIM</th>
{% if baseline %}<th scope="col">Difference to {{ baseline }} (dB)</th><th scope="col">p</th>
<th scope="col">Wins</th>{% endif %}
<th scope="col">s/MP</th><th scope="col">Parameters</th><th scope="col">Scored</th>
<th scope="col">Failed</th><th scope="col">Identical</th></tr></thead>
<tbody>
{% for cells, row in rows %}
<tr><td>{{ cells["Method"] }}</td>
<td>{% if row.psnr_db == best.psnr_db %}<b>{{ cells["PSNR (dB)"] }}</b>
{% else %}{{ cells["PSNR (dB)"] }}{% endif %}</td>
<td>{{ cells["95 % interval"] }}</td>
<td>{% if row.ssim == best.ssim %}<b>{{ cells["SSIM"] }}</b>
{% else %}{{ cells["SSIM"] }}{% endif %}</td>
{% if baseline %}<td>{{ cells["Difference (dB)"] }}</td><td>{{ cells["p"] }}</td>
<td>{{ cells["Wins"] }}</td>{% endif %}
<td>{{ cells["s/MP"] }}</td><td>{{ cells["Parameters"] }}</td><td>{{ cells["Scored"] }}</td>
<td>{{ cells["Failed"] }}</td><td>{{ cells["Identical"] }}</td></tr>
{% endfor %}
</tbody></table></div>
<p class="soft small">Means over pictures with their 95 % bootstrap interval; s/MP: seconds per
megapixel on the machine below.
{% if baseline %}Difference, p (Wilcoxon signed-rank, two-sided) and wins are paired by picture with
{{ baseline }}; "tied" where the interval of the difference includes zero.{% endif %}
{% if caution %} {{ caution }}{% endif %}
{% if left_out %}Pictures identical to their target have an infinite PSNR: they are counted and left
out of its mean.{% endif %}</p>
{% if errors %}
<h3>Failures</h3>
<ul class="small">{% for error in errors %}
<li>{{ error.method }}, {{ error.pictures }} pictures: {{ error.error }}</li>
{% endfor %}</ul>
{% endif %}
</section>

<section>
<h2>Figures</h2>
<div class="figures">
{% for figure in figures %}<div class="figure"><div id="figure-{{ loop.index0 }}"
style="height: {{ figure.layout.height }}px"></div></div>
{% endfor %}
</div>
<noscript><p>The figures need JavaScript; all else is here without it.</p></noscript>
</section>

{% for end in ends %}
<section>
<h2>{{ end.title }}</h2>
{% for pair in end.pairs %}
<div class="pair"><h4>{{ pair.id }}</h4><div class="cells">
{% for cell in pair.cells %}
<figure>{% if cell.image %}<img src="{{ cell.image }}" alt="{{ pair.id }}, {{ cell.name }}">
{% else %}<div class="absent">no thumbnail</div>{% endif %}
<figcaption><b>{{ cell.name }}</b> {{ cell.score }}</figcaption></figure>
{% endfor %}
</div></div>
{% endfor %}
<p class="soft small">Thumbnails: small, lossy copies. PSNR and SSIM are of the full pictures.</p>
</section>
{% endfor %}

{% if beside %}
<section>
<h2>Published numbers, not measured here</h2>
<p>As papers and repositories give them for this data set, each under its own protocol. Those
measured above follow {{ run.protocol }} on {{ run.benchmark.n }} of {{ run.benchmark.of }} pairs:
where protocols differ, so do the numbers, by more than a decibel. Grey and slanted: nobody has
read the number in text.</p>
<div class="wide" tabindex="0" role="region" aria-label="Published numbers">
<table class="words"><thead><tr><th scope="col">Method</th><th scope="col" class="number">Year</th>
<th scope="col" class="number">PSNR (dB)</th><th scope="col" class="number">SSIM</th>
<th scope="col">Published under</th><th scope="col">Source</th><th scope="col">Evidence</th></tr>
</thead><tbody>
{% for row in beside %}
<tr{% if not row.verified %} class="unverified"{% endif %}><td>{{ row.method }}</td>
<td class="number">{{ row.year }}</td><td class="number">{{ row.psnr }}</td>
<td class="number">{{ row.ssim }}</td><td class="long">{{ row.protocol }}</td>
<td class="long">{{ row.source }}</td><td>{{ row.evidence }}</td></tr>
{% endfor %}
</tbody></table></div>
</section>
{% endif %}

<section>
<h2>How it was made</h2>
<dl>{% for what, value in facts.items() %}<dt>{{ what }}</dt><dd><code>{{ value }}</code></dd>
{% endfor %}
<dt>Other protocols in the run</dt><dd>{{ run.protocols[1:] | join(", ") or "none" }}</dd></dl>

<h3>Methods</h3>
<div class="wide" tabindex="0" role="region" aria-label="Methods">
<table class="words"><thead><tr><th scope="col">Method</th><th scope="col">Title</th>
<th scope="col">Kind</th><th scope="col">Weights SHA-256</th><th scope="col">Settings</th>
<th scope="col">Packages</th></tr></thead><tbody>
{% for method in run.methods %}
<tr><td>{{ method.id }}</td><td>{{ method.title }}</td><td>{{ method.kind }}</td>
<td class="long"><code>{{ method.weights_sha256 or "no weights" }}</code></td>
<td class="long"><code>{{ settings[method.id] }}</code></td>
<td>{% for name, version in method.packages.items() %}{{ name }} {{ version }} {% else %}–
{% endfor %}</td></tr>
{% endfor %}
</tbody></table></div>

<h3>Environment</h3>
<dl>
<dt>Machine</dt><dd>{{ run.environment.machine }}, {{ run.environment.device }},
{{ run.environment.threads }} threads</dd>
<dt>Commit</dt><dd><code>{{ run.environment.commit or "not from a checkout" }}</code>
{% if run.environment.dirty %}with uncommitted changes{% endif %}</dd>
<dt>Python</dt><dd>{{ run.environment.python }}</dd>
<dt>Packages</dt><dd>{% for name, version in run.environment.packages.items() %}
{{ name }} {{ version }}{{ "" if loop.last else "," }} {% endfor %}</dd>
</dl>
</section>
</main>
<script type="application/json" id="figures">{{ figures | tojson }}</script>
<script>{{ library | safe }}</script>
<script>{{ draw | safe }}</script>
</body>
</html>
"""
