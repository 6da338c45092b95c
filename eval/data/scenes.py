"""Scenes: which pairs of a benchmark show the same thing, and are no independent evidence.

Blocks of one photograph, crops of one scene and frames of one burst have scores that go together.
Statistics resample and test scenes, not pictures (see eval/docs/statistics.md).
"""

import re
from typing import Literal, get_args

SceneRule = Literal["numbered"]
"""Rules that group pairs into scenes. "numbered": ids of a scene differ only in their last number,
as SIDD's 0001-01 to 0001-32 and CC15's d800_iso3200_1 to d800_iso3200_3."""

SCENE_RULES: tuple[str, ...] = get_args(SceneRule)
"""Every rule by name."""

_LAST_NUMBER = re.compile(r"[-_. ]?\d+(?=\D*$)")


def scene_of(pair: str, rule: SceneRule | None) -> str:
    """Name of a pair's scene.

    Args:
        rule: Rule of the benchmark; None where each pair is a scene of its own.

    >>> scene_of("0001-32", "numbered"), scene_of("d800_iso3200_3", "numbered")
    ('0001', 'd800_iso3200')
    >>> scene_of("0001-32", None), scene_of("7", "numbered")
    ('0001-32', '7')
    """
    if rule is None:
        return pair
    return _LAST_NUMBER.sub("", pair) or pair
