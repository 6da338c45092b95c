"""Splits and configurations of data sets without a card, told by the names of their files.

Words for splits are those of `datasets`. What it would run together, several folders of one split,
several splits, two words for one split or files that are no shards of one set, is refused here:
their scores would be one number for different things.
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
_SPLIT_WORDS = {word for words in WORDS.values() for word in words}
_SHARD_WORDS = {"of", "part", "parts", "shard", "shards", "chunk", "split", "data", "c"}
_SUFFIXES = re.compile(r"(\.(parquet|tar|tgz|gz|snappy|zstd))+$")
_RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b")
"""Random parts of the names of shards: UUIDs, as Spark writes them, and hashes."""


def split_of_name(name: str) -> str | None:
    """Split that the path of a file names, the last word of it counting; None where none does.

    >>> split_of_name("data/test-00000-of-00001.parquet"), split_of_name("latest/a.parquet")
    ('test', None)
    """
    return next((split for split, words in WORDS.items() if _split_word(name) in words), None)


def _split_word(name: str) -> str | None:
    """Last word of a path that stands for a split."""
    words = [word.rstrip("0123456789") for word in re.split(r"[\W_]+", name.lower())]
    return next((word for word in reversed(words) if word in _SPLIT_WORDS), None)


def _set_of_file(name: str) -> str:
    """What the name of a file says of its set: all but the folders, split and number of the shard.

    >>> _set_of_file("a/indoor-test-00000-of-00002.parquet"), _set_of_file("a/part-0001.tar")
    ('indoor', '')
    """
    words = re.split(r"[\W_]+", _RANDOM.sub("", _stem(name.lower())))
    leave_out = _SPLIT_WORDS | _SHARD_WORDS | {""}
    return "-".join(word for word in words if word.rstrip("0123456789") not in leave_out)


def _stem(name: str) -> str:
    return _SUFFIXES.sub("", name.rpartition("/")[2])


def files_of_named_split(names: Collection[str], split: str | None, label: str) -> list[str]:
    """Choose the files of one split.

    Args:
        names: Paths of files of one kind.
        split: Split, or another word in the names; None takes 'test', else 'validation', else all
            files where they are of one split or of none.
        label: Name of the source in messages.

    Raises:
        BenchmarkUnavailable: No file is of that split, there are several and none is named, or
            two words stand for it.
    """
    by_split: dict[str | None, list[str]] = {}
    for name in names:
        by_split.setdefault(split_of_name(name), []).append(name)
    known = [each for each in by_split if each is not None]
    if split is None:
        chosen = next((each for each in PREFERRED_SPLITS if each in by_split), None)
        if chosen is not None or len(by_split) <= 1:
            return _of_one_word(by_split.get(chosen) or list(names), None, label)
        raise BenchmarkUnavailable(
            f"{label} has files of the splits {', '.join(known)}: name one of them as the split."
            if len(known) == len(by_split)
            else f"{label} has files of the split {known[0]} and others, such as "
            f"{by_split[None][0]}: name the split.",
            "split",
        )
    meant = _canonical(split)
    if meant in by_split:
        return _of_one_word(by_split[meant], split.lower(), label)
    word = re.compile(rf"(^|[/_-]){re.escape(split)}([/_.-]|$)")
    if fitting := [name for name in names if word.search(name)]:
        return fitting
    there = f"it has {', '.join(known)}" if known else "its files name none"
    raise BenchmarkUnavailable(f"{label} has no split {split!r}: {there}.", "split")


def rows_of_split(splits: Collection[str], split: str | None, label: str) -> set[str]:
    """Choose the values of a table's column `split` whose rows are read.

    Args:
        splits: Values of the column.
        split: As for `files_of_named_split`.
        label: Name of the source in messages.

    Returns:
        The values that stand for the split.

    Raises:
        BenchmarkUnavailable: No row is of that split, or there are several and none is named.
    """
    by_split: dict[str, set[str]] = {}
    for value in splits:
        by_split.setdefault(_canonical(value), set()).add(value)
    if split is None:
        chosen = next((each for each in PREFERRED_SPLITS if each in by_split), None)
        if chosen is None and len(by_split) > 1:
            there = ", ".join(sorted(splits))
            raise BenchmarkUnavailable(
                f"{label} has rows of the splits {there}: name one of them as the split.", "split"
            )
        return by_split[chosen] if chosen is not None else set(splits)
    if _canonical(split) not in by_split:
        there = ", ".join(sorted(splits))
        raise BenchmarkUnavailable(
            f"{label} has no rows of the split {split!r}: it has {there}.", "split"
        )
    return by_split[_canonical(split)]


def _canonical(split: str) -> str:
    """The usual word for a split: 'validation' for 'val', and the word itself where none is."""
    return next((each for each, words in WORDS.items() if split.lower() in words), split.lower())


def _of_one_word(names: list[str], word: str | None, label: str) -> list[str]:
    """Choose the files of one split that name it by `word`, if any do, else by the only word.

    Raises:
        BenchmarkUnavailable: They name it by several words, such as 'test' and 'eval'.
    """
    by_word: dict[str | None, list[str]] = {}
    for name in names:
        by_word.setdefault(_split_word(name), []).append(name)
    if len(by_word) > 1 and word not in by_word:
        raise BenchmarkUnavailable(
            f"{label} has files of {' and of '.join(map(repr, by_word))}, which may be different "
            "sets: name one of them as the split.",
            "split",
        )
    return by_word.get(word, names)


def files_of_folder(names: Collection[str], config: str | None, label: str) -> list[str]:
    """Choose the files of one configuration where no card says which they are: those of a folder.

    Args:
        names: Paths of files of one split.
        config: Name of the folder; None where all lie in one. Folders with the very name of a
            split, and "data", are no configurations.
        label: Name of the source in messages.

    Raises:
        BenchmarkUnavailable: There is no such folder, there are several and none is named, or the
            names of the files differ in more than the number of a shard.
    """
    by_folder: dict[str, list[str]] = {}
    for name in names:
        folders = name.split("/")[:-1]
        parts = [each for each in folders if each.lower() not in {"data", *_SPLIT_WORDS}]
        by_folder.setdefault("/".join(parts), []).append(name)
    if config is None and len(by_folder) <= 1:
        return _shards_of_one_set(names, label)
    if config in by_folder:
        return _shards_of_one_set(by_folder[config], label)
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


def _shards_of_one_set(names: Collection[str], label: str) -> list[str]:
    """Check that files are shards of one set.

    Raises:
        BenchmarkUnavailable: Their names differ in more than the split and a number.
    """
    first = {_set_of_file(name): name for name in reversed(list(names))}
    if len(first) > 1:
        one, two = list(first.values())[:-3:-1]
        raise BenchmarkUnavailable(
            f"{label} has {one} and {two}, which may be different sets: name one as the split, "
            f"such as {_stem(two)!r}, or number files that belong together.",
            "split",
        )
    return list(names)
