"""Registry of methods: lists those of a task and builds each by id."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from mirnet.errors import InvalidRequest
from mirnet.tasks import get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.download import by_hand

from .baseline_method import baseline_method
from .baselines import BASELINES, Baseline
from .custom import custom_method, plugins
from .imported import imported_method
from .imported import new_settings as folder_settings
from .method import Method
from .method_record import WEIGHTS_FILE, Kind
from .networks import file_settings, network_method, training_files
from .onnx_method import new_settings as onnx_settings
from .onnx_method import onnx_method

SHORTCUTS = {
    "all": "everything that is on this machine",
    "compact": "the weights this program ships",
    "official-v1": "the authors' MIRNet",
    "official-v2": "the authors' MIRNet-v2",
    "baselines": "what people use without a network",
}
"""Names that `resolve` expands to several methods, with their descriptions."""
LOOK_INTO = {"folder": folder_settings, "onnx": onnx_settings, "weights": file_settings}
"""Functions that find the settings of a file or folder, by the kind of `FileMethod`."""
_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FILE = re.compile(r"(?:(?P<name>[^=:/\\]*)=)?(?P<kind>folder|onnx|weights|training):(?P<path>.+)")
_NAME = re.compile(r"[\w][\w.+() -]{0,63}")


class FileMethod(NamedTuple):
    """A method that is a file or folder of this machine, as a user names it."""

    name: str
    """Id in the run."""
    kind: str
    """"folder" for results of other code, "onnx" for a network, "weights" for a weights file of
    ours, "training" for all weights that a training kept."""
    path: str
    """Path as given."""


def file_method(text: str) -> FileMethod | None:
    """Parse 'NAME=folder:PATH', 'NAME=onnx:FILE' and so on; None for another kind of id.

    Without NAME, the method is called like its file or folder.

    Raises:
        InvalidRequest: The name cannot be an id.

    >>> file_method("theirs=folder:results/Set5")
    FileMethod(name='theirs', kind='folder', path='results/Set5')
    """
    found = _FILE.fullmatch(text)
    if found is None:
        return None
    path = Path(found["path"])
    own = path.name if found["kind"] in ("folder", "training") else path.stem
    name = (own if found["name"] is None else found["name"]).strip()
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"{name[:80]!r} cannot be the name of a method: use letters, digits, spaces and "
            f"-_.+(), as in 'theirs={found['kind']}:{found['path'][:80]}'."
        )
    return FileMethod(name, found["kind"], found["path"])


@dataclass(frozen=True)
class Choice:
    """One row of the list of methods."""

    id: str
    """Id that `get_method` accepts."""
    title: str
    """Display name."""
    kind: Kind
    """Kind of the method."""
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
        names: Ids, `SHORTCUTS`, 'NAME=folder:PATH', 'NAME=onnx:FILE', 'NAME=weights:FILE',
            'NAME=training:FOLDER' (each step that a training kept), or 'module:function'; those
            behind the shortcuts `get_method` may refuse.

    Raises:
        InvalidRequest: A name is unknown, or stands for nothing that is on this machine.
    """
    choices = list_methods(task)
    found: dict[str, None] = {}
    for name in names:
        if name in SHORTCUTS:
            ids = _meant(name, task, choices)
        elif named := file_method(name):
            ids = [name]
            if named.kind == "training":
                steps = training_files(named.path, named.name)
                ids = [f"{one}=weights:{path}" for one, path in steps]
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


def _require_free(name: str, task: str) -> None:
    """Check that a user's name for a method is not the id of another one."""
    taken = {*SHORTCUTS, *BASELINES, *catalogue.load_catalogue(), *plugins(SHORTCUTS)}
    if name in taken:
        raise InvalidRequest(f"{name!r} is the id of another method: give yours another name.")


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
    method_id: str,
    task: str,
    settings: dict | None = None,
    *,
    allow_code: bool = False,
    allow_files: bool = False,
) -> Method:
    """Make a method for a task.

    Args:
        method_id: Id in `list_methods`, or 'module:function': a function of the picture, (H, W, 3)
            float32 in [0, 1], and `size=(height, width)` of the result, that returns the result.
        settings: Settings that differ from the defaults; a run's recorded ones reproduce it.
        allow_code: Accept 'module:function', which runs any code on this machine. Leave it off
            where strangers choose the id.
        allow_files: Accept 'NAME=folder:PATH', 'NAME=onnx:FILE' and 'NAME=weights:FILE', which
            read files of this machine. Leave it off where strangers choose the id; a stored run's
            settings need none.

    Raises:
        InvalidRequest: The method is unknown, for another task, not on this machine, or has no
            such settings.
    """
    chosen = get_task(task)
    given = settings or {}
    named = file_method(method_id)
    if named is not None:
        if not allow_files:
            raise InvalidRequest(
                f"{method_id[:80]!r} would read files of this machine: methods of that form are "
                "for the command line only."
            )
        _require_free(named.name, task)
        method_id = named.name
        if named.kind not in LOOK_INTO:
            raise InvalidRequest(f"{named.name!r} stands for several methods: name one of them.")
        given = LOOK_INTO[named.kind](named.path, method_id)
    if "folder" in given:
        return imported_method(method_id, chosen, given)
    if "onnx" in given:
        return onnx_method(method_id, chosen, given)
    if WEIGHTS_FILE in given:
        return network_method(method_id, chosen, given)
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
