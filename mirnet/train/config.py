"""The training configuration: a TOML file checked field by field."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InvalidRequest

CONFIGS = Path(__file__).parent.parent / "configs"
"""Recipes of the shipped weights."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Section):
    """What is trained."""

    architecture: Literal["MIRNet", "MIRNetV2"] = "MIRNetV2"
    """Which of the two networks."""
    settings: dict[str, int | float | bool | list[int]] = {}
    """Keyword arguments of its class."""


class Data(_Section):
    """What it is trained on."""

    photos: str = "data/photos"
    """Folder that `python -m mirnet prepare` filled."""
    degradation: Literal["noise", "dark"]
    """`mirnet.degrade.noisy_pair` or `dark_pair`."""
    patch_px: int = Field(128, ge=16, multiple_of=2)
    """Side of a training patch."""
    batch: int = Field(16, ge=1)
    """Patches in a step, over all processes."""


class Optimizer(_Section):
    """How it is trained; the defaults are the MIRNet paper's recipe (section 4.2)."""

    steps: int = Field(700_000, ge=1)
    """Optimizer steps."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak of the schedule."""
    final_learning_rate: float = Field(1e-6, ge=0)
    """Where the cosine ends."""
    warmup: int = Field(0, ge=0)
    """Steps of linear warm-up."""
    charbonnier_epsilon: float = Field(1e-3, gt=0)
    """Loss is the mean of sqrt(difference^2 + epsilon^2)."""
    mixup: float = Field(1.2, ge=0)
    """Both parameters of MixUp's Beta distribution; 0 switches it off."""
    mixup_share: float = Field(0.5, ge=0, le=1)
    """Share of the steps that mix pairs."""
    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones kept."""
    clip_norm: float = Field(1.0, gt=0)
    """Gradient norm is clipped to this."""


class Config(_Section):
    """One training run."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,60}$")
    """Id of the weights it makes."""
    task: str
    """Task of the weights."""
    seed: int = 0
    """Seed of initial weights, patches, degradations and MixUp."""
    save_every: int = Field(200, ge=1)
    """Steps between saved states."""
    evaluate_every: int = Field(500, ge=1)
    """Steps between scores on the dev photographs."""
    network: Network = Network()
    data: Data
    optimizer: Optimizer = Optimizer()


def load_config(path: Path | str) -> Config:
    """Read and check a configuration.

    Args:
        path: A TOML file; `configs/NAME.toml` also finds the recipes inside the package.

    Returns:
        The configuration.

    Raises:
        InvalidRequest: No such file, not TOML, or a field is unknown or out of range.
    """
    path = Path(path)
    if not path.exists() and (CONFIGS / path.name).exists():
        path = CONFIGS / path.name
    try:
        with path.open("rb") as file:
            return Config.model_validate(tomllib.load(file))
    except OSError as error:
        have = ", ".join(sorted(f"configs/{p.name}" for p in CONFIGS.glob("*.toml")))
        raise InvalidRequest(
            f"There is no training recipe {str(path)!r}; ours are {have}."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{path.name} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{path.name}, field {place!r}: {first['msg']}.") from error
