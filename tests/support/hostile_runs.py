"""Stored runs in which every text is hostile, found by walking the fields of the stored documents.

A field that is added to a document is hostile by itself: `poisoned` changes every text of every
document but those that `KEPT` names, because nothing else is accepted there.
"""

import datetime
import json
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from eval.review.votes import Vote
from eval.runs.annotations import NOTES, SELECTIONS, PictureNote, Selection
from eval.runs.document import SampleResult
from eval.runs.store import StoredRun
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import method, write_run

ATTACKS = {
    "page": "\"'><xevil onxevil=1></script></textarea></style><!--[l](javascript:xevil)`|"
    "{{ xevil }}%{xevil}[/xevil]",
    "paper": "=xevil\\xevil{}$^^5cxevil$%\n\\xevil\u2028\\input{xevil}&: !!python/name:os.system\n"
    "---\n- &xevil [*x]\n\n# xevil\n|a|b|\n",
    "shell": "-$(xevil)`xevil`;xevil '\x1b]0;xevil\x07\x1b[31m\x9b1m\u202exevil ![x](xevil)\\",
    "path": "../../xevil/..\\xevil\0/",
    "absolute": "/xevil/",
}
"""Texts by what they are aimed at, several ways of attack in each; `xevil` is what would show."""
FORMULAS = {
    "plus": "+xevil|'/c x'!A1",
    "at": "@xevil(1)",
    "tab": "\t=xevil",
    "return": "\r\n=xevil",
}
"""Further beginnings of a text by which a spreadsheet program takes it for a formula."""
KEPT = {
    "Run": {"id", "status", "task", "protocols", "data_sha256"},
    "RunBenchmark": set[str](),
    "Environment": set[str](),
    "Attempt": {"status"},
    "MethodRecord": {"kind"},
    "SampleResult": {"output_sha256", "degraded_sha256", "target_sha256", "error", "scores"},
    "MethodSummary": {"scores"},
    "Vote": {"outcome"},
    "PictureNote": set[str](),
    "Selection": set[str](),
}
"""Fields that stay: one of a list, of a fixed form, or names of files that were made here. Errors
of rows are hostile in `failed_row`."""
RUN, OTHER = "20260101-120000-abcdef", "20260102-120000-abcdef"
SHORT = 60
"""Characters of an attack in a field that has a limit."""
_Model = TypeVar("_Model", bound=BaseModel)


def poisoned(model: _Model, attack: str) -> _Model:
    """Put an attack in front of every text of a document, so that equal texts stay equal.

    Args:
        model: The document.
        attack: One of `ATTACKS` or `FORMULAS`.
    """
    kept = KEPT[type(model).__name__]
    changes = {
        name: _poisoned(getattr(model, name), attack, field.annotation, name)
        for name, field in type(model).model_fields.items()
        if name not in kept
    }
    made = type(model).model_validate(json.loads(model.model_dump_json()) | _plain(changes))
    return made


def _poisoned(value: Any, attack: str, annotation: Any, name: str) -> Any:
    if isinstance(value, BaseModel):
        return poisoned(value, attack)
    if isinstance(value, str):
        return (attack + value)[:200] if name == "title" else attack + value
    if value is None and str in get_args(annotation):
        return f"{attack}{name}"
    if isinstance(value, list | tuple):
        return [_poisoned(one, attack, str, name) for one in value]
    if isinstance(value, dict):
        texts = {f"{attack}{key}": _poisoned(one, attack, str, name) for key, one in value.items()}
        return texts or ({attack: attack} if "str, str" in str(annotation) else {})
    return value


def _plain(value: Any) -> Any:
    """Documents as JSON has them; other values as they are."""
    if isinstance(value, BaseModel):
        return json.loads(value.model_dump_json())
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def hostile_run(folder: Path, attack: str, id: str = RUN, **header: Any) -> StoredRun:  # noqa: A002
    """Write a finished run with pictures, facts, votes, notes and selections, all hostile.

    Args:
        folder: Folder of runs.
        attack: One of `ATTACKS` or `FORMULAS`.
        id: Id of the run.
        header: Fields to replace, as in `write_run`.
    """
    methods = (
        method("identity"), method("ours", training_step=100), method("official"),
        method("theirs", kind="imported", settings={"folder": "results"}),
    )  # fmt: skip
    stored = write_run(folder, pairs=9, methods=methods, thumbs=True, id=id, **header)
    run = poisoned(stored.header(), attack)
    rows = [poisoned(row, attack) for row in stored.rows()]
    rows.append(failed_row(rows[-1], attack))
    pairs = list(dict.fromkeys(row.pair for row in rows))
    stored.write_header(run)
    (stored.folder / "scores.jsonl").write_text(_lines(rows), encoding="utf-8")
    stored.write_pairs(pairs)
    for number, pair in enumerate(pairs):
        fact = f"{attack[:20].replace('=', '+')}camera"  # names with "=" are no facts
        facts = {fact: f"{attack[:40]}{number % 2}", "iso": 100.0 * (number % 3)}
        stored.append_facts(pair, facts)
    time = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
    short = attack[:SHORT]
    notes = [PictureNote(pair=one, tags=(short, "b"), note=attack, time=time) for one in pairs]
    chosen = [Selection(name=short, pairs=tuple(pairs[:4]), time=time)]
    (stored.folder / NOTES).write_text(_lines(notes), encoding="utf-8")
    (stored.folder / SELECTIONS).write_text(_lines(chosen), encoding="utf-8")
    votes = [
        Vote(
            pair=pair, a=run.methods[1].id, b=run.methods[2].id, outcome="a",
            reviewer=short, comment=attack, time=time,
        )
        for pair in pairs
    ]  # fmt: skip
    (stored.folder / "votes").mkdir()
    (stored.folder / "votes" / f"{'0' * 32}.jsonl").write_text(_lines(votes), encoding="utf-8")
    return with_pictures(stored)


def failed_row(row: SampleResult, attack: str) -> SampleResult:
    """A row of another pair that says in hostile words why it has no result."""
    return SampleResult(pair=f"{row.pair} failed", method=row.method, error=attack)


def _lines(models: Any) -> str:
    return "".join(f"{one.model_dump_json(exclude_defaults=True)}\n" for one in models)
