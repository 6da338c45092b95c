"""Weights as methods: those of the catalogue, and files such as a training keeps of its steps."""

import copy
import functools
import math
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mirnet.errors import CheckpointRejected, InvalidRequest, WeightsUnavailable
from mirnet.images.picture import Picture, to_unit
from mirnet.tasks import Task
from mirnet.weights import load as weights

from .method import Method, Output, Restorer, checked, checked_settings, versions_of
from .method_record import WEIGHTS_FILE, MethodRecord
from .settings import Settings

COUNTED_PX = 1024
"""Side of the picture that multiply-adds are counted for: a small one would show how much a network
adds at its edges."""
WEIGHTS_PACKAGES = ("torch", "numpy", "pillow")
"""Packages that networks compute with."""


class WeightsSettings(Settings):
    """Settings of a network; the defaults give the reference scores."""

    engine: Literal["torch", "winograd"] = "torch"
    """Inference engine; "torch" is the reference that scores are measured with."""
    whole_megapixels: float = Field(1.0, ge=0, le=100)
    """Up to this size a picture is not cut into tiles (MIRNet needs about 6 GB for one megapixel);
    above it tiles agree with the whole picture: `mirnet.restore` with `tiling="exact"`."""
    ensemble: bool = False
    """Average over the 8 flips and rotations, 8 times slower."""


class FileSettings(WeightsSettings):
    """Settings of a network in a file of this machine."""

    weights_file: str
    """Absolute path of the safetensors file."""


def file_settings(path: str, name: str) -> dict[str, Any]:
    """Settings of a weights file as a method of a new run.

    Args:
        name: Id of the method, for messages.

    Raises:
        InvalidRequest: There is no such file.
    """
    found = os.path.realpath(os.path.expanduser(path))  # ~nobody stays as it is
    if not os.path.isfile(found):  # False for a name that is too long, too
        raise InvalidRequest(f"{name!r}: there is no weights file {found!r}.")
    return {WEIGHTS_FILE: found}


def training_files(folder: str, name: str) -> list[tuple[str, Path]]:
    """Weights that a training kept, as ids and files in the order of their steps.

    Args:
        name: Start of the ids; a step follows.

    Raises:
        InvalidRequest: The folder holds no weights with a training step.
    """
    from mirnet.weights.store import read_notes

    found = []
    steps = os.path.join(os.path.expanduser(folder), "steps")  # ~nobody stays as it is
    here = os.path.isdir(steps)  # False for a name that is too long, too
    for path in Path(steps).glob("*.safetensors") if here else ():
        step = training_step_of(read_notes(path))
        if step is not None:
            found.append((step, path.resolve()))
    if not found:
        raise InvalidRequest(
            f"{folder[:80]!r} holds no weights of single steps: train with --keep-every N first."
        )
    return [(f"{name}-{step}", path) for step, path in sorted(found)]


def training_step_of(notes: Mapping[str, str]) -> int | None:
    """Training step in the notes of a weights file; None where there is none.

    >>> training_step_of({"training_step": "200"}), training_step_of({"training_step": "x"})
    (200, None)
    """
    text = notes.get("training_step", "")
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None


def network_method(weights_id: str, task: Task, given: dict) -> Method:
    """Make a method of weights; they are loaded and hashed at once.

    Args:
        weights_id: Id of the catalogue, or the name of the method for a file.
        given: Settings that differ from the defaults; `WEIGHTS_FILE` names a file.

    Raises:
        InvalidRequest: The weights are missing or damaged, or the settings are invalid.
    """
    from mirnet.weights.networks import count_parameters
    from mirnet.weights.store import read_notes

    model = FileSettings if WEIGHTS_FILE in given else WeightsSettings
    settings = checked_settings(model, given, weights_id)
    loaded = _loaded(weights_id, settings.model_dump())
    info = MethodRecord(
        id=weights_id,
        title=loaded.entry.title if loaded.entry else weights_id,
        kind="weights",
        settings=settings.model_dump(),
        weights_sha256=loaded.sha256,
        parameters=count_parameters(loaded.model),
        training_step=training_step_of(read_notes(loaded.path)),
        packages=versions_of(WEIGHTS_PACKAGES),
    )
    return Method(info, partial(_load_weights, weights_id, loaded.sha256, task, settings))


def multiply_adds_of(method: MethodRecord) -> float:
    """Multiply-adds of a network, in 10**9 a megapixel of its result.

    They are counted for a square of `COUNTED_PX`, with the eight passes of an ensemble.
    """
    file = method.settings.get(WEIGHTS_FILE)
    per_pixel = _multiply_adds(method.id, file, str(method.weights_sha256)) / COUNTED_PX**2
    return per_pixel * 1e6 / 1e9 * (8 if method.settings.get("ensemble") else 1)


@functools.lru_cache(maxsize=32)
def _multiply_adds(weights_id: str, file: str | None, sha256: str) -> int:
    from mirnet.models.complexity import multiply_adds

    model = copy.deepcopy(_loaded(weights_id, {WEIGHTS_FILE: file}).model).to("meta")
    return multiply_adds(model, COUNTED_PX, COUNTED_PX)


def _loaded(weights_id: str, settings: Mapping[str, Any]) -> weights.LoadedWeights:
    file = settings.get(WEIGHTS_FILE)
    try:
        return weights.load(Path(file), allow_paths=True) if file else weights.load(weights_id)
    except OSError as error:
        raise InvalidRequest(
            f"The weights file of {weights_id!r} cannot be read ({error.strerror or error})."
        ) from error
    except (WeightsUnavailable, CheckpointRejected) as error:
        raise InvalidRequest(str(error)) from error


def _load_weights(weights_id: str, sha256: str, task: Task, settings: WeightsSettings) -> Restorer:
    loaded = _loaded(weights_id, settings.model_dump())
    if loaded.sha256 != sha256:
        raise InvalidRequest(f"The weights {weights_id!r} changed meanwhile: start again.")
    return checked(weights_id, task, partial(_restore, loaded, task, settings))


def _restore(
    loaded: weights.LoadedWeights,
    task: Task,
    settings: WeightsSettings,
    picture: Picture,
    size: tuple[int, int],
) -> Output:
    """Restore a picture with unrounded results.

    An enlargement is done first and rounded to the picture's depth, as in mirnet.
    """
    from mirnet.images.network_input import enlarge
    from mirnet.restoration.api import restore
    from mirnet.restoration.plan import MAX_TILE_PX, MIN_TILE_PX

    if size != (picture.height, picture.width):
        picture = enlarge(picture, task.scale)
    step = loaded.model.multiple
    tile_px = max(math.ceil(max(size) / step) * step, MIN_TILE_PX)
    whole = picture.megapixels <= settings.whole_megapixels and tile_px <= MAX_TILE_PX
    work = restore(
        Picture(to_unit(picture.pixels), grey=picture.grey),
        task.id,
        weights=loaded,
        ensemble=settings.ensemble,
        tile_px=tile_px if whole else None,
        tiling="auto" if whole else "exact",
        same_size=True,
        engine=settings.engine,
    )
    result = work.result()
    return Output(result.picture.pixels, result.tiles, result.waited_seconds)
