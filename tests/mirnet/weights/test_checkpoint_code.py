"""Weights files that would run code are refused with that reason, and run nothing."""

import os
import pickle
import subprocess
import sys

import pytest
import torch

from mirnet.errors import CheckpointRejected
from mirnet.weights.checkpoints import read_checkpoint


class Bomb:
    """Touches a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    victim = tmp_path / "victim"
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"state_dict": Bomb(victim)}, protocol=2))
    with pytest.raises(CheckpointRejected, match="could run code"):
        read_checkpoint(path)
    torch.save({"state_dict": Bomb(victim)}, path)
    victim.unlink(missing_ok=True)
    with pytest.raises(CheckpointRejected, match="could run code"):
        read_checkpoint(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(os.system, ("true",)), (sys.exit, ()), (subprocess.Popen, (["true"],)), (eval, ("1",))],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_whatever_a_pickle_would_run_is_told_as_code(tmp_path, function, arguments, zipped):
    """torch has other words for modules that it blocks than for unknown classes."""

    class Caller:
        def __reduce__(self):
            return function, arguments

    path = tmp_path / "evil.pth"
    content = {"state_dict": {"a": torch.zeros(1)}, "extra": Caller()}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointRejected, match="could run code"):
        read_checkpoint(path)
