"""Requests of one visitor that displace each other."""

from eval.app.newest_requests import NewestRequests

UNCHANGED = {"address": "skip"}


def test_every_update_repeats_the_ones_before_it():
    updates = iter([{"head": 1}, {"table": 2}, {"head": 3}])
    passed = list(NewestRequests().only_newest("visitor", updates, UNCHANGED))
    assert passed == [{"head": 1}, {"head": 1, "table": 2}, {"head": 3, "table": 2}]


def test_a_displaced_request_changes_nothing():
    requests = NewestRequests()
    older = requests.only_newest("visitor", iter([{"table": "old"}, {"head": "old"}]), UNCHANGED)
    assert next(older) == {"table": "old"}
    assert list(requests.only_newest("visitor", iter([{"table": "new"}]), UNCHANGED)) == [
        {"table": "new"}
    ]
    assert list(older) == []


def test_a_request_displaced_before_its_first_update_still_yields():
    requests = NewestRequests()

    def slow():
        list(requests.only_newest("visitor", iter([{"table": "new"}]), UNCHANGED))
        yield {"table": "old"}

    assert list(requests.only_newest("visitor", slow(), UNCHANGED)) == [UNCHANGED]


def test_other_visitors_do_not_displace():
    requests = NewestRequests()
    one = requests.only_newest("one", iter([{"a": 1}, {"b": 2}]), UNCHANGED)
    next(one)
    list(requests.only_newest("two", iter([{"a": 9}]), UNCHANGED))
    assert list(one) == [{"a": 1, "b": 2}]
