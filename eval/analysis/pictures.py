"""Pictures of a stored run for a screen: whole, or the same crop of each, and error maps.

They are for looking only: what was scored are the stored files.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from eval.runs.document import SampleResult
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.decode import read_image
from mirnet.images.picture import Picture, to_eight_bits
from mirnet.images.preview import cut_out, shrink
from mirnet.metrics.registry import get_metric, metrics_in

from .score_tables import UNTOUCHED, best, disagreements, gains, worst

if TYPE_CHECKING:
    import pandas as pd

INPUT = "input"
"""Key of the degraded picture, beside the ids of methods."""
TARGET = "target"
"""Key of the ground truth."""
WHOLE_PX = 900
"""Longest side in pixels of a picture that is shown whole."""
STAGE_PX = 3000
"""Longest side in pixels of a picture that the browser zooms in; larger ones are reduced."""
MAX_PAIRS = 1000
"""Largest number of pairs in a list."""
STRIP_PX = 120
"""Longest side in pixels of a thumbnail in the strip."""
MAX_IN_STRIP = 24
"""Largest number of thumbnails in the strip, around the open picture."""
MAX_THUMB_BYTES = 500_000
"""Size in bytes above which a stored thumbnail is not read."""

Which = Literal["gain", "loss", "worst", "best", "disagree", "all"]
"""Choice of the pairs that are shown, and their order."""


@dataclass(frozen=True)
class Viewport:
    """Part of a picture that is shown, and the room for it."""

    zoom: int = 0
    """Zoom: 0 shows the whole picture, 1 true pixels, 2 and 4 enlarge without smoothing."""
    across: float = 0.5
    """Horizontal place, from 0 at the left edge to 1 at the right."""
    down: float = 0.5
    """Vertical place, from 0 at the top to 1 at the bottom."""
    width_px: int = 480
    """Width of the room for one picture on the screen, in pixels."""
    height_px: int = 360
    """Room for one picture on the screen, in pixels."""


class Thumbnail(NamedTuple):
    """One thumbnail of the strip."""

    pair: str
    """Id of the pair."""
    image: bytes | None
    """JPEG of at most `STRIP_PX`; None where no thumbnail is stored."""
    score: float
    """Score of the method that pictures are chosen by; not a number where it has none."""


def choose_pairs(
    scores: "pd.DataFrame",
    which: Which,
    method: str,
    other: str,
    k: int,
    metric: str,
    among: set[str] | None = None,
) -> list[str]:
    """Choose the pairs to look at, by id and in display order.

    Args:
        scores: Result of `score_tables.scores_frame`.
        which: "worst" and "best" by the score of `method`; "gain" and "loss" by how much better or
            worse it is than `other`, "disagree" by the size of that difference; "all" in the run's
            order.
        other: Id of a second method, for "gain", "loss" and "disagree".
        k: Largest number of pairs; "all" gives up to `MAX_PAIRS`.
        among: Ids of the pairs to choose from; None for all.

    Raises:
        InvalidRequest: The run has no such method.
    """
    if among is not None:
        scores = scores[scores.pair.isin(among)]
    if which == "all":
        return list(dict.fromkeys(scores.pair))[:MAX_PAIRS]
    if which in ("gain", "loss"):
        return list(gains(scores, method, other, k, metric, largest=which == "gain").pair)
    if which == "disagree":
        return list(disagreements(scores, other, method, k, metric).pair)
    choose = best if which == "best" else worst
    return list(choose(scores, method, k, metric).pair)


def strip_of(
    stored: StoredRun,
    scores: "pd.DataFrame",
    pairs: list[str],
    current: str,
    method: str,
    metric: str,
    against: str | None = None,
) -> list[Thumbnail]:
    """Select thumbnails of the pairs around the open one, to choose the next by eye.

    Args:
        scores: Result of `score_tables.scores_frame`.
        pairs: Ids of the pairs, in display order.
        method: Id of the method whose results are shown.
        against: Id of another method; scores are then differences from its scores.

    Returns:
        At most `MAX_IN_STRIP`, in order.
    """
    at = pairs.index(current) if current in pairs else 0
    first = max(min(at - MAX_IN_STRIP // 2, len(pairs) - MAX_IN_STRIP), 0)
    near = pairs[first : first + MAX_IN_STRIP]
    rows = scores[(scores.method == method) & scores.pair.isin(near)]
    of_pair = {row["pair"]: row for row in rows.to_dict("records")}
    others = scores[(scores.method == against) & scores.pair.isin(near)]
    base = dict(zip(others.pair, others[metric].tolist(), strict=True))
    strip = []
    for pair in near:
        row = of_pair.get(pair, {})
        sha256 = row.get("output_sha256")
        path = stored.thumb(sha256) if isinstance(sha256, str) else None
        score = row.get(metric, math.nan)
        if against:
            score = get_metric(metric).gain(score, base.get(pair, math.nan))
        strip.append(Thumbnail(pair, thumbnail_jpeg(path) if path is not None else None, score))
    return strip


@lru_cache(maxsize=1024)
def thumbnail_jpeg(path: Path, longest_px: int = STRIP_PX) -> bytes | None:
    """Reduce a stored picture; cached, since its name is a hash of its content.

    Args:
        path: A thumbnail, or a small picture.
        longest_px: Longest side of the result in pixels.

    Returns:
        A JPEG; None if the picture is too large, missing or damaged.
    """
    import io

    from PIL import Image

    try:
        if path.stat().st_size > MAX_THUMB_BYTES:
            return None
        pixels = shrink(Picture(to_eight_bits(read_image(path).pixels)), longest_px).pixels
    except (OSError, MIRNetError):
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def stored_pictures(stored: StoredRun, rows: list[SampleResult]) -> dict[str, np.ndarray]:
    """Read the stored pictures of one pair in one size: input, each method's output, target.

    Returns:
        (H, W, 3) uint8 or uint16 by `INPUT`, id of the method, `TARGET`; those that are not stored
        are left out. An input of another size is enlarged without smoothing to the target's.

    Raises:
        InvalidRequest: None of the pictures is stored.
    """
    wanted: dict[str, str | None] = {}
    for row in rows:
        wanted[INPUT] = wanted.get(INPUT) or row.degraded_sha256
    for row in rows:
        wanted[row.method] = row.output_sha256
    for row in rows:
        wanted[TARGET] = wanted.get(TARGET) or row.target_sha256
    found: dict[str, np.ndarray] = {}
    for name, sha256 in wanted.items():
        if sha256 is None:
            continue
        path = stored.output(sha256)
        if not path.is_file():
            continue
        try:
            found[name] = read_image(path).pixels
        except MIRNetError:  # damaged: verifying the run says so
            continue
    if not found:
        raise InvalidRequest(
            "The pictures of this pair are not stored here: only numbers were kept or copied."
        )
    model = found.get(TARGET)
    if model is None:
        model = next((found[row.method] for row in rows if row.method in found), None)
    if INPUT in found and model is not None and found[INPUT].shape != model.shape:
        found[INPUT] = _enlarged(found[INPUT], model.shape[0], model.shape[1])
    return found


def _enlarged(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    import cv2

    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST)


def seen_at(pixels: np.ndarray, place: Viewport) -> np.ndarray:
    """Cut or reduce one picture for the screen.

    Args:
        pixels: (H, W, 3) uint8 or uint16.

    Returns:
        (h, w, 3) uint8; cuts of pictures of one size at one place are of the same pixels.
    """
    picture = Picture(to_eight_bits(pixels))
    if place.zoom == 0:
        return shrink(picture, WHOLE_PX).pixels
    part = cut_out(
        picture,
        place.across,
        place.down,
        max(place.width_px // place.zoom, 1),
        max(place.height_px // place.zoom, 1),
    ).pixels
    return part.repeat(place.zoom, 0).repeat(place.zoom, 1)


def shown_whole(pixels: np.ndarray) -> np.ndarray:
    """A picture for a screen that zooms: its own pixels, or reduced to `STAGE_PX`.

    Args:
        pixels: (H, W, 3) uint8 or uint16.

    Returns:
        (h, w, 3) uint8.
    """
    return shrink(Picture(to_eight_bits(pixels)), STAGE_PX).pixels


def rows_of(scores: "pd.DataFrame", pair: str, protocol: str) -> list[SampleResult]:
    """Rows of one pair, as a run stores them, from the table of scores."""
    fields = [name for name in SampleResult.model_fields if name in scores.columns]
    rows = []
    for record in scores[scores.pair == pair].to_dict("records"):
        known = {name: _known(record[name]) for name in fields}
        known["cached"] = bool(known["cached"])
        known["method"] = str(known["method"])
        for name in ("tiles", "width", "height", "threads"):
            known[name] = None if known[name] is None else int(known[name])
        keys = [metric.key for metric in metrics_in(scores.columns)]
        score = {key: record[key] for key in keys if record[key] == record[key]}
        rows.append(SampleResult(**known, scores={protocol: score} if score else {}))
    return rows


def _known(value: Any) -> Any:
    return None if value is None or value != value else value


def sha_of(row: SampleResult, name: str | None) -> str | None:
    """Hash of a row's picture of that name; None where it has none."""
    if name == INPUT:
        return row.degraded_sha256
    if name == TARGET:
        return row.target_sha256
    return row.output_sha256 if row.method == name else None


def untouched(found: dict[str, np.ndarray]) -> str | None:
    """Id of the method of `UNTOUCHED` whose output equals the input; None without one."""
    if INPUT not in found:
        return None
    given = to_eight_bits(found[INPUT])
    known = (name for name in UNTOUCHED if name in found)
    return next((name for name in known if np.array_equal(to_eight_bits(found[name]), given)), None)


def shown_names(names: list[str], most: int) -> list[str]:
    """Choose names up to a number, with input and target among them."""
    if len(names) <= most:
        return names
    ends = [name for name in names if name == TARGET]
    return [name for name in names if name != TARGET][: most - len(ends)] + ends


def name_or_target(name: str | None, found: dict[str, Any]) -> str:
    """Return `name` if `found` has such a picture, else the last one, the target."""
    return name if name in found else list(found)[-1]
