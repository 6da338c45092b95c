"""Blind review: signed links, and the keys that sign them."""

import json
from urllib.parse import parse_qsl

import pytest

from eval.review.invitations import (
    KEYS_FILE,
    Invitation,
    forget_old_keys,
    make_link,
    read_link,
    rotate_key,
)
from eval.review.reviewers import clean_reviewer
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest

RUN = "20260101-120000-abcdef"


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def query_of(store: RunStore, name: str = "Anna & Söhne", unchanged: bool = False):
    link = make_link(store, Invitation(RUN, name, unchanged))
    assert link.startswith("?tab=review&run=") and not set(link) & set(" <>\"'")
    return dict(parse_qsl(link[1:]))


@pytest.mark.parametrize("unchanged", [False, True])
def test_a_link_opens_what_it_was_made_for(store, unchanged):
    found = read_link(store, query_of(store, unchanged=unchanged))
    assert found == Invitation(RUN, clean_reviewer("Anna & Söhne"), unchanged)


@pytest.mark.parametrize(
    "change",
    [
        {"reviewer": "bert"},
        {"reviewer": ""},
        {"reviewer": "anna" * 5000},
        {"run": "20260102-120000-abcdef"},
        {"unchanged": "1"},
        {"key": ""},
        {"key": "." * 9},
        {"key": "é.é"},
    ],
)
def test_a_link_that_was_changed_opens_nothing(store, change):
    query = query_of(store, "anna") | change
    with pytest.raises(InvalidRequest, match="not made here"):
        read_link(store, query)


def test_a_signature_of_one_name_is_none_of_another(store):
    anna, bert = query_of(store, "anna"), query_of(store, "bert")
    with pytest.raises(InvalidRequest):
        read_link(store, anna | {"key": bert["key"]})
    other = RunStore(store.folder.parent / "other")
    query_of(other, "anna")
    with pytest.raises(InvalidRequest):
        read_link(other, anna)


def test_reading_a_link_makes_no_key(store):
    with pytest.raises(InvalidRequest):
        read_link(store, {"run": RUN, "reviewer": "anna", "key": "00000000.x"})
    assert not store.folder.exists()


def test_links_of_before_work_after_a_rotation_until_they_are_ended(store):
    before = query_of(store, "anna")
    rotate_key(store)
    after = query_of(store, "anna")
    assert after["key"].partition(".")[0] != before["key"].partition(".")[0]
    assert read_link(store, before) == read_link(store, after)
    assert forget_old_keys(store) == 1
    assert read_link(store, after).reviewer == "anna"
    with pytest.raises(InvalidRequest, match="ask whoever sent it"):
        read_link(store, before)


def test_the_key_is_readable_by_nobody_else_and_is_no_run(store):
    query_of(store)
    path = store.folder / KEYS_FILE
    assert path.stat().st_mode & 0o077 == 0
    assert len(json.loads(path.read_text())["keys"][0]["secret"]) == 64
    assert store.headers() == []


def test_damaged_keys_are_told_in_a_sentence(store):
    query_of(store)
    (store.folder / KEYS_FILE).write_text('{"keys": [{"id": "../x", "secret": ""}]}')
    with pytest.raises(InvalidRequest, match="cannot be read: remove it"):
        query_of(store)
