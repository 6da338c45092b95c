"""Which module may import what."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mirnet
from mirnet.tasks import TASKS

PACKAGE = Path(mirnet.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))
EVAL_FILES = sorted((ROOT / "eval").rglob("*.py"))

FLOORS = (
    "mirnet.version",
    "mirnet.errors",
    "mirnet.number_format",
    "mirnet.machine_paths",
    "mirnet.plot_style",
    "mirnet.device",
    "mirnet.files",
    "mirnet.hub",
    "mirnet.download",
    "mirnet.memory",
    "mirnet.tasks",
    "mirnet.models",
    "mirnet.images",
    "mirnet.metrics",
    "mirnet.weights",
    "mirnet.restoration",
    "mirnet.inside",
    "mirnet.train",
    "mirnet.app",
    "mirnet.cli",
    "mirnet",
    "eval.data",
    "eval.methods",
    "eval.runs",
    "eval.analysis",
    "eval.review",
    "eval.reports",
    "eval.app",
    "eval.cli",
    "eval",
    "app",
)
"""Rooms from the ground up: a module imports its own room and rooms above it in this list."""

WEB = ("mirnet.app", "eval.app", "app")
"""The only rooms that import gradio."""


MAX_FILE_LINES, MAX_CLASS_LINES = 450, 250
"""Longest source file and class: longer ones hold more than one idea."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """The syntax tree of a file, parsed once for all tests."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported_names(path: Path) -> set[str]:
    """Top-level packages a file imports anywhere, also inside functions."""
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level > 1:
            inside = len(path.relative_to(ROOT).parts) - 1 - (node.level - 1)
            assert inside >= 1, f"{path.name} reaches outside the package"
    return names


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has imported after running some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.split())


def floor_of(module: str) -> int:
    """The place in FLOORS of the room that a module lies in."""
    room = max((f for f in FLOORS if f"{module}.".startswith(f"{f}.")), key=len)
    return FLOORS.index(room)


def resolved_imports(path: Path) -> set[str]:
    """Modules of this repository that a file imports anywhere, also inside functions."""
    package = (
        module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    )
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join(
                [*(base if node.level else []), *([node.module] if node.module else [])]
            )
            found |= {m if is_module(m := f"{module}.{a.name}") else module for a in node.names}
    return {name for name in found if name.split(".")[0] in ("mirnet", "eval", "app", "tests")}


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def arrows() -> dict[str, set[str]]:
    """The modules of this repository that each module imports."""
    return {
        module_name(path): resolved_imports(path) for path in [*FILES, *EVAL_FILES, ROOT / "app.py"]
    }


@pytest.fixture(scope="module", autouse=True)
def forget_trees() -> Iterator[None]:
    yield
    nodes.cache_clear()  # hundreds of megabytes


def test_no_file_is_too_long():
    files = [*FILES, *EVAL_FILES, *(ROOT / "tests").rglob("*.py")]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert [path for path, count in lines.items() if count > MAX_FILE_LINES] == []


def test_no_class_is_too_long():
    found = [
        f"{module_name(path)}.{node.name}"
        for path in [*FILES, *EVAL_FILES]
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and node.end_lineno - node.lineno >= MAX_CLASS_LINES
    ]
    assert found == []


def test_every_module_lies_in_a_room():
    alone = {"mirnet", "mirnet.__main__", "eval", "eval.__main__"}
    assert {m for m in arrows() if FLOORS[floor_of(m)] in ("mirnet", "eval")} <= alone


