"""Splits and configurations of data sets without a card, told by the names of their files.

Words for splits are those of `datasets`. What it would run together, several folders of one split
or several splits, is refused here: their scores would be one number for different things.
"""

import re
from collections.abc import Collection

from eval.data.pairs import BenchmarkUnavailable

PREFERRED_SPLITS = ("test", "validation")
"""Default splits; the first one that exists is taken."""
WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words in file names that stand for a split."""


def split_of_name(name: str) -> str | None:
    """Split that the path of a file names, the last word of it counting; None where none does.

    >>> split_of_name("data/test-00000-of-00001.parquet"), split_of_name("latest/a.parquet")
    ('test', None)
    """
    found = None
    for word in re.split(r"[\W_]+", name.lower()):
        stem = word.rstrip("0123456789")
        found = next((split for split, words in WORDS.items() if stem in words), found)
    return found


def files_of_named_split(names: Collection[str], split: str | None, label: str) -> list[str]:
    """Choose the files of one split.

    Args:
        names: Paths of files of one kind.
        split: Split, or another word in the names; None takes 'test', else 'validation', else all
            files where they are of one split or of none.
        label: Name of the source in messages.

    Raises:
        BenchmarkUnavailable: No file is of that split, or there are several and none is named.
    """
    by_split: dict[str | None, list[str]] = {}
    for name in names:
        by_split.setdefault(split_of_name(name), []).append(name)
    known = [each for each in by_split if each is not None]
    if split is None:
        chosen = next((each for each in PREFERRED_SPLITS if each in by_split), None)
        if chosen is not None or len(by_split) <= 1:
            return by_split.get(chosen) or list(names)
        raise BenchmarkUnavailable(
            f"{label} has files of the splits {', '.join(known)}: name one of them as the split."
            if len(known) == len(by_split)
            else f"{label} has files of the split {known[0]} and others, such as "
            f"{by_split[None][0]}: name the split.",
            "split",
        )
    meant = next((each for each, words in WORDS.items() if split.lower() in words), split)
    if meant in by_split:
        return by_split[meant]
    word = re.compile(rf"(^|[/_-]){re.escape(split)}([/_.-]|$)")
    if fitting := [name for name in names if word.search(name)]:
        return fitting
    there = f"it has {', '.join(known)}" if known else "its files name none"
    raise BenchmarkUnavailable(f"{label} has no split {split!r}: {there}.", "split")


def files_of_folder(names: Collection[str], config: str | None, label: str) -> list[str]:
    """Choose the files of one configuration where no card says which they are: those of a folder.

    Args:
        names: Paths of files of one split.
        config: Name of the folder; None where all lie in one. Folders called like a split, and
            "data", are no configurations.
        label: Name of the source in messages.

    Raises:
        BenchmarkUnavailable: There is no such folder, or there are several and none is named.
    """
    by_folder: dict[str, list[str]] = {}
    for name in names:
        folders = name.split("/")[:-1]
        parts = [each for each in folders if each != "data" and not split_of_name(each)]
        by_folder.setdefault("/".join(parts), []).append(name)
    if config is None and len(by_folder) <= 1:
        return list(names)
    if config in by_folder:
        return by_folder[config]
    if config is not None and not any(by_folder):
        raise BenchmarkUnavailable(
            f"{label} has no configurations, neither in a card nor as folders: name none.", "split"
        )
    there = ", ".join(filter(None, by_folder))
    raise BenchmarkUnavailable(
        f"{label} has the configurations {there}, each in a folder"
        f"{', and files outside of them' if '' in by_folder else ''}: choose one of them.",
        "split",
    )
