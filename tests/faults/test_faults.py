"""The faults of `python -m tests.faults`, as tests; most of them are slow."""

import pytest

from tests.faults import disks, killed, machines, network  # noqa: F401  # they register their faults
from tests.faults.tools import FAULTS, Place, Unable


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if fault.slow else [])
        for name, fault in FAULTS.items()
    ],
)
def test_nothing_is_lost_and_the_next_request_works(name, tmp_path):
    try:
        assert FAULTS[name].inject(Place(tmp_path))
    except Unable as reason:
        pytest.skip(str(reason))
