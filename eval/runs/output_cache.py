"""The output cache: the same weights, settings and picture are not restored twice.

A key covers everything an output depends on: the method's settings, weights and package versions,
the code of this project that runs it, the picture, the task and the size. Pictures are kept once by
the hash of their pixels; runs hard-link to them where the disk allows, so a copy costs nothing.
"""

import functools
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from eval.methods.record import MethodRecord
from mirnet.files import replacing

from .store import replace_file

CODE = (
    "mirnet/*.py",
    "mirnet/images/**/*.py",
    "mirnet/models/*.py",
    "mirnet/restoration/**/*.py",
    "mirnet/weights/*.py",
    "eval/methods/**/*.py",
)
"""Files whose change may change an output."""
EXCLUDED_CODE = {"__main__.py", "preview.py", "download.py"}
"""Names of files among them that never change an output."""


@functools.cache
def code_sha256() -> str:
    """Hash over the code that restores."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for pattern in CODE:
        for path in sorted(root.glob(pattern)):
            if path.name not in EXCLUDED_CODE:
                digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(
    method: MethodRecord, degraded_sha256: str, task: str, size: tuple[int, int], device: str
) -> str:
    """Build the key of an output: a hash over all that it depends on.

    Args:
        method: Method that computes the output.
        degraded_sha256: Hash of the degraded picture.
        task: Id of the task.
        size: Height and width of the result.
        device: "cpu", "cuda" or "mps", which compute other last digits.
    """
    parts = {
        "method": method.model_dump(mode="json", exclude={"title"}),
        "code": code_sha256(),
        "degraded": degraded_sha256,
        "task": task,
        "size": size,
        "device": device if method.kind in ("weights", "onnx") else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class OutputRecord:
    """Provenance of an output in the cache: its hash, time and memory."""

    output_sha256: str
    """Hash of the output's pixels, which names its picture file."""
    seconds: float | None
    """Time of the method alone, in seconds; None for a result that was made elsewhere."""
    peak_mb: float | None
    """Peak resident memory of the process in megabytes; None where unknown."""
    tiles: int
    """Number of tiles that the picture was processed in."""
    run: str = ""
    """Id of the run that computed and timed the output."""
    threads: int | None = None
    """Number of compute threads while it was timed."""
    file_sha256: str | None = None
    """Hash of the file of an imported result; None for one that was computed."""


class OutputCache:
    """A folder of outputs, shared by the runs beside it.

    Args:
        folder: Path of the folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def picture(self, sha256: str) -> Path:
        """Path of a picture by the hash of its pixels."""
        return self.folder / "pictures" / sha256[:2] / f"{sha256}.png"

    def get(self, key: str) -> OutputRecord | None:
        """Look up an output; None where it or its picture is missing."""
        try:
            made = OutputRecord(**json.loads(self._entry(key).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return made if self.picture(made.output_sha256).exists() else None

    def put(self, key: str, made: OutputRecord, png: bytes) -> None:
        """Store an output and its picture.

        Raises:
            NotWritten: The disk is full or may not be written to.
        """
        picture = self.picture(made.output_sha256)
        if not picture.exists():
            replace_file(picture, png)
        replace_file(self._entry(key), json.dumps(made.__dict__).encode())

    def _entry(self, key: str) -> Path:
        return self.folder / "made" / key[:2] / f"{key}.json"


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file to a second name, or copy it where the disk has no hard links.

    Raises:
        OSError: The disk is full or may not be written to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
