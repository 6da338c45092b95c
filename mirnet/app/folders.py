"""The folder of uploads and results, and the room on its disk."""

import os
import shutil
import tempfile
from pathlib import Path


def upload_folder() -> Path:
    """Folder in which Gradio puts uploads and results; it may not exist yet."""
    given = os.environ.get("GRADIO_TEMP_DIR")
    return Path(given) if given else Path(tempfile.gettempdir()) / "gradio"


def standing(folder: Path) -> Path:
    """The folder itself, or the closest of its parents that exists."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(standing(folder)).free
