"""Checkpoints that would need more memory than they have, and first lines of errors."""

import pytest
import torch

from mirnet.errors import CheckpointRejected
from mirnet.weights import foreign_files
from mirnet.weights.checkpoints import _check_memory, brief


def test_tensors_that_lie_over_each_other_are_refused_by_their_bytes():
    """Of four bytes each: as many as fit are taken, and one more is not."""
    stored = torch.zeros(100)
    _check_memory([stored[:50], stored[50:]], "net.pth")
    _check_memory([stored, stored], "net.pth")  # tied
    with pytest.raises(CheckpointRejected) as refused:
        _check_memory([stored, stored[1:2]], "net.pth")
    assert str(refused.value) == (
        "net.pth has tensors that lie over each other and would need more memory than the file "
        "has: save a clone of each tensor of the network's state_dict()."
    )


def test_the_limit_is_that_of_all_numbers_as_float32(monkeypatch):
    monkeypatch.setattr(foreign_files, "MAX_FILE_BYTES", 2**30)
    half = torch.empty(2**27, dtype=torch.float16, device="cpu")  # 256 MB, 512 as float32
    other = torch.empty(2**27, dtype=torch.float16)
    _check_memory([half, other], "net.pth")
    with pytest.raises(
        CheckpointRejected, match=r"^net.pth would need 1.5 GB .* limit of 1 GB: it"
    ):
        _check_memory([half, other, torch.empty(2**27, dtype=torch.float16)], "net.pth")


def test_the_first_line_of_an_error_is_short():
    assert brief(ValueError("  one two\nthree")) == "one two"
    assert brief(ValueError("x" * 200)) == "x" * 120
    assert brief(KeyError()) == "KeyError"
