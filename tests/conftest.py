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
