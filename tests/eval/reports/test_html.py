"""The HTML report: complete, escaped, and silent on the network."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from eval.analysis.plots import PLOTS
from eval.reports.html import MAX_THUMB_BYTES, html_report
from eval.runs.document import SampleResult
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, sha, write_run

EVIL = "\"><script>alert('x')</script><img src=x onerror=alert(1)>"


def without_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def scripts(page: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)


def test_the_report_holds_the_run(tmp_path):
    stored = write_run(tmp_path, pairs=5, title="My run")
    page = without_scripts(html_report(stored))
    for words in (
        "My run",
        stored.id,
        "rgb/1",
        "PSNR over all RGB values",
        sha("weights of ours"),
        sha("data"),
        "a" * 40,
        "c" * 40,
        "test processor",
        "torch 2.8.0",
        "5,858,560",
        "Published numbers, not measured here",
        "restated by a paper: “",
        "PyTorch code use it by default",
        "With only 5 pictures, these intervals understate the uncertainty",
        "official leads by",
        "corrected for the methods (Holm)",
    ):
        assert words in page, words
    assert page.count('class="unverified"') > 3
    assert html_report(stored) == html_report(stored)


def test_only_the_two_scripts_named_by_hash_may_run(tmp_path):
    page = html_report(write_run(tmp_path))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy))
    found = {
        f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
        for script in scripts(page)
    }
    assert len(found) == 2 and found == allowed
    assert "unsafe-eval" not in policy and "http" not in policy


def test_nothing_outside_is_asked_for(tmp_path):
    page = without_scripts(html_report(write_run(tmp_path, thumbs=True)))
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["'](?!data:)""", page)
    assert not re.search(r"@import|url\(", page)


def test_words_from_outside_are_escaped_everywhere(tmp_path):
    methods = (method("identity"), method(f"m{EVIL}", title=EVIL, settings={EVIL: EVIL}))
    rows = [SampleResult(pair=f"p{EVIL}", method=f"m{EVIL}", error=EVIL)]
    stored = write_run(
        tmp_path,
        methods=methods,
        rows=rows,
        title=EVIL,
        error=EVIL,
        benchmark__title=EVIL,
        benchmark__revision=EVIL,
        status="failed",
    )
    page = html_report(stored)
    assert "<script>alert" not in page and "<img src=x" not in page
    assert page.count("<script") == 3 + sum(script.count("<script") for script in scripts(page))


def test_figure_data_cannot_leave_its_script(tmp_path):
    methods = (method("identity"), method("</script><script>alert(1)</script>"))
    page = html_report(write_run(tmp_path, methods=methods))
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page)[1]
    figures = json.loads(data)
    assert len(figures) == 7 and all(figure["data"] for figure in figures)
    assert len(re.findall(r'id="figure-\d+"', page)) == 7


def test_a_new_figure_reaches_the_report(tmp_path, monkeypatch):
    extra = replace(PLOTS["cumulative"], title="Extra")
    monkeypatch.setitem(PLOTS, "extra", extra)
    page = html_report(write_run(tmp_path))
    assert len(re.findall(r'id="figure-\d+"', page)) == 8


def test_thumbnails_are_few_small_and_inline(tmp_path):
    stored = write_run(tmp_path, pairs=20, thumbs=True)
    page = html_report(stored)
    pictures = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == (3 + 3) * (4 + 2)
    assert base64.b64decode(pictures[0]).startswith(b"\xff\xd8\xff")
    first = sorted((stored.folder / "thumbs").iterdir())
    for path in first:
        path.write_bytes(b"\xff\xd8\xff" + bytes(MAX_THUMB_BYTES))
    assert "<img" not in without_scripts(html_report(stored))
    for path in first:
        path.write_bytes(b"<svg onload=alert(1)>")
    assert "<img" not in without_scripts(html_report(stored))


def test_what_a_run_is_not_is_told(tmp_path):
    stored = write_run(
        tmp_path,
        benchmark__synthetic=True,
        benchmark__official=False,
        benchmark__source={"kind": "zip"},
        status="stopped",
    )
    page = without_scripts(html_report(stored))
    for words in ("synthetic degradation", "not the official pictures", "stopped"):
        assert words in page
    assert "Published numbers, not measured here" not in page


def test_a_run_that_has_just_begun_makes_a_page(tmp_path):
    stored = write_run(tmp_path, rows=[], data_sha256=None, status="running")
    page = without_scripts(html_report(stored))
    assert "none yet" in page and "running: not all pairs" in page


def test_an_unknown_baseline_is_refused(tmp_path):
    with pytest.raises(InvalidRequest, match="no method 'nobody'"):
        html_report(write_run(tmp_path), baseline="nobody")
