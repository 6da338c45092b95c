"""Scoring picture files: pair them by name, read them as they are, apply a protocol."""

from pathlib import Path

from eval.data.readers.pairing import is_picture
from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
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
    ours, theirs = (_by_stem(folder) for folder in (restored, target))
    alone = sorted(ours.keys() ^ theirs.keys())
    if alone:
        place = restored if alone[0] in ours else target
        raise InvalidRequest(
            f"{alone[0]} is only in {place}: both folders need pictures of the same names "
            f"({len(alone)} have no partner)."
        )
    if not ours:
        raise InvalidRequest(f"{restored} holds no pictures.")
    return [(ours[stem], theirs[stem]) for stem in sorted(ours)]


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or not is_picture(path.name):
            continue
        if path.stem in found:
            raise InvalidRequest(
                f"{folder} holds {found[path.stem].name} and {path.name}: keep one."
            )
        found[path.stem] = path
    return found


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
