"""A method: what a run records of it, and the function that restores with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np
from pydantic import ValidationError

from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture
from mirnet.tasks import Task

from .method_record import MethodRecord
from .settings import Settings


@dataclass(frozen=True)
class Output:
    """Result of a method on one picture."""

    pixels: np.ndarray
    """(H, W, 3), uint8, uint16, or float32 in [0, 1]; not rounded further than the method does."""
    tiles: int = 1
    """Number of tiles that the picture was processed in; 1 is the whole picture."""
    waited_seconds: float = 0.0
    """Seconds spent waiting for other work in this process; not part of the method's time."""
    file_sha256: str | None = None
    """Hash of the file that holds an imported result, which has no time; None for one computed."""


Restorer = Callable[[Picture, tuple[int, int]], Output]
"""Maps a degraded picture and the (height, width) that its result must have to the result."""


@dataclass(frozen=True)
class Method:
    """One method, ready to be used on one task; it can be sent to another process."""

    info: MethodRecord
    """Record of the method for stored runs."""
    load: Callable[[], Restorer]
    """Imports heavy packages and reads the weights; called once per process."""


def checked_settings(model: type[Settings], given: dict, method_id: str) -> Any:
    """Validate settings that a person or a stored run gives.

    Raises:
        InvalidRequest: One is unknown or out of range.
    """
    try:
        return model(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(model.model_fields) or "none"
        raise InvalidRequest(
            f"The setting {name!r} of {method_id} is not possible ({first['msg']}): it has {known}."
        ) from error


def versions_of(distributions: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of distributions, by name; those that are not installed are left out."""
    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def checked(method_id: str, task: Task, run: Restorer) -> Restorer:
    """Wrap a restorer so that its input size and its output are checked.

    Raises:
        InvalidRequest: Raised by the restorer: the size is not what the task makes of the picture,
            or the result is no picture of that size.
    """

    def restorer(picture: Picture, size: tuple[int, int]) -> Output:
        height, width = picture.height, picture.width
        if size not in ((height, width), (height * task.scale, width * task.scale)):
            raise InvalidRequest(
                f"{picture.name} has {width} x {height} pixels and its target {size[1]} x "
                f"{size[0]}: that does not fit the task {task.id}."
            )
        output = run(picture, size)
        return replace(output, pixels=_valid(method_id, output.pixels, size))

    return restorer


def _valid(method_id: str, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Check a result; floats become float32 and are clipped to [0, 1].

    Floats may overshoot by as much as the range of a picture: more means another scale.
    """
    if pixels.shape != (*size, 3):
        raise InvalidRequest(
            f"{method_id} returned an array of shape {pixels.shape} where {(*size, 3)} is needed."
        )
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    if pixels.dtype.kind != "f":
        raise InvalidRequest(
            f"{method_id} returned {pixels.dtype} values: uint8, uint16 or floats are needed."
        )
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -1 and high <= 2):  # also not a number
        raise InvalidRequest(
            f"{method_id} returned values from {low:.4g} to {high:.4g}: floats must be in [0, 1]."
        )
    return np.clip(pixels, 0, 1).astype(np.float32)
