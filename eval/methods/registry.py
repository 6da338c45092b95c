"""Registry of methods: lists those of a task and builds each by id."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from mirnet.errors import InvalidRequest
from mirnet.tasks import get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.download import by_hand

from .baseline_method import baseline_method
from .baselines import BASELINES, Baseline
from .custom import custom_method, plugins
from .method import Method
from .networks import network_method

SHORTCUTS = {
    "all": "everything that is on this machine",
    "compact": "the weights this program ships",
    "official-v1": "the authors' MIRNet",
    "official-v2": "the authors' MIRNet-v2",
    "baselines": "what people use without a network",
}
"""Names that `resolve` expands to several methods, with their descriptions."""
_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Choice:
    """One row of the list of methods."""

    id: str
    """Id that `get_method` accepts."""
    title: str
    """Display name."""
    kind: Literal["weights", "baseline", "custom"]
    """Kind of the method; see `MethodRecord`."""
    available: bool
    """Whether the method can be used on this machine now."""
    reason: str = ""
    """Sentence saying why the method is unavailable and what to do; "" where it is available."""


def list_methods(task: str) -> list[Choice]:
    """List all methods for a task: weights, then baselines, then installed plugins.

    Reads the catalogue only; nothing else is imported or fetched.

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
    return choices + [Choice(name, name, "custom", True) for name in plugins(SHORTCUTS)]


def resolve(names: list[str], task: str) -> list[str]:
    """Expand names and shortcuts to ids of methods, each once, in the requested order.

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
    """Expand a shortcut to ids of methods that are on this machine."""
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


def get_method(
    method_id: str, task: str, settings: dict | None = None, *, allow_code: bool = False
) -> Method:
    """Make a method for a task.

    Args:
        method_id: Id in `list_methods`, or 'module:function': a function of the picture, (H, W, 3)
            float32 in [0, 1], and `size=(height, width)` of the result, that returns the result.
        task: Id of the task.
        settings: Settings that differ from the defaults; a run's recorded ones reproduce it.
        allow_code: Accept 'module:function', which runs any code on this machine. Leave it off
            where strangers choose the id.

    Raises:
        InvalidRequest: The method is unknown, for another task, not on this machine, or has no
            such settings.
    """
    chosen = get_task(task)
    given = settings or {}
    choices = list_methods(task)
    name = _known(method_id, task, choices)
    if name in BASELINES:
        return baseline_method(BASELINES[name], chosen, given)
    if name in catalogue.load_catalogue():
        return network_method(name, chosen, given)
    offered = plugins(SHORTCUTS)
    if name in offered:
        return custom_method(name, offered[name].value, chosen, given)
    if not allow_code:
        raise InvalidRequest(
            f"{name!r} would run code of this machine: methods of that form are for the command "
            "line only, with --allow-code."
        )
    return custom_method(name, name, chosen, given)
