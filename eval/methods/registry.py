"""What is compared: weights of the catalogue, what people use instead, and anybody's own code."""

import logging
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from mirnet.errors import CheckpointRejected, InvalidRequest, MIRNetError, WeightsUnavailable
from mirnet.images.picture import Picture, to_unit
from mirnet.tasks import Task, get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.download import by_hand
from mirnet.weights.store import file_sha256

from .baselines import BASELINES, Baseline, Settings
from .record import MethodRecord

ENTRY_POINTS = "mirnet_studio.methods"
"""Group under which an installed package offers methods: NAME = "module:function"."""
WEIGHTS_PACKAGES = ("torch", "numpy", "pillow")
"""Packages that do the work of the networks."""
SHORTCUTS = {
    "all": "everything that is on this machine",
    "compact": "the weights this program ships",
    "official-v1": "the authors' MIRNet",
    "official-v2": "the authors' MIRNet-v2",
    "baselines": "what people use without a network",
}
"""Names that `resolve` takes for several methods."""
_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """What a method makes of one picture."""

    pixels: np.ndarray
    """(H, W, 3), uint8, uint16, or float32 in [0, 1]; not rounded further than the method does."""
    tiles: int = 1
    """In how many pieces it saw the picture: 1 is the whole picture."""


Restorer = Callable[[Picture, tuple[int, int]], Output]
"""Maps a degraded picture and the (height, width) that its result must have to the result."""


@dataclass(frozen=True)
class Method:
    """One method, ready to be used on one task; it can be sent to another process."""

    info: MethodRecord
    """What a run records of it."""
    load: Callable[[], Restorer]
    """Imports and reads what is heavy; called once for each process."""


@dataclass(frozen=True)
class Choice:
    """One row of the list of methods."""

    id: str
    """What `get_method` takes."""
    title: str
    """For people."""
    kind: Literal["weights", "baseline", "custom"]
    """As in `MethodRecord`."""
    available: bool
    """Whether it can be used on this machine as it is now."""
    reason: str = ""
    """Why not, and the way out, in a sentence."""


class WeightsSettings(Settings):
    """How a network sees a picture."""

    engine: Literal["torch", "winograd"] = "torch"
    """What computes: `mirnet.restoration.engines`. Scores are measured with the reference by default."""
    whole_megapixels: float = Field(1.0, ge=0, le=100)
    """Up to this size a picture is not cut into tiles (MIRNet needs about 6 GB for one megapixel);
    above it tiles agree with the whole picture: `mirnet.restore` with `tiling="exact"`."""
    ensemble: bool = False
    """Average over the 8 flips and rotations, 8 times slower."""


class CustomSettings(Settings):
    """Of somebody's own code, which takes no settings from here."""

    source_sha256: str | None = None
    """Hash of the file that holds the function, where it is known."""


# ---------------------------------------------------------------- lists


def list_methods(task: str) -> list[Choice]:
    """Everything that can be compared on a task: weights, then baselines, then installed plugins.

    Nothing is imported, fetched or read for it but the catalogue.

    Raises:
        InvalidRequest: There is no such task.
    """
    get_task(task)
    choices = []
    for entry in catalogue.entries_for(task):
        reason = "" if weights.locate(entry.id) else _not_here(entry)
        choices.append(Choice(entry.id, entry.title, "weights", not reason, reason))
    for baseline in BASELINES.values():
        if task in baseline.tasks:
            reason = _not_installed(baseline)
            choices.append(Choice(baseline.id, baseline.title, "baseline", not reason, reason))
    return choices + [Choice(name, name, "custom", True) for name in _plugins()]


def resolve(names: list[str], task: str) -> list[str]:
    """Turn names and shortcuts into ids of methods, each once, in the order asked for.

    Args:
        names: Ids, `SHORTCUTS`, or 'module:function', which `get_method` may refuse.
        task: Id of the task.

    Raises:
        InvalidRequest: A name is unknown, or stands for nothing that is on this machine.
    """
    choices = list_methods(task)
    found: dict[str, None] = {}
    for name in names:
        if name in SHORTCUTS:
            ids = _meant(name, task, choices)
        else:
            ids = [_known(name, task, choices)]
        found.update(dict.fromkeys(ids))
    if not found:
        raise InvalidRequest(f"No method is named: choose from {_some(choices)}.")
    return list(found)


