"""Limits of an operator on photos, by task and by weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mirnet.errors import InvalidRequest


@dataclass(frozen=True)
class PhotoLimits:
    """Largest results by task and by weights."""

    megapixels: Mapping[str, float] = field(default_factory=dict)
    """Most megapixels of a result by id of a task or of weights; 0 turns it off."""

    def check(self, task: str, weights: str, pixels: int) -> None:
        """Refuse a photo whose result is too large for its task or weights.

        Raises:
            InvalidRequest: It is; the sentence names the limit.
        """
        for name in (task, weights):
            most = self.megapixels.get(name, math.inf)
            if most == 0:
                raise InvalidRequest(f"{name!r} is turned off on this page: choose another.")
            if pixels > most * 1e6:
                raise InvalidRequest(
                    f"This page takes {name!r} up to {most:g} megapixels, and this result would "
                    f"have {pixels / 1e6:.3g}: choose a smaller photo, another task or other "
                    "weights."
                )


def parse_limits(text: str) -> PhotoLimits:
    """Read limits such as "sr-x4=8,denoise-v1=2".

    Raises:
        InvalidRequest: An item is not NAME=MEGAPIXELS, or the catalogue has no such name.

    >>> parse_limits("sr-x4=8, denoise-v1=0").megapixels
    {'sr-x4': 8.0, 'denoise-v1': 0.0}
    """
    from mirnet.tasks import TASKS
    from mirnet.weights import catalogue

    limits: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (part.strip() for part in item.partition("="))
        try:
            most = float(number)
        except ValueError:
            most = math.nan
        if not 0 <= most < math.inf:
            raise InvalidRequest(
                f"--limits wants NAME=MEGAPIXELS, such as sr-x4=8,denoise-v1=2: {item[:60]!r} is "
                "not"
            )
        if name not in TASKS and name not in catalogue.load_catalogue():
            raise InvalidRequest(f"--limits names {name[:60]!r}, which is no task and no weights")
        limits[name] = most
    return PhotoLimits(limits)
