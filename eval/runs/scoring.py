"""Scoring picture files: pair them by name, read them as they are, apply a protocol."""

from pathlib import Path

from eval.data.bit_depth import RESULT_BITS, TARGET_BITS, too_few_bits
from eval.data.result_names import find_affixes, plain
from mirnet.errors import ImageRejected, InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.folder_pairs import by_stem, pair_folders
from mirnet.metrics.protocols import Protocol


def pair_files(restored: Path, target: Path) -> list[tuple[Path, Path]]:
    """Pair two files, or two folders by file stem; files that are no pictures are left out.

    What a program writes around all names of its results (`baby_x2.png`) is left out, too.

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
    ours, theirs = by_stem(restored), by_stem(target)
    if ours.keys() != theirs.keys() and len(ours) == len(theirs):
        found = find_affixes(theirs, ours)
        by_name = {plain(stem): path for stem, path in ours.items()}
        names = [found[0].around(stem) for stem in theirs] if len(found) == 1 else []
        if len(by_name) == len(ours) and set(names) == by_name.keys():
            return list(zip((by_name[name] for name in names), theirs.values(), strict=True))
    return pair_folders(restored, target)


def score_files(
    restored: Path, target: Path, protocol: Protocol, scale: int = 1
) -> dict[str, float]:
    """Score one picture file against another: values by key of the metric.

    Raises:
        InvalidRequest: A file is no picture that can be read, or one of 16 bits that holds
            fewer, or see `Protocol.score`; the sentence names the file.
    """
    pictures = []
    for path, bits in ((restored, RESULT_BITS), (target, TARGET_BITS)):
        try:
            picture = read_image(path)
        except ImageRejected as error:
            raise InvalidRequest(f"{path.parent}: {error}") from error
        if trouble := too_few_bits(picture.pixels, bits):
            raise InvalidRequest(f"{path} {trouble}")
        pictures.append(picture.pixels)
    try:
        return protocol.score(pictures[0], pictures[1], scale)
    except InvalidRequest as error:
        raise InvalidRequest(f"{restored.name}: {error}") from error
