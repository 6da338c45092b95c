"""Hostile words in every field of every stored document, through every export and every view.

Fields, formats, plots, views and commands are enumerated, so that a new one is attacked by itself;
fields that take no free text are named in `hostile_runs.KEPT`. Exports are read back as their
readers do.
"""

import ast
import csv
import html.parser
import io
import re
import shlex
import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import markdown_it
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from eval.analysis.csv_tables import FORMULA_STARTS, csv_text
from eval.analysis.plots import PLOTS, draw
from eval.analysis.run_comparison import compare_runs
from eval.analysis.slices import compare_in_slices
from eval.analysis.table_cache import TableCache
from eval.app.downloads import FORMATS
from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view_state import PICTURE_LAYOUTS, ViewState
from eval.app.votes_view import NOT_COUNTED
from eval.cli.main import app
from eval.reports import comparison_export, crops, export
from eval.reports.eval_results import eval_results
from eval.reports.html import html_report
from eval.reports.repeat import repeat_commands
from eval.review.metric_agreement import metric_agreement
from eval.review.votes import votes_table
from eval.runs.store import RunStore, StoredRun
from eval.runs.verify import Finding
from tests.support.hostile_runs import ATTACKS, FORMULAS, OTHER, RUN, hostile_run
from tests.support.paths import ROOT

gr = pytest.importorskip("gradio")
pytestmark = pytest.mark.filterwarnings("ignore:Glyph:UserWarning")

WRITERS = {
    "csv_text": {"comparison_export", "export", "plots_view", "review", "slices", "slices_view",
                 "votes_view"},
    "to_csv": {"csv_tables"},
    "to_latex": {"comparison_export", "export"},
    "to_markdown": {"export"},
    "to_parquet": {"export", "table_cache"},
    "yaml_dump": {"eval_results", "model_index"},
    "savemat": {"submissions"},
}  # fmt: skip
"""Functions that write files, with the modules of `eval` that call them; `all_files` has each."""


@pytest.fixture(scope="module", params=ATTACKS)
def stored(request, tmp_path_factory) -> StoredRun:
    """The run of an attack, with another one beside it."""
    folder = tmp_path_factory.mktemp("runs")
    hostile_run(folder, ATTACKS[request.param], OTHER)
    return hostile_run(folder, ATTACKS[request.param], RUN)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory) -> StoredRun:
    """The same run without an attack."""
    folder = tmp_path_factory.mktemp("harmless")
    hostile_run(folder, "a ", OTHER)
    return hostile_run(folder, "a ", RUN)


# ---------------------------------------------------------------- exports


def all_files(stored: StoredRun) -> Iterator[tuple[str, bytes]]:
    """Every file that the project writes of a run, with its name."""
    yield from tables_of_cells(stored)
    for kind, suffix in export.SUFFIXES.items():
        if suffix != ".csv":
            yield f"{kind}{suffix}", export.export(stored, kind)
    yield "report.html", html_report(stored).encode()
    found = compare_runs([stored, StoredRun(stored.folder.parent / OTHER)])
    yield "comparison.tex", comparison_export.export_comparison(found, "latex")
    for kind in crops.FORMATS:
        box = crops.Box(2, 2, 20, 20)
        yield f"crop.{kind}", crops.publication_crop(stored, stored.pairs()[0], box, format=kind)
    for name, text in hub_files(stored).items():
        yield name, text.encode()


def tables_of_cells(stored: StoredRun) -> Iterator[tuple[str, bytes]]:
    """Every CSV file of a run, with its name."""
    for kind, suffix in export.SUFFIXES.items():
        if suffix == ".csv":
            yield f"{kind}{suffix}", export.export(stored, kind)
    found = compare_runs([stored, StoredRun(stored.folder.parent / OTHER)])
    for kind, suffix in comparison_export.SUFFIXES.items():
        if suffix == ".csv":
            yield f"comparison-{kind}.csv", comparison_export.export_comparison(found, kind)
    tables = TableCache()
    for plot in PLOTS:
        yield f"{plot}.csv", csv_text(draw(tables, stored, plot).table).encode()
    methods = [method.id for method in stored.header().methods]
    slices = compare_in_slices(stored, methods[0], methods[1])
    assert set(slices.fact) >= {"tag", "selection"} and len(slices) > 4
    yield "slices.csv", csv_text(slices).encode()
    votes, agreement = votes_table(stored), metric_agreement(stored)
    assert len(votes) > 4 and len(agreement)
    yield "votes.csv", csv_text(votes).encode()
    yield "metrics.csv", csv_text(agreement).encode()