def _meant(shortcut: str, task: str, choices: list[Choice]) -> list[str]:
    """Ids a shortcut stands for, of those that are on this machine."""
    entries = {entry.id: entry for entry in catalogue.entries_for(task)}
    architectures = {"official-v1": "MIRNet", "official-v2": "MIRNetV2"}

    def is_meant(choice: Choice) -> bool:
        if shortcut == "all":
            return True
        if shortcut == "baselines":
            return choice.kind == "baseline"
        if choice.id not in entries:
            return False
        entry = entries[choice.id]
        if shortcut == "compact":
            return entry.kind == "embedded"
        return entry.kind == "official" and entry.architecture == architectures[shortcut]

    meant = [choice for choice in choices if is_meant(choice)]
    here = [choice.id for choice in meant if choice.available]
    if not here:
        reason = meant[0].reason if meant else f"There are none for {task}: choose other methods."
        raise InvalidRequest(f"{shortcut!r} is {SHORTCUTS[shortcut]}. {reason}")
    return here


def _known(name: str, task: str, choices: list[Choice]) -> str:
    for choice in choices:
        if choice.id == name:
            if not choice.available:
                raise InvalidRequest(choice.reason)
            return name
    if _CODE.fullmatch(name) and not name.startswith(catalogue.HUB_PREFIX):
        return name
    raise _unknown(name, task, choices)


def _unknown(name: str, task: str, choices: list[Choice]) -> InvalidRequest:
    other = BASELINES.get(name) or catalogue.load_catalogue().get(name)
    if isinstance(other, Baseline):
        return InvalidRequest(f"{name!r} is for {', '.join(other.tasks)}, not for {task}.")
    if other is not None:
        return InvalidRequest(f"The weights {name!r} are for {other.task}, not for {task}.")
    return InvalidRequest(
        f"There is no method {name[:80]!r} for {task}: choose from {_some(choices)}."
    )


def _some(choices: list[Choice]) -> str:
    return ", ".join([*SHORTCUTS, *(choice.id for choice in choices if choice.available)])


def _not_here(entry: catalogue.WeightsEntry) -> str:
    if entry.downloadable:
        return (
            f"The weights {entry.id!r} are not on this machine: run `python -m mirnet weights "
            f"fetch {entry.id}`."
        )
    return f"The weights {entry.id!r} are not on this machine: {by_hand(entry)}."


def _not_installed(baseline: Baseline) -> str:
    if all(find_spec(module) for module in baseline.modules):
        return ""
    return f"{baseline.title} needs {baseline.install}: install that with pip."


def _plugins() -> dict[str, metadata.EntryPoint]:
    """Methods that installed packages offer, by name; names that are taken are left out."""
    taken = {*BASELINES, *SHORTCUTS, *catalogue.load_catalogue()}
    found: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        if point.name in taken or point.name in found or ":" in point.name:
            log.warning("The method %s of %s needs another name", point.name, point.value)
        else:
            found[point.name] = point
    return found


# ---------------------------------------------------------------- methods


def get_method(
    method_id: str, task: str, settings: dict | None = None, *, allow_code: bool = False
) -> Method:
    """Make a method for a task.

    Args:
        method_id: Id in `list_methods`, or 'module:function': a function of the picture, (H, W, 3)
            float32 in [0, 1], and `size=(height, width)` of the result, that returns the result.
        task: Id of the task.
        settings: What is to differ from the defaults; those a run recorded reproduce its results.
        allow_code: Accept 'module:function', which runs any code on this machine. Leave it off
            where strangers choose the id.

    Raises:
        InvalidRequest: It is unknown, for another task, not on this machine, or has no such
            settings.
    """
    chosen = get_task(task)
    given = settings or {}
    choices = list_methods(task)
    name = _known(method_id, task, choices)
    if name in BASELINES:
        return _baseline(BASELINES[name], chosen, given)
    if name in catalogue.load_catalogue():
        return _weights(name, chosen, given)
    plugins = _plugins()
    if name in plugins:
        return _custom(name, plugins[name].value, chosen, given)
    if not allow_code:
        raise InvalidRequest(
            f"{name!r} would run code of this machine: methods of that form are for the command "
            "line only, with --allow-code."
        )
    return _custom(name, name, chosen, given)


