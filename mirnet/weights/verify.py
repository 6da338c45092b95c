"""Checks weights on this machine: hash, origin, and whether the network can be built."""

from dataclasses import dataclass

from mirnet.errors import CheckpointRejected
from mirnet.files import file_sha256

from . import catalogue
from .load import changed_on_disk, expected_hashes, present_file


@dataclass(frozen=True)
class VerifyReport:
    """Result of checking one weights file."""

    ok: bool
    """True if the hash matches and the network can be built."""
    sha256: str
    """Hash of the file now."""
    expected: str | None
    """Hash on the card or in the record; None if there is none."""
    message: str
    """The verdict in one sentence."""


def verify(weights_id: str) -> VerifyReport:
    """Hash a weights file, compare with the recorded hash, and try to build the network.

    Raises:
        WeightsUnavailable: The id is unknown, or its file is not on this machine.
    """
    from .networks import load_weights

    entry = catalogue.get_entry(weights_id)
    path = present_file(entry)
    sha256 = file_sha256(path)
    expected, original = expected_hashes(entry)
    if expected is not None and sha256 != expected:
        return VerifyReport(False, sha256, expected, str(changed_on_disk(entry)))
    if entry.sha256 is not None and original is not None and original != entry.sha256:
        return VerifyReport(
            False,
            sha256,
            expected,
            f"{weights_id} was made from a file with sha256 {original[:12]}, the catalogue names "
            f"{entry.sha256[:12]}: run `python -m mirnet weights forget {weights_id}` and fetch it "
            "again.",
        )
    try:
        load_weights(path)
    except CheckpointRejected as error:
        return VerifyReport(False, sha256, expected, str(error))
    how = "the hash is as recorded" if expected else "no hash is recorded to compare with"
    return VerifyReport(True, sha256, expected, f"{weights_id} loads, and {how}.")
