"""Attacks in tags, notes and names of selections: pages, links and exports stay harmless."""

import csv
import io
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest

from eval.analysis.score_tables import scores_frame
from eval.analysis.slices import compare_in_slices, compared_slices, pairs_in, slices_of
from eval.app.evaluate_tab import EvaluateTab
from eval.app.html.notes import written
from eval.app.html.slices import slices_table
from eval.app.run_queue import RunQueue
from eval.app.view_state import ViewState
from eval.reports.export import export
from eval.runs.annotations import notes_of, selections_of, store_note, store_selection
from eval.runs.store import RunStore
from mirnet.app.auth import Access
from tests.support.runs_factory import write_run

gr = pytest.importorskip("gradio")

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=HYPERLINK(1)",
    "+1+1",
    "@SUM(1)",
    "-2",
    "\\input{/etc/passwd}",
    "{{ 7 * 7 }}",
    "%{customdata}",
    "../../run.json",
    "a=b\nc=d",
    "javascript:alert(1)",
]


@pytest.fixture
def stored(tmp_path):
    made = write_run(tmp_path / "runs", pairs=len(ATTACKS))
    for pair, attack in zip(made.pairs(), ATTACKS, strict=True):
        store_note(made, pair, [attack], attack)
        store_selection(made, attack, [pair, made.pairs()[0]])
    return made


def test_pages_escape_what_was_written(stored):
    notes, selections = notes_of(stored), selections_of(stored)
    state = ViewState(view="pictures", run=stored.id)
    pages = [written(notes[pair], selections, pair, state) for pair in stored.pairs()]
    scores = scores_frame(stored)
    found = compared_slices(scores, slices_of(stored, scores), "ours", "clahe")
    pages.append(slices_table(found, state, "ours", "clahe"))
    for page in pages:
        assert "<script" not in page and "<img" not in page and "49" not in page.split("?")[0]
        assert 'href="javascript' not in page
    assert "&lt;script&gt;" in pages[0]
    assert found.fact.isin(["tag", "selection"]).sum() == 2 * len(ATTACKS)


def test_tags_and_selections_are_filters_that_links_hold(stored):
    slices = slices_of(stored, scores_frame(stored))
    names = {one.name: one for one in slices}
    for pair, attack in zip(stored.pairs(), ATTACKS, strict=True):
        tag = f"tag={' '.join(attack.split())}"
        assert pairs_in(slices, [tag]) == {pair}
        chosen = f"selection={' '.join(attack.split())}"
        link = ViewState(view="pictures", run=stored.id, slices=(tag, chosen)).query()
        again = ViewState.from_query(dict(parse_qsl(link)))
        assert again.slices == (tag, chosen) and set(again.slices) <= set(names)
        assert pairs_in(slices, again.slices) == {pair}
    assert len(compare_in_slices(stored, "ours", "clahe", facts=["selection"])) == len(ATTACKS)


def test_spreadsheets_get_no_formula(stored):
    rows = list(csv.DictReader(io.StringIO(export(stored, "csv").decode())))
    for column in ("tags", "note", "selections"):
        assert not any(row[column].startswith(("=", "+", "-", "@")) for row in rows), column
    assert {row["note"] for row in rows} >= {"'=HYPERLINK(1)", "<script>alert(1)</script>"}
    first = next(row for row in rows if row["pair"] == stored.pairs()[0])
    assert "@SUM(1); " in first["selections"]
    for kind in ("latex", "markdown", "parquet"):
        assert export(stored, kind)


# ---------------------------------------------------------------- who may write


def tab_of(stored, **policy) -> EvaluateTab:
    queue = RunQueue(RunStore(stored.folder.parent), **policy)
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), queue, policy.get("access"))


def test_on_a_laptop_everybody_writes(stored):
    form = tab_of(stored).pictures.notes
    read = form.load((stored.id, "p0001"))[form.read]
    said = form.save_note(f"{stored.id}/p0001", read, ["new"], "a < b", None)
    assert "are saved" in said[form.line] and notes_of(stored)["p0001"].note == "a < b"
    change = form.changing("shown", lambda _: ViewState(view="pictures", run=stored.id, k=2))
    assert "has 2 pictures" in change("two", f"{stored.id}/p0001", None)
    assert len(selections_of(stored)["two"]) == 2
    for name, words in (("add", "3 pictures"), ("remove", "2 pictures"), ("delete", "is deleted")):
        pair = next(p for p in stored.pairs() if p not in selections_of(stored)["two"])
        pair = pair if name == "add" else selections_of(stored)["two"][0]
        do = form.changing(name, lambda _: ViewState(view="pictures", run=stored.id))
        assert words in do("two", f"{stored.id}/{pair}", None)
    assert "two" not in selections_of(stored)
    assert "no selection" in do("two", f"{stored.id}/p0001", None)


def test_visitors_of_a_space_read_and_its_operator_and_a_runs_owner_write(stored):
    queue = RunQueue(RunStore(stored.folder.parent), local=False)
    with gr.Blocks() as page:
        tab = EvaluateTab(page, gr.Tabs(), queue, Access("runner"))
    anna, ben = (
        SimpleNamespace(cookies={}, headers={}, session_hash=name) for name in ("anna", "ben")
    )
    form = tab.pictures.notes
    before = (stored.folder / "notes.jsonl").read_bytes()
    read = form.load((stored.id, "p0001"))[form.read]
    new = (f"{stored.id}/p0001", read, ["new"], "")
    assert "operator" in form.save_note(*new, ben)[form.line]
    assert (stored.folder / "notes.jsonl").read_bytes() == before
    tab.permissions.note_owner(stored.id, anna)
    assert "operator" in form.save_note(*new, ben)[form.line]
    assert "are saved" in form.save_note(*new, anna)[form.line]
    assert not tab.permissions.may_annotate(stored.id, ben)
    read_only = tab_of(stored, read_only=True)
    read_only.permissions.note_owner(stored.id, anna)
    assert not read_only.permissions.may_annotate(stored.id, anna)
