"""Record of a method in a stored run: everything that its output depends on."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mirnet.machine_paths import last_part

Kind = Literal["weights", "baseline", "custom", "imported", "onnx"]
"""Weights of the catalogue, a classical method, user-supplied code, a folder of results that were
made elsewhere, or an ONNX file."""

WEIGHTS_FILE = "weights_file"
"""Setting of a network that is a file of this machine and not of the catalogue: its path."""

PATHS = (WEIGHTS_FILE, "onnx", "folder")
"""Settings that are paths of this machine: of weights, of an ONNX file, of imported results."""


class MethodRecord(BaseModel):
    """One method that was scored, with everything its output depends on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """Id, unique in the run."""
    title: str
    """Display name."""
    kind: Kind
    """Kind of the method."""
    settings: dict[str, Any] = {}
    """All settings of the method, by name."""
    weights_sha256: str | None = None
    """SHA-256 of the weights file; None for a method without one."""
    parameters: int | None = None
    """Number of learned parameters; None for a method without weights."""
    training_step: int | None = None
    """Training step that the weights were kept at, as their file says; None where it does not."""
    packages: dict[str, str] = {}
    """Versions of the packages that the method computes with, by name."""

    def without_folders(self) -> "MethodRecord":
        """Copy for strangers: of paths of this machine only the last part of the name is left."""
        names = {
            key: last_part(str(value))
            for key, value in self.settings.items()
            if key in PATHS and value
        }
        return self.model_copy(update={"settings": self.settings | names})
