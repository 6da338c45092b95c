"""Environment of a run: code, packages, processor and device, as its document records them."""

import contextlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from mirnet.device import processor_name

from .document import Environment
from .output_cache import code_sha256

PACKAGES = ("torch", "numpy", "scikit-image", "scipy", "opencv-python-headless", "pillow")
"""Packages whose version may change a score."""
NOT_CODE = ":!eval/recorded"
"""Part of the repository that is not code: recording replaces runs there."""


def environment() -> Environment:
    """Describe the environment of this process."""
    from mirnet.device import choose_device

    root = Path(__file__).parents[2]
    commit = _git(root, "rev-parse", "HEAD")
    return Environment(
        commit=commit,
        dirty=bool(commit) and has_changes(root),
        code_sha256=code_sha256(),
        python=platform.python_version(),
        packages={name: metadata.version(name) for name in PACKAGES},
        machine=machine_name(),
        threads=compute_threads(),
        device=choose_device().type,
    )


def has_changes(root: Path) -> bool:
    """Whether tracked files of a repository, recorded runs aside, differ from its commit."""
    return bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", NOT_CODE))


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def environment_changes(then: Environment, now: Environment) -> list[str]:
    """Describe differences between two environments that may change a score.

    Returns:
        Phrases such as "torch 2.8.0, now 2.9.0"; none where nothing of the kind differs.
    """
    found = [
        f"{name} {version}, now {now.packages.get(name, 'not installed')}"
        for name, version in then.packages.items()
        if now.packages.get(name) != version
    ]
    if then.device != now.device:
        found.append(f"device {then.device}, now {now.device}")
    if then.code_sha256 != now.code_sha256:
        found.append(f"code {then.code_sha256[:12]}, now {now.code_sha256[:12]}")
    return found


def compute_threads() -> int:
    """Number of threads that networks compute with in this process."""
    import torch

    return torch.get_num_threads()


def machine_name() -> str:
    """Describe processor, cores and memory in words."""
    parts = [processor_name(), f"{os.cpu_count()} cores"]
    with contextlib.suppress(OSError, ValueError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{memory / 2**30:.0f} GiB")
    return ", ".join(parts)
