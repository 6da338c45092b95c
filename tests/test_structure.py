"""Which module may import what."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mirnet

PACKAGE = Path(mirnet.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))
EVAL_FILES = sorted((ROOT / "eval").rglob("*.py"))
FACES = {"mirnet.app.restore_tab", "mirnet.app.inside_tab", "mirnet.cli.main"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path) -> set[str]:
    """Top-level packages a file imports anywhere, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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


def test_importing_every_module_does_not_import_gradio():
    names = [name for name in map(module_name, FILES) if name not in FACES]
    assert len(names) >= 10 and "mirnet.restore" in names
    loaded = modules_after("\n".join(f"import {name}" for name in names))
    assert set(names) <= loaded
    assert "gradio" not in loaded and "eval" not in loaded


@pytest.mark.parametrize("package", ["mirnet", "eval"])
def test_importing_a_package_alone_is_light(package):
    assert modules_after(f"import {package}").isdisjoint({"torch", "numpy", "PIL", "typer"})


@pytest.mark.parametrize("package", ["mirnet", "eval"])
def test_the_command_line_starts_without_heavy_imports(package):
    heavy = {"torch", "numpy", "cv2", "gradio", "huggingface_hub", "PIL"}
    assert modules_after(f"import {package}.__main__").isdisjoint(heavy)


@pytest.mark.parametrize("path", FILES + EVAL_FILES, ids=module_name)
def test_imports_go_one_way(path):
    above = {"gradio", "gradio_client", "app"} - ({"gradio"} if path.name == "ui.py" else set())
    above |= {"eval"} if path in FILES else set()
    assert not imported_names(path) & above


@pytest.mark.parametrize("path", EVAL_FILES, ids=module_name)
def test_eval_uses_the_public_names_of_mirnet(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mirnet"):
            assert not [alias.name for alias in node.names if alias.name.startswith("_")]


@pytest.mark.parametrize("path", FILES + EVAL_FILES, ids=module_name)
def test_the_builtin_eval_is_never_called(path):
    calls = (n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
    assert not {"eval", "exec"} & {f.id for f in calls if isinstance(f, ast.Name)}


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
