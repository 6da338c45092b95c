"""Fixtures of the tests of blind review."""

import pytest

from eval.runs.store import StoredRun
from tests.support.review_runs import NAMES, with_pictures
from tests.support.runs_factory import method, write_run


@pytest.fixture
def stored(tmp_path) -> StoredRun:
    """Eight pictures of three methods."""
    return with_pictures(write_run(tmp_path / "runs", methods=tuple(map(method, NAMES))))
