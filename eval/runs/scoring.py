"""Scoring picture files: pair them by name, read them as they are, apply a protocol."""

from pathlib import Path

from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.folder_pairs import pair_folders
from mirnet.metrics.protocols import Protocol


def pair_files(restored: Path, target: Path) -> list[tuple[Path, Path]]:
    """Pair two files, or two folders by file stem; files that are no pictures are left out.

    Returns:
        Restored and target files, in order of names.

    Raises:
        InvalidRequest: A path does not exist, or a file of either folder has no partner.
    """
    for path in (restored, target):
        if not path.exists():
            raise InvalidRequest(f"There is no {path}.")
    if restored.is_dir() != target.is_dir():
        raise InvalidRequest("Give two pictures or two folders, not one of each.")
    if restored.is_file():
        return [(restored, target)]
    return pair_folders(restored, target)


def score_files(
    restored: Path, target: Path, protocol: Protocol, scale: int = 1
) -> dict[str, float]:
    """Score one picture file against another: values by key of the metric.

    Raises:
        ImageRejected: A file is no picture that can be read.
        InvalidRequest: See `Protocol.score`; the sentence names the file.
    """
    try:
        return protocol.score(read_image(restored).pixels, read_image(target).pixels, scale)
    except InvalidRequest as error:
        raise InvalidRequest(f"{restored.name}: {error}") from error
