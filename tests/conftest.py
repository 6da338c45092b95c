"""Fixtures for all tests; nothing here or in any test talks to another machine."""

import os
import tempfile

# Read once at import by the libraries, so set before anything imports them.
_HOME = tempfile.TemporaryDirectory(prefix="mirnet-tests-")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two tests run at once, each with a core
os.environ["HF_HOME"] = _HOME.name
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["MIRNET_CACHE"] = os.path.join(_HOME.name, "mirnet")
os.environ["MIRNET_STATE_DIR"] = os.path.join(_HOME.name, "state")
for _name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
    os.environ.pop(_name, None)

from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

from tests.support.hub import LoopbackHub  # noqa: E402
from tests.support.kept_pages import KEPT  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put browser tests first: their files are the longest, and would end last and alone.

    One that fails runs a second time, with the app and the browser started anew: a busy machine can
    keep a browser from what a person would see. The summary counts it as rerun; what fails twice
    has failed. No module fixture ends between the two tries, so none may hold what `KEPT` keeps.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Give neither a second try nor a later test what this one has failed with."""
    report = yield
    if report.failed:
        KEPT.spoiled = True
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Close the browser after a failure, and before other tests, whose event loops it would hinder.

    Fixtures of earlier tests have ended by then.
    """
    if KEPT.spoiled or item.get_closest_marker("browser") is None:
        KEPT.close()


def pytest_sessionfinish() -> None:
    """Close the browser where no other test has followed."""
    KEPT.close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A Hugging Face Hub on this machine, known to the libraries as HF_ENDPOINT."""
    with LoopbackHub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def weights_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MIRNET_CACHE", str(folder))
    return folder
