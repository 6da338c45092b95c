"""Presets: the choices of a restoration as a small TOML file, shared by page and command line.

Keys are named like the flags of `python -m mirnet restore`; all but `task` may be left out.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.formats import SUBSAMPLINGS, save_format
from mirnet.images.metadata import METADATA_CHOICES
from mirnet.tasks import get_task

from .blending import Blend

MAX_PRESET_BYTES = 20_000
"""Largest preset that is read, in bytes."""
Share = Annotated[float, Field(ge=0, le=1)]
"""Number from 0 to 1."""


class Preset(BaseModel):
    """Choices of a restoration and of the file of its result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    """Id of the task."""
    weights: str | None = None
    """Id of the weights in the catalogue; None for the task's own."""
    then: str | None = None
    """Id of a task that follows on the result; None for one step."""
    then_weights: str | None = None
    """Id of the weights of that task; None for its own."""
    same_size: bool = False
    """Whether a task that enlarges keeps the photo's size."""
    strength: Share = 1.0
    """Share of the network's change."""
    luma: Share = 1.0
    """Share of the change of luminance."""
    chroma: Share = 1.0
    """Share of the change of colour."""
    detail: Share = 0.0
    """Share of the removed texture that is returned."""
    format: str | None = None
    """Format of the result, by name or suffix; None for that of the photo."""
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Quality of JPEG and WebP."""
    subsampling: str = "auto"
    """Resolution of a JPEG's colours: a key of `SUBSAMPLINGS`."""
    metadata: str = "all"
    """Metadata to keep: a key of `METADATA_CHOICES`."""
    provenance: bool = False
    """Whether the file says how it was made."""

    @model_validator(mode="after")
    def _check(self) -> "Preset":
        from .result import check_blend

        check_blend(self.blend, *(get_task(task).id for task in self.tasks))
        if self.then_weights is not None and self.then is None:
            raise InvalidRequest("It has then_weights for a second step, and no task in then.")
        if self.format is not None and save_format(self.format) is None:
            raise InvalidRequest(f"There is no format {self.format[:20]!r} to save in.")
        for name, choices in (("subsampling", SUBSAMPLINGS), ("metadata", METADATA_CHOICES)):
            if getattr(self, name) not in choices:
                raise InvalidRequest(f"{name} is none of {', '.join(choices)}.")
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """Ids of the tasks of all steps, in their order."""
        return (self.task,) if self.then is None else (self.task, self.then)

    @property
    def blend(self) -> Blend:
        """Shares of the network's change."""
        return Blend(self.strength, self.luma, self.chroma, self.detail)

    def toml(self) -> str:
        """Write the preset as TOML; what is None is left out.

        >>> print(Preset(task="denoise", luma=0.5).toml().splitlines()[:2])
        ['task = "denoise"', 'same_size = false']
        """
        values = self.model_dump(exclude_none=True)
        # A JSON string, number or boolean is one of TOML too.
        return "".join(
            f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()
        )


def read_preset(path: str | Path) -> Preset:
    """Read a preset from a file.

    Raises:
        InvalidRequest: The file cannot be read, is no TOML, or has an unknown key or a wrong value.
    """
    name = Path(path).name
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_PRESET_BYTES + 1)
        if len(data) > MAX_PRESET_BYTES:
            raise ValueError("too long")
        values = tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise InvalidRequest(
            f"The preset {name} cannot be read ({error.strerror}): check its name."
        ) from error
    except (ValueError, RecursionError) as error:  # of tomllib, and ValueError also of UTF-8
        raise InvalidRequest(
            f"The preset {name} is no TOML file: a line of it is written like strength = 0.8."
        ) from error
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise InvalidRequest(f"The preset {name} {_reason(error)}.") from error
    except MIRNetError as error:
        raise InvalidRequest(f"The preset {name} is wrong: {error}") from error


def _reason(error: ValidationError) -> str:
    """First problem of a preset, as the end of a sentence."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"has a key {key[:40]!r} that there is not: use {', '.join(Preset.model_fields)}"
    if first["type"] == "missing":
        return f"does not say its {key}"
    return f"has a wrong value of {key}: {first['msg'][:1].lower()}{first['msg'][1:]}"
