"""User-supplied functions as methods: 'module:function', or of an installed package."""

import logging
import sys
from collections.abc import Callable, Collection
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.files import file_sha256
from mirnet.images.picture import Picture, to_unit
from mirnet.tasks import Task
from mirnet.weights import catalogue

from .baselines import BASELINES
from .method import Method, Output, Restorer, checked, checked_settings, versions_of
from .method_record import MethodRecord
from .settings import Settings

ENTRY_POINTS = "mirnet_studio.methods"
"""Group under which an installed package offers methods: NAME = "module:function"."""


class CustomSettings(Settings):
    """Settings of user-supplied code: only its hash, for reproducibility."""

    source_sha256: str | None = None
    """SHA-256 of the file that holds the function; None where it is unknown."""


log = logging.getLogger(__name__)


def plugins(reserved: Collection[str]) -> dict[str, metadata.EntryPoint]:
    """Find the methods that installed packages offer, by name, without names that are taken."""
    taken = {*reserved, *BASELINES, *catalogue.load_catalogue()}
    found: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        if point.name in taken or point.name in found or ":" in point.name:
            log.warning("The method %s of %s needs another name", point.name, point.value)
        else:
            found[point.name] = point
    return found


def custom_method(method_id: str, target: str, task: Task, given: dict) -> Method:
    """Make a method of a function `target`, 'module:name'; its module is imported at once.

    Raises:
        InvalidRequest: The target cannot be imported, is no function, or its file has changed.
    """
    settings = checked_settings(CustomSettings, given, method_id)
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
        packages=versions_of(
            tuple(metadata.packages_distributions().get(module.split(".")[0], ()))
        ),
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

    return checked(method_id, task, run)


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