def _settings(model: type[Settings], given: dict, method_id: str) -> Any:
    try:
        return model(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(model.model_fields) or "none"
        raise InvalidRequest(
            f"The setting {name!r} of {method_id} is not possible ({first['msg']}): it has {known}."
        ) from error


def _versions(distributions: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _baseline(baseline: Baseline, task: Task, given: dict) -> Method:
    settings = _settings(baseline.settings, given, baseline.id)
    file = baseline.weights(settings) if baseline.weights else None
    info = MethodRecord(
        id=baseline.id,
        title=baseline.title,
        kind="baseline",
        settings=settings.model_dump(),
        weights_sha256=file_sha256(file) if file else None,
        packages=_versions(baseline.packages),
    )
    return Method(info, partial(_load_baseline, baseline.id, task, settings))


def _load_baseline(baseline_id: str, task: Task, settings: Settings) -> Restorer:
    def run(picture: Picture, size: tuple[int, int]) -> Output:
        return Output(BASELINES[baseline_id].run(picture, size, settings))

    return _checked(baseline_id, task, run)


def _weights(weights_id: str, task: Task, given: dict) -> Method:
    from mirnet.weights.checkpoints import count_parameters

    settings = _settings(WeightsSettings, given, weights_id)
    loaded = _loaded(weights_id)
    info = MethodRecord(
        id=weights_id,
        title=loaded.entry.title if loaded.entry else weights_id,
        kind="weights",
        settings=settings.model_dump(),
        weights_sha256=loaded.sha256,
        parameters=count_parameters(loaded.model),
        packages=_versions(WEIGHTS_PACKAGES),
    )
    return Method(info, partial(_load_weights, weights_id, loaded.sha256, task, settings))


def _loaded(weights_id: str) -> weights.LoadedWeights:
    try:
        return weights.load(weights_id)
    except (WeightsUnavailable, CheckpointRejected) as error:
        raise InvalidRequest(str(error)) from error


def _load_weights(weights_id: str, sha256: str, task: Task, settings: WeightsSettings) -> Restorer:
    loaded = _loaded(weights_id)
    if loaded.sha256 != sha256:
        raise InvalidRequest(f"The weights {weights_id!r} changed meanwhile: start again.")
    return _checked(weights_id, task, partial(_restore, loaded, task, settings))


def _restore(
    loaded: weights.LoadedWeights,
    task: Task,
    settings: WeightsSettings,
    picture: Picture,
    size: tuple[int, int],
) -> Output:
    """Restore a picture with unrounded results.

    Where it has to be enlarged, that is done first and rounded to its depth, as mirnet does it.
    """
    from mirnet.restoration.job import MAX_TILE_PX, MIN_TILE_PX, enlarge, restore

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
    return Output(result.picture.pixels, result.tiles)


def _custom(method_id: str, target: str, task: Task, given: dict) -> Method:
    settings = _settings(CustomSettings, given, method_id)
    _function(method_id, target)
    module = target.partition(":")[0]
    file = getattr(sys.modules[module], "__file__", None)
    sha256 = file_sha256(Path(file)) if file else None
    if settings.source_sha256 not in (None, sha256):
        raise InvalidRequest(
            f"The code of {method_id!r} has changed since: restore it, or start a new run."
        )
    info = MethodRecord(
        id=method_id,
        title=method_id,
        kind="custom",
        settings=CustomSettings(source_sha256=sha256).model_dump(),
        packages=_versions(tuple(metadata.packages_distributions().get(module.split(".")[0], ()))),
    )
    return Method(info, partial(_load_custom, method_id, target, task))


def _load_custom(method_id: str, target: str, task: Task) -> Restorer:
    function = _function(method_id, target)

    def run(picture: Picture, size: tuple[int, int]) -> Output:
        try:
            return Output(np.asarray(function(to_unit(picture.pixels), size=size)))
        except MIRNetError:
            raise
        except Exception as error:  # foreign code raises anything
            raise InvalidRequest(
                f"{method_id} failed with {type(error).__name__}: {str(error)[:200]}"
            ) from error

    return _checked(method_id, task, run)


def _function(method_id: str, target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # importing foreign code raises anything
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise InvalidRequest(f"The method {method_id!r} cannot be imported ({reason}).") from error
    if not callable(found):
        raise InvalidRequest(f"{target} is a {type(found).__name__}, not a function.")
    return found


# ---------------------------------------------------------------- what goes in and what comes out


def _checked(method_id: str, task: Task, run: Restorer) -> Restorer:
    """Check what a method is given and what it returns.

    Raises:
        InvalidRequest: The restorer raises it: the size is none that the task makes of the picture,
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
        return Output(_valid(method_id, output.pixels, size), output.tiles)

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
