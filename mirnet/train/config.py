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
    """The network to train."""

    architecture: Literal["MIRNet", "MIRNetV2"] = "MIRNetV2"
    """Class of the network."""
    settings: dict[str, int | float | bool | list[int]] = {}
    """Keyword arguments of the class."""
    start: str = ""
    """Weights to start from: a file, or the id of weights in the catalogue. Tensors of the same
    name and shape are copied, narrower ones are grown (see `mirnet.train.network.grow`), missing
    groups begin as the identity, and all others keep their initial values."""


class Pairs(_Section):
    """A data set of real pairs, in its own folder layout."""

    folder: str
    """Folder of the data set."""
    input: str = "input/*"
    """Pattern of the degraded pictures, relative to `folder`."""
    find: str = "input"
    """Text in an input's path (below `folder`) that is replaced, at every occurrence, to get the
    path of its target."""
    replace: str = "target"
    """Replacement for `find` in the target's path."""
    share: float = Field(1.0, ge=0, le=1)
    """Share of each batch drawn from these pairs; the rest of the batch is synthetic."""
    colours: float = Field(0, ge=0, le=1)
    """Share of the patches whose channels are permuted and scaled, the same in both pictures;
    adds colours to small data sets."""
    dev_every: int = Field(0, ge=0)
    """Every n-th pair is held out for scores; 0 holds none out."""
    memory_gib: float = Field(4, gt=0)
    """Memory limit for the pictures in GiB; beyond it, only random tiles of them are kept."""
    name: str = ""
    """Name and licence of the data set, for the model card."""


class Stage(_Section):
    """One stage of progressive training (MIRNet-v2, section 4.2)."""

    steps: int = Field(ge=1)
    """Number of steps."""
    patch_px: int = Field(ge=16, multiple_of=2)
    """Side of the patches in pixels."""
    batch: int = Field(ge=1)
    """Patches per step, over all processes."""


def _patches(number: int) -> str:
    return "1 patch" if number == 1 else f"{number} patches"


class Data(_Section):
    """Training data and degradation."""

    photos: str = "data/photos"
    """Folder or pack of photographs written by `python -m mirnet prepare`."""
    degradation: Literal["noise", "dark", "bicubic", "photographed", "export", "none"]
    """Synthetic degradation of the photographs, a key of
    `mirnet.train.degradations.DEGRADATIONS`; 'none' if all pairs are real."""
    noise: Literal["fitted", "profiles"] = "fitted"
    """Sensor noise of the degradations 'noise' and 'dark': a line fitted to cameras (Brooks et al.
    2019), or the measured profiles of hundreds of cameras that `prepare` fetched."""
    scale: int = Field(1, ge=1, le=4)
    """Factor of super-resolution."""
    patch_px: int = Field(128, ge=16, multiple_of=2)
    """Side of a training patch in pixels, after the last stage."""
    batch: int = Field(16, ge=1)
    """Patches per step, over all processes, after the last stage."""
    detail: float = Field(0, ge=0, le=1)
    """Share of the synthetic patches that are the most detailed of four draws."""
    reduced: float = Field(0.3, ge=0, le=1)
    """Share of the patches cut from photographs reduced by 2, 3 or 4, which are sharper and have
    less noise of their own."""
    stages: list[Stage] = []
    """Stages of progressive training: smaller patches and larger batches first."""
    pairs: list[Pairs] = []
    """Data sets of real pairs to mix in."""
    dev_patch_px: int = Field(192, ge=16, multiple_of=2)
    """Side in pixels of the dev patches that choose the best step."""

    def stage(self, step: int) -> tuple[int, int]:
        """Patch side in pixels and batch size at a step."""
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
    """Loss, optimizer and schedule; the defaults are the MIRNet paper's recipe (section 4.2)."""

    algorithm: Literal["adam", "muon"] = "adam"
    """'muon' updates the weights of convolutions by `Muon` and the rest by Adam."""
    steps: int = Field(700_000, ge=1)
    """Optimizer steps."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate of the schedule."""
    final_learning_rate: float = Field(1e-6, ge=0)
    """Learning rate at the end of the cosine."""
    warmup: int = Field(0, ge=0)
    """Steps of linear warm-up."""
    hold: int = Field(0, ge=0)
    """Steps at the peak between the warm-up and the cosine."""
    loss: Literal["charbonnier", "l1"] = "charbonnier"
    """Training loss: 'charbonnier' for MIRNet, 'l1' for MIRNet-v2 as in the papers."""
    charbonnier_epsilon: float = Field(1e-3, gt=0)
    """Epsilon of the Charbonnier loss, the mean of sqrt(difference^2 + epsilon^2)."""
    curve_weight: float = Field(0, ge=0)
    """Weight of the loss of the exposure curve alone, so that brightness is left to the curve,
    which is the same for every tile, and not to the network."""
    clamp_output: bool = False
    """Whether the output is clipped to [0, 1] before the loss, as in MIRNet's training."""
    weight_decay: float = Field(0, ge=0)
    """L2 penalty of Adam; none on what Muon updates."""
    mixup: float = Field(1.2, ge=0)
    """Both parameters of MixUp's Beta distribution; 0 switches it off."""
    mixup_share: float = Field(0.5, ge=0, le=1)
    """Share of the steps that mix pairs."""
    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the averaged weights (EMA), which are scored and kept."""
    clip_norm: float = Field(1.0, gt=0)
    """Largest gradient norm; larger gradients are scaled down."""
    level_phases: bool = False
    """Whether the last convolution's response to flat features is made equal for all positions of a
    pixel-shuffle block, by a projection after every step, so that flat areas show no mesh. For
    networks behind a pixel-unshuffle."""
    shift_weight: float = Field(0, ge=0)
    """Weight of the difference between what a patch and the patch shifted by one pixel in both
    directions come out as, so that a pixel's place on the network's grid does not matter. Each
    patch is then restored twice."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the convolutions; weights, loss and optimizer stay in float32. bfloat16 takes
    about half the time on GPUs and on processors with AMX or AVX512-BF16."""


class Config(_Section):
    """One training run."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,60}$")
    """Id of the trained weights."""
    task: str
    """Id of the task of the weights."""
    seed: int = 0
    """Seed of initial weights, patches, degradations and MixUp."""
    save_every: int = Field(200, ge=1)
    """Steps between saved states."""
    evaluate_every: int = Field(500, ge=1)
    """Steps between scores on the dev photographs."""
    keep_every: int = Field(0, ge=0)
    """Steps between averaged weights that are kept as files of their own, for a curve of scores
    against steps; 0 keeps none."""
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

    Raises:
        InvalidRequest: The file does not exist, is not TOML, or a field is unknown or out of
            range.
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