def test_imports_run_downward():
    upward = [
        f"{module} imports {name}"
        for module, names in arrows().items()
        for name in names
        if name.startswith("tests") or floor_of(name) > floor_of(module)
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle():
    """A circle would show as modules that are never free of imports still to come."""
    open_arrows = {
        m: {t for t in targets if t in arrows() and t != m} for m, targets in arrows().items()
    }
    while free := [m for m, targets in open_arrows.items() if not targets]:
        for m in free:
            del open_arrows[m]
        for targets in open_arrows.values():
            targets.difference_update(free)
    assert not open_arrows


def test_only_the_web_rooms_import_gradio():
    found = [
        module_name(path)
        for path in [*FILES, *EVAL_FILES]
        if imported_names(path) & {"gradio", "gradio_client"}
    ]
    assert found and [name for name in found if not name.startswith(WEB)] == []


@pytest.mark.parametrize("package", ["mirnet", "eval"])
def test_importing_a_package_alone_is_light(package):
    assert modules_after(f"import {package}").isdisjoint({"torch", "numpy", "PIL", "typer"})


@pytest.mark.parametrize("package", ["mirnet", "eval"])
def test_the_command_line_starts_without_heavy_imports(package):
    heavy = {"torch", "numpy", "cv2", "gradio", "huggingface_hub", "PIL"}
    assert modules_after(f"import {package}.cli.main").isdisjoint(heavy)


def test_eval_uses_the_public_names_of_mirnet():
    private = [
        f"{module_name(path)} imports {alias.name}"
        for path in EVAL_FILES
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mirnet")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert private == []


def called_names(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_the_builtin_eval_is_never_called():
    callers = [
        module_name(path)
        for path in [*FILES, *EVAL_FILES]
        if not {"eval", "exec"}.isdisjoint(called_names(path))
    ]
    assert callers == []


@pytest.mark.parametrize(
    ("given", "turns"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_waiting_threads_leave_the_core_unless_told_otherwise(given, turns):
    code = "import mirnet, os, sys; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    own = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=own | given
    )
    assert done.stdout.split() == [turns, "False"], done.stderr


def test_no_test_imports_another():
    """What several tests need lies in tests/support or in a conftest.py."""
    found = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and ".test_" in f".{node.module}":
                found.append(f"{path.name} imports {node.module}")
    assert found == []


def places_of(task: str) -> dict[str, bool]:
    """Whether a task has its row, file or sentence in each place that needs one."""
    from eval.analysis.overview import GROUPS
    from eval.analysis.published import DATASETS_OF
    from eval.data.benchmarks import load_benchmarks
    from eval.methods.baselines.table import BASELINES
    from mirnet.app.examples import examples
    from mirnet.app.restore_tab.modes import CARDS
    from mirnet.train.card import KNOWN_FAILURES
    from mirnet.train.config import CONFIGS, load_config
    from mirnet.train.degradations.registry import DEGRADATIONS
    from mirnet.weights.catalogue import load_catalogue

    entry = load_catalogue().get(TASKS[task].default_weights)
    recipes = [load_config(path) for path in CONFIGS.glob("*-compact.toml")]
    benchmarks = [row for row in load_benchmarks().values() if row.task == task]
    return {
        "weights in mirnet/weights/catalogue.toml": bool(entry and entry.task == task),
        "a recipe in mirnet/train/configs/": any(
            recipe.task == task and recipe.data.degradation in DEGRADATIONS for recipe in recipes
        ),
        "known failures in mirnet/train/card.py": task in KNOWN_FAILURES,
        "a card in mirnet/app/restore_tab/modes.py": any(
            task in card.modes.values() for card in CARDS.values()
        ),
        "examples in examples/examples.json": any(row.task == task for row in examples()),
        "a benchmark in eval/data/benchmarks.toml": any(
            not row.id.startswith("mini-") for row in benchmarks
        ),
        "a bundled benchmark, from examples/make_mini.py": any(
            row.id.startswith("mini-") for row in benchmarks
        ),
        "a baseline in eval/methods/baselines/table.py": any(
            task in row.tasks for row in BASELINES.values()
        ),
        "its data sets in eval/analysis/published.py": bool(DATASETS_OF.get(task)),
        "a group in eval/analysis/overview.py": any(task in tasks for _, tasks in GROUPS.values()),
    }


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_all_of_its_places(task):
    assert [place for place, there in places_of(task).items() if not there] == []
