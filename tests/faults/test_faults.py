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


def test_a_cluster_that_cannot_be_made_removes_its_network_namespaces(tmp_path, monkeypatch):
    """They would outlive this process."""
    made, removed = [], []

    def do(*command: str) -> None:
        if command[1:3] == ("netns", "add"):
            made.append(command[3])
        if command[1:3] == ("link", "add"):
            raise Unable("no virtual network cards")

    monkeypatch.setattr(machines, "_do", do)
    monkeypatch.setattr(machines, "find_spec", lambda name: name)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("subprocess.run", lambda command, **_: removed.append(command[-1]))
    with pytest.raises(Unable, match="network cards"), machines.cluster(Place(tmp_path)):
        pass
    assert len(made) == 2 and set(removed) == set(made)