def hub_files(stored: StoredRun) -> dict[str, str]:
    """Files for the Hub's community evaluations, as of a run of a benchmark that lies there."""
    run, before = stored.header(), (stored.folder / "run.json").read_bytes()
    on_hub = {"id": "lol", "folder": None, "source": {}}
    stored.write_header(
        run.model_copy(update={"benchmark": run.benchmark.model_copy(update=on_hub)})
    )
    rows = (stored.folder / "scores.jsonl").read_bytes()
    lines = rows.splitlines(keepends=True)
    (stored.folder / "scores.jsonl").write_bytes(b"".join(lines[:-1]))  # all pictures have results
    try:
        return eval_results(stored, [Finding("p", "m", "what", "same", "")])
    finally:
        (stored.folder / "run.json").write_bytes(before)
        (stored.folder / "scores.jsonl").write_bytes(rows)


def check_csv(content: bytes, harmless: bytes) -> None:
    rows, expected = (list(csv.reader(io.StringIO(one.decode()))) for one in (content, harmless))
    assert len(rows) == len(expected)
    assert {len(row) for row in rows} == {len(row) for row in expected}
    for row in rows:
        for cell in row:
            assert not cell.startswith(FORMULA_STARTS) or re.fullmatch(r"[-+][\d.e+-]+|-inf", cell)


def check_latex(content: bytes, harmless: bytes) -> None:
    words = re.compile(r"\\(text(backslash|asciitilde|asciicircum)\b|[&%$#_{}~^ ])")
    frame = re.compile(
        r"\\(begin\{tabular\}\{[lr]+\}|end\{tabular\}|toprule|midrule|bottomrule)|% .*"
    )
    counts = []
    for text in (content.decode(), harmless.decode()):
        rows = [line for line in re.split(r"[\r\n]+", text) if line and not frame.fullmatch(line)]
        for row in rows:
            assert row.endswith(r" \\"), row
            assert not re.search(r"[\\{}$#%^_~]", words.sub("", row[:-3])), row
        counts.append([words.sub("", row).count("&") for row in rows])
    assert counts[0] == counts[1]


def check_markdown(content: bytes, harmless: bytes) -> None:
    counts = []
    for text in (content.decode(), harmless.decode()):
        read = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
        tokens = read.parse(text)
        inner = [child for token in tokens for child in token.children or ()]
        assert {child.type for child in inner} <= {"text", "text_special", "code_inline"}
        counts.append([token.type for token in tokens])
    assert counts[0] == counts[1]


def check_yaml(content: bytes, harmless: bytes) -> None:
    assert shape(yaml.safe_load(content)) == shape(yaml.safe_load(harmless))


def shape(value: Any) -> Any:
    """A document without its texts."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value).__name__


def check_parquet(content: bytes, harmless: bytes) -> None:
    one, other = (pd.read_parquet(io.BytesIO(data)) for data in (content, harmless))
    assert one.shape == other.shape


class _Elements(html.parser.HTMLParser):
    """Notes what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        for name, value in attrs:
            self.found.append(name)
            if name in ("href", "src", "action", "style"):
                self.found.append(re.sub(r"[\s\0]", "", value or "")[:24].lower())


def check_html(content: bytes, harmless: bytes = b"") -> None:
    elements = _Elements()
    elements.feed(content.decode())
    elements.close()
    wrong = [one for one in elements.found if one.startswith(("xevil", "onxevil", "javascript:"))]
    assert wrong == []


CHECKS = {
    ".csv": check_csv, ".tex": check_latex, ".md": check_markdown, ".yaml": check_yaml,
    ".parquet": check_parquet, ".html": check_html, ".png": None, ".pdf": None,
}  # fmt: skip
"""How each kind of file is read back; the two of pictures only have to be made."""


def test_no_export_runs_breaks_or_leads_elsewhere(stored, harmless, tmp_path):
    made, expected = dict(all_files(stored)), dict(all_files(harmless))
    assert len(made) == len(expected)
    for (name, content), other in zip(made.items(), expected.values(), strict=True):
        for path in (PurePosixPath(name), PureWindowsPath(name)):
            assert not path.is_absolute() and ".." not in path.parts and name.isprintable(), name
        check = CHECKS[PurePosixPath(name).suffix]
        if check:
            check(content, other)
        assert content
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize("attack", FORMULAS)
def test_no_table_calculates_what_was_stored(attack, harmless, tmp_path):
    hostile_run(tmp_path, FORMULAS[attack], OTHER)
    made = tables_of_cells(hostile_run(tmp_path, FORMULAS[attack], RUN))
    for (_, content), (_, other) in zip(made, tables_of_cells(harmless), strict=True):
        check_csv(content, other)


