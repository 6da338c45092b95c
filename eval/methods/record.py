"""What a stored run says about a method: everything that its output depends on."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class MethodRecord(BaseModel):
    """One method that was scored, with everything its output depends on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """Unique in the run."""
    title: str
    """For people."""
    kind: Literal["weights", "baseline", "custom"]
    """Weights of the catalogue, a classical method, or somebody's own code."""
    settings: dict[str, Any] = {}
    """All its settings."""
    weights_sha256: str | None = None
    """SHA-256 of its weights file, where it has one."""
    parameters: int | None = None
    """Number of learned parameters, where it has any."""
    packages: dict[str, str] = {}
    """Versions of the packages that do its work, by name."""
