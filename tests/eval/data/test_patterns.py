"""Patterns of file names: what they stand for, and that none of them stops the program."""

import sys

import pytest

from eval.data.pairs import BenchmarkUnavailable
from eval.data.readers.dataset_card import files_of_split
from eval.data.readers.files import LocalFiles
from eval.data.readers.pairing import paired
from eval.data.readers.parquet import ParquetReader
from eval.data.readers.patterns import MAX_WILDCARDS, NamePattern
from tests.support.pair_files import put
from tests.support.readers_of_every_kind import ANY, ROWS, parqueted

FITTING = [
    ("*", "a.b", ("a.b",)),
    ("*", "a/b", None),
    ("a*b*", "abab", ("ba", "")),
    ("**/x.png", "x.png", ("",)),
    ("**/x.png", "a/b/x.png", ("a/b/",)),
    ("a/**/*", "a/b/c/d", ("b/c/", "d")),
    ("a/**/*", "a//d", None),
    ("?[bc]", "xb", ("x",)),
    ("?[bc]", "xd", None),
    ("[!b]x", "ax", ()),
    ("[^b]x", "/x", None),
    ("[a-c]", "b", ()),
    (r".\in\*.png", "in/a.PnG", ("a",)),
    ("*.png", "a.jpg", None),
    ("a.c", "abc", None),
    ("", "", ()),
]


@pytest.mark.parametrize(("pattern", "name", "texts"), FITTING)
def test_what_wildcards_stand_for(pattern, name, texts):
    assert NamePattern(pattern).match(name) == texts


class _Steps:
    """Counts the lines that run; a regular expression would run in none of them."""

    def __init__(self, most: int) -> None:
        self.left = most

    def __call__(self, *_):
        self.left -= 1
        assert self.left > 0, "the work does not grow with the length of the name alone"
        return self


@pytest.mark.parametrize("pattern", ["*a" * 10 + "b", "*" * 12 + "b", "**/" * 11 + "b"])
def test_no_pattern_takes_long(pattern):
    name = "a/a" * 80
    before, steps = sys.gettrace(), _Steps(200_000)
    sys.settrace(steps)
    try:
        assert NamePattern(pattern).match(name) is None
    finally:
        sys.settrace(before)
    assert steps.left < 200_000


def test_patterns_with_too_many_wildcards_or_wrong_brackets_are_refused():
    with pytest.raises(BenchmarkUnavailable, match="more than 12 wildcards"):
        NamePattern("?" * (MAX_WILDCARDS + 1))
    assert NamePattern("?" * MAX_WILDCARDS).match("a" * MAX_WILDCARDS)
    with pytest.raises(BenchmarkUnavailable, match="brackets that stand for nothing"):
        paired({"a.png": 1}, "[z-a].png", "*.png", "x")


def test_a_record_of_parquet_files_is_no_regular_expression(tmp_path):
    """It comes along with a run that somebody else made; see `benchmark_of_record`."""
    put(tmp_path, {"test-1.parquet": parqueted(ROWS), "other.parquet": parqueted(ROWS[:1])})
    reader = ParquetReader(LocalFiles(tmp_path), ANY, "low", "high", "test-?.parquet")
    assert len(reader.items()) == len(ROWS)
    with pytest.raises(BenchmarkUnavailable, match="no Parquet file"):
        ParquetReader(LocalFiles(tmp_path), ANY, "low", "high", ".+").items()


def test_a_card_chooses_files_as_datasets_does():
    card = "---\nconfigs:\n- config_name: a\n  data_files:\n  - split: test\n    path: {}\n---\n"
    names = ["data/test-0.parquet", "data/more/test-1.parquet", "train.parquet"]

    def chosen(path: str) -> list[str] | None:
        return files_of_split(names, card.format(path), None, None, "x")

    assert chosen("data/**") == sorted(names[:2])
    assert chosen("data/test-*") == [names[0]]
    assert chosen('"**/test-*"') == sorted(names[:2])
    assert chosen("train.parquet") == [names[2]]
