"""Files that a data set's card assigns to a configuration and split, as `datasets` reads it."""

import re
from collections.abc import Iterable

from eval.data.pairs import BenchmarkUnavailable

from .patterns import NamePattern
from .splits import PREFERRED_SPLITS

CARD_FILE = "README.md"
"""The data set card; its front matter may name configurations."""


def files_of_split(
    names: Iterable[str], card: str, config: str | None, split: str | None, label: str
) -> list[str] | None:
    """Choose the files of one configuration and one split.

    Args:
        names: Paths of the data set's files.
        config: Configuration; None takes the card's default, or the only one.
        split: Split; None takes 'test', else 'validation', else the only one.

    Returns:
        The paths that fit, sorted; None where the card names no configurations.

    Raises:
        BenchmarkUnavailable: The card has no such configuration or split, has several and none is
            named, or is not valid.
    """
    if not re.search(r"^configs:", card.partition("\n---")[0], re.MULTILINE):
        return None
    patterns = _patterns(card, config, label)
    if split is None:
        preferred = [name for name in PREFERRED_SPLITS if name in patterns]
        split = preferred[0] if preferred else None
        if split is None and len(patterns) == 1:
            split = next(iter(patterns))
    if split not in patterns:
        raise BenchmarkUnavailable(
            f"{label} has the splits {', '.join(patterns)}: name one of them as the split.",
            "split",
        )
    chosen = [NamePattern(each) for each in patterns[split]]
    return sorted(name for name in names if any(each.match(name) is not None for each in chosen))


def _patterns(card: str, config: str | None, label: str) -> dict[str, list[str]]:
    """Read one configuration's file patterns, by split."""
    from datasets.data_files import sanitize_patterns
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    try:
        configs = MetadataConfigs.from_dataset_card_data(DatasetCard(card).data)
        usual = configs.get_default_config_name()
        if config is None:
            config = usual or (next(iter(configs)) if len(configs) == 1 else None)
        if config in configs:
            found = sanitize_patterns(configs[config].get("data_files") or "**")
            return {str(split): list(map(str, patterns)) for split, patterns in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchmarkUnavailable(
            f"The card of {label} does not say which files belong to which configuration "
            f"({error}): download the set and give its folder."
        ) from error
    raise BenchmarkUnavailable(
        f"{label} has the configurations {', '.join(configs)}: choose one of them.",
        "split",
    )