def test_commands_to_copy_are_the_words_of_a_shell(stored, harmless):
    lines = repeat_commands(stored.header()).items()
    expected = repeat_commands(harmless.header())
    for what, line in lines:
        assert len(shlex.split(line)) == len(shlex.split(expected[what]))
        read = shlex.shlex(line, posix=True, punctuation_chars=True)
        assert not {";", "|", "&", "&&", "||", "(", ")", "<", ">"} & set(read)


def test_every_writer_of_files_is_attacked():
    """A module that begins to write files belongs into `all_files` and `WRITERS`."""
    found: dict[str, set[str]] = {name: set() for name in WRITERS}
    for path in sorted((ROOT / "eval").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in WRITERS:
                    found[name].add(path.stem)
    assert found == WRITERS
    assert set(FORMATS) == {*export.SUFFIXES, "html"}


# ---------------------------------------------------------------- views


def states(tab: EvaluateTab, stored: StoredRun, name: str) -> Iterator[ViewState]:
    """States of a view that show all of it."""
    first, second = (method.id for method in stored.header().methods[:2])
    fields: list[dict[str, Any]] = [{}]
    if name == "plots":
        fields = [{"plot": plot, "a": first, "b": second} for plot in PLOTS]
    elif name == "pictures":
        fields = [{"layout": layout, "pair": stored.pairs()[0]} for layout in PICTURE_LAYOUTS]
    elif name == "slices":
        fields = [{"method": first, "other": second}]
    elif name == "compare":
        fields = [{"others": (OTHER,)}]
    for more in fields:
        yield ViewState(view=name, run=stored.id, **more)


def shown(tab: EvaluateTab, stored: StoredRun) -> Iterator[tuple[Any, Any]]:
    """What every view writes into every widget."""
    for view in tab.views:
        for state in states(tab, stored, view.name):
            updates = [tab.router.open(view, dict_of(state))]
            for part in view.parts:
                updates += tab.router.shown(view, part, state, "admin", True)
            for update in updates:
                yield from update.items()


def dict_of(state: ViewState) -> dict[str, str]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(state.query(), keep_blank_values=True))


def test_no_view_runs_what_was_stored(stored, monkeypatch):
    with gr.Blocks() as page:
        queue = RunQueue(RunStore(stored.folder.parent))
        tab = EvaluateTab(page, gr.Tabs(), queue)
    # A view that says that it cannot be shown would pass below.
    monkeypatch.setattr(tab.router, "_failed", lambda *told: pytest.fail(str(told)))
    filled = set()
    for widget, value in shown(tab, stored):
        content = value.get("value") if isinstance(value, dict) else value
        assert NOT_COUNTED not in str(content), content
        if isinstance(widget, gr.HTML | gr.Markdown) and content:
            filled.add(widget.elem_id)
            check_html(str(content).encode())
        elif isinstance(widget, gr.Plot) and content is not None:
            filled.add("plot")
            check_figure(content.to_plotly_json())
        elif isinstance(widget, gr.Dataframe):
            kinds = widget.datatype if isinstance(widget.datatype, list) else [widget.datatype]
            assert set(kinds) <= {"str", "number"}
    assert "plot" in filled and len(filled) > 8, filled


def check_figure(part: Any) -> None:
    """Plotly shows a part of HTML in texts, and fills its own templates in; customdata is shown by
    templates alone."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("hovertemplate", "texttemplate"):
                for text in [value] if isinstance(value, str) else value or ():
                    assert "%{xevil" not in text and "%{customdata" not in text
            if name != "customdata":
                check_figure(value)
    elif isinstance(part, list | tuple):
        for value in part:
            check_figure(value)
    elif isinstance(part, str):
        check_html(part.encode())


# ---------------------------------------------------------------- terminal


LOOKS: tuple[tuple[str, ...], ...] = (
    ("list",), ("list", "--json"), ("show", RUN), ("show", RUN, "--json"), ("compare", RUN, OTHER),
    ("compare", RUN, OTHER, "--json"), ("votes", RUN), ("votes", RUN, "--json"),
    ("methods", "--task", "lowlight"),
    ("delete", "no-such-run"), ("verify", RUN, "--offline", "--sample", "1"),
)  # fmt: skip
"""Commands that show what is stored."""


def test_no_command_commands_the_terminal(stored):
    methods = [method.id for method in stored.header().methods[:2]]
    slices = ("slices", RUN, "-a", methods[0], "-b", methods[1])
    for words in (*LOOKS, slices, ("show", RUN + ATTACKS["shell"])):
        where = ["--out", str(stored.folder.parent)] if words[0] != "methods" else []
        done = CliRunner().invoke(app, [*words, *where])
        assert done.exception is None or isinstance(done.exception, SystemExit), words
        strange = {
            letter
            for letter in done.output
            if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") and letter != "\n"
        }
        assert strange == set(), (words, strange)
