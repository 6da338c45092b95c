"""What browser tests share is started once, and started anew after a failure."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tests import conftest
from tests.support.kept_pages import Kept


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def kept(monkeypatch) -> Kept:
    """What is kept, in the place of what tests around this one keep."""
    mine = Kept()
    monkeypatch.setattr(conftest, "KEPT", mine)
    return mine


@pytest.fixture
def start(log):
    """Starts what says when it starts and ends, and breaks at its end where it is told so."""

    @contextmanager
    def begun(name: str, breaks: bool = False):
        log.append(f"{name} starts")
        try:
            yield name
        finally:
            log.append(f"{name} ends")
        if breaks:
            raise RuntimeError("the browser has crashed")

    return begun


def item(browser: bool) -> SimpleNamespace:
    """A test, as far as the hooks look at it."""
    return SimpleNamespace(get_closest_marker=lambda name: browser or None)


def report(failed: bool) -> None:
    """Let the hook see the report of a test."""
    hook = conftest.pytest_runtest_makereport(item(browser=True))
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(SimpleNamespace(failed=failed))


def test_all_is_closed_even_where_something_breaks_and_starts_again(kept, start, log):
    for _ in range(2):
        assert kept.get("app", lambda: start("app")) == "app"
        kept.get("browser", lambda: start("browser", breaks=True))
        kept.get("app", lambda: start("app"))
        kept.close()
    assert log == ["app starts", "browser starts", "browser ends", "app ends"] * 2


def test_a_failure_closes_all_before_the_next_try_and_success_keeps_all(kept, start, log):
    kept.get("app", lambda: start("app"))
    report(failed=False)
    conftest.pytest_runtest_setup(item(browser=True))
    assert log == ["app starts"]
    report(failed=True)
    assert log == ["app starts"]  # fixtures of the test still use it
    conftest.pytest_runtest_setup(item(browser=True))
    assert log == ["app starts", "app ends"]
    kept.get("app", lambda: start("app"))
    conftest.pytest_runtest_setup(item(browser=True))
    assert log[2:] == ["app starts"]


def test_the_first_test_without_a_browser_and_the_last_of_all_close_all(kept, start, log):
    kept.get("app", lambda: start("app"))
    conftest.pytest_runtest_setup(item(browser=False))
    kept.get("app", lambda: start("app"))
    conftest.pytest_sessionfinish()
    assert log == ["app starts", "app ends"] * 2
