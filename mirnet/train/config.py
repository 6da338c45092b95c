"""The training configuration: a TOML file checked field by field."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mirnet.errors import InvalidRequest
from mirnet.tasks import TASKS

CONFIGS = Path(__file__).parent / "configs"
"""Recipes of the shipped weights, and of the papers' networks on the papers' data."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Section):
    """What is trained."""

    architecture: Literal["MIRNet", "MIRNetV2"] = "MIRNetV2"
    """Which of the two networks."""
    settings: dict[str, int | float | bool | list[int]] = {}
    """Keyword arguments of its class."""
    start: str = ""
    """Weights to start from: a file, or the id of weights in the catalogue. Tensors of the same
    name and shape are taken, narrower ones are grown (see `mirnet.train.start.grow`), groups that
    it lacks begin as the identity, the others keep their initial values."""


class Pairs(_Section):
    """Real pictures in pairs, in whatever folders their data set comes."""

    folder: str
    """Where the data set lies."""
    input: str = "input/*"
    """Pattern of the degraded pictures below it."""
    find: str = "input"
    """Part of an input's path (below the folder) that differs from its target's: all occurrences
    are replaced."""
    replace: str = "target"
    """What the target has there."""
    share: float = Field(1.0, ge=0, le=1)
    """Part of each batch that comes from these pairs; what the shares leave is synthetic."""
    colours: float = Field(0, ge=0, le=1)
    """Share of the patches whose red, green and blue change places and get gains of their own, the
    same in both pictures: few pairs show few colours."""
    dev_every: int = Field(0, ge=0)
    """Every n-th pair is held out and scored; 0 holds none out."""
    memory_gib: float = Field(4, gt=0)
    """Memory for the pictures; where they need more, random tiles stand for each of them."""
    name: str = ""
    """Name on the card, with its licence."""


class Stage(_Section):
    """One stage of progressive training (MIRNet-v2, section 4.2)."""

    steps: int = Field(ge=1)
    """Steps it lasts."""
    patch_px: int = Field(ge=16, multiple_of=2)
    """Side of its patches."""
    batch: int = Field(ge=1)
    """Patches in each of its steps, over all processes."""


def _patches(number: int) -> str:
    return "1 patch" if number == 1 else f"{number} patches"


class Data(_Section):
    """What it is trained on."""

    photos: str = "data/photos"
    """Folder that `python -m mirnet prepare` filled, or a pack that it wrote."""
    degradation: Literal["noise", "dark", "bicubic", "photographed", "export", "none"]
    """Which of `mirnet.train.degradations.DEGRADATIONS` makes synthetic pairs of the photographs;
    'none' where all pairs are real."""
    noise: Literal["fitted", "profiles"] = "fitted"
    """Sensor noise of the degradations 'noise' and 'dark': a line fitted to cameras (Brooks et al.
    2019), or the measured profiles of hundreds of cameras that `prepare` fetched."""
    scale: int = Field(1, ge=1, le=4)
    """Factor of super-resolution."""
    patch_px: int = Field(128, ge=16, multiple_of=2)
    """Side of a training patch, after the last stage."""
    batch: int = Field(16, ge=1)
    """Patches in a step, over all processes, after the last stage."""
    detail: float = Field(0, ge=0, le=1)
    """Share of the synthetic patches that are the most detailed of four draws."""
    reduced: float = Field(0.3, ge=0, le=1)
    """Share of the patches of photographs that are reduced by 2, 3 or 4: sharper, and with less
    noise of their own."""
    stages: list[Stage] = []
    """Progressive training: smaller patches and larger batches first."""
    pairs: list[Pairs] = []
    """Real pairs to mix in."""
    dev_patch_px: int = Field(192, ge=16, multiple_of=2)
    """Side of the patches that choose the best step."""

    def stage(self, step: int) -> tuple[int, int]:
        """Patch side and batch at a step."""
        for stage in self.stages:
            if step < stage.steps:
                return stage.patch_px, stage.batch
            step -= stage.steps
        return self.patch_px, self.batch

    def schedule(self) -> str:
        """Patches of every stage in words, for the card."""
        parts = [f"{_patches(s.batch)} of {s.patch_px} px for {s.steps:,}" for s in self.stages]
        return ", then ".join([*parts, f"{_patches(self.batch)} of {self.patch_px} px"])

    @model_validator(mode="after")
    def _shares_fit(self) -> "Data":
        total = sum(pairs.share for pairs in self.pairs)
        if total > 1 + 1e-9 or (self.degradation == "none" and total < 1 - 1e-9):
            raise ValueError(
                f"the shares of the real pairs add up to {total:g}: they may make up at most 1, "
                "and exactly 1 where degradation is 'none'"
            )
        return self


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
    hold: int = Field(0, ge=0)
    """Steps at the peak between the warm-up and the cosine."""
    loss: Literal["charbonnier", "l1"] = "charbonnier"
    """MIRNet is trained with the first, MIRNet-v2 with the second."""
    charbonnier_epsilon: float = Field(1e-3, gt=0)
    """Charbonnier loss is the mean of sqrt(difference^2 + epsilon^2)."""
    curve_weight: float = Field(0, ge=0)
    """Weight of the loss of the exposure curve alone: brightness is then the curve's part, the same
    for every tile, and not the network's."""
    clamp_output: bool = False
    """Clip the output to [0, 1] ahead of the loss, as MIRNet's training does."""
    weight_decay: float = Field(0, ge=0)
    """Adam's L2 penalty."""
    mixup: float = Field(1.2, ge=0)
    """Both parameters of MixUp's Beta distribution; 0 switches it off."""
    mixup_share: float = Field(0.5, ge=0, le=1)
    """Share of the steps that mix pairs."""
    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones kept."""
    clip_norm: float = Field(1.0, gt=0)
    """Gradient norm is clipped to this."""
    level_phases: bool = False
    """Hold the answer of the last convolution to flat features equal for all places of a
    pixel-shuffle block, by a projection after every step: flat areas then come out flat, without a
    mesh. For networks behind a pixel-unshuffle."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the convolutions' arithmetic; weights, loss and optimizer stay in float32. Processors with
    AMX or AVX512-BF16, and GPUs, take about half the time with the second."""


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

    @field_validator("task")
    @classmethod
    def _known(cls, task: str) -> str:
        if task not in TASKS:
            raise ValueError(f"there is no task {task!r}; the tasks are {', '.join(TASKS)}")
        return task


def load_config(path: Path | str) -> Config:
    """Read and check a configuration.

    Args:
        path: A TOML file, or the `recipe.json` of a run; `configs/NAME.toml` also finds the
            recipes inside the package.

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
            if path.suffix == ".json":
                return Config.model_validate_json(file.read())
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
