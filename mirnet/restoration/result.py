"""Result of a restoration: pictures, facts about the run, blends, saving."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from mirnet.errors import InvalidRequest
from mirnet.images.encode import SaveOptions, encode_image, write_image
from mirnet.images.exif import iso_of
from mirnet.images.picture import Picture
from mirnet.tasks import get_task
from mirnet.version import __version__

from .blending import Blend, Blender


@dataclass(frozen=True)
class FirstStep:
    """Facts about the first step of a restoration in two."""

    task: str
    """Id of its task."""
    weights_id: str
    """Id of its weights, as `RestoreResult.weights_id`."""
    weights_sha256: str | None
    """Hash of its weights file; None for a network given as a module."""
    architecture: str
    """Network, as `RestoreResult.architecture`."""
    facts: str
    """Facts in one line, as `RestoreResult.facts`."""
    seconds: float
    """Working time in seconds, as `RestoreResult.seconds`."""


@dataclass(frozen=True)
class RestoreResult:
    """A restored photo and the facts about its restoration.

    Of a restoration in two steps, `before`, `full`, `mix` and the seconds are of both together, and
    `task` and all other facts are of the second; `first` has those of the first.
    """

    picture: Picture
    """Result, with depth, alpha, colour profile and EXIF of the source."""
    before: Picture
    """Input at the size of the result: enlarged for super-resolution, otherwise as read."""
    full: Picture | None
    """The network's result; None if it did not run, at strength 0."""
    task: str
    """Id of the task."""
    weights_id: str
    """Id in the catalogue, the file's name, or the class of a network given as a module."""
    weights_sha256: str | None
    """Hash of the weights file; None for a network given as a module."""
    architecture: str
    """"MIRNet" or "MIRNetV2"; the class of any other module."""
    parameters: int
    """Number of learned parameters."""
    seconds: float
    """Working time in seconds, without reading, enlarging, writing and waiting."""
    tiles: int
    """Number of tiles that the photo was cut into; 0 at strength 0."""
    tile_px: int
    """Largest allowed side of a tile, in pixels."""
    overlap_px: int
    """Shortest allowed overlap of naive tiles, or halo of `exact` and `fast` tiles, in pixels."""
    mix: Blend
    """Shares of the network's change that `picture` holds."""
    ensemble: bool
    """Whether each tile is the mean over 8 flips and rotations."""
    device: str
    """Device that the network ran on: "cpu", "cuda", "mps"."""
    tiling: str = "whole"
    """Tiling: a key of `TILINGS`, or "whole" for a single tile."""
    passes: int = 1
    """Number of passes of each tile through the network, flips and rotations not counted."""
    agreement_db: float | None = None
    """For `exact` tiles, estimated PSNR in dB against a restoration in one piece; else None."""
    engine: str = "torch"
    """Engine that computed the result: a key of `mirnet.restoration.engines.ENGINES`."""
    engine_note: str = ""
    """Reason why another engine than the requested one was used; "" if it was not."""
    noise_level: float | None = None
    """Noise that the network was told or estimated, in 8-bit levels; None if it takes none."""
    waited_seconds: float = 0.0
    """Time in seconds spent waiting for other restorations and evaluations of this process."""
    first: FirstStep | None = None
    """The step before; None if the restoration has one step."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Ids of the tasks of all steps, in their order."""
        return (self.task,) if self.first is None else (self.first.task, self.task)

    @property
    def megapixels(self) -> float:
        """Size of the result in millions of pixels."""
        return self.picture.megapixels

    @property
    def last_seconds(self) -> float:
        """Working time of the last step in seconds; `seconds` if there is one step."""
        return self.seconds - (0.0 if self.first is None else self.first.seconds)

    @property
    def megapixels_per_second(self) -> float:
        """Speed of the network of the last step, in megapixels of the result."""
        return self.megapixels / max(self.last_seconds, 1e-9)

    @property
    def nbytes(self) -> int:
        """Memory of the pixels of all pictures, in bytes."""
        arrays = {id(p.pixels): p.pixels for p in (self.picture, self.before, self.full) if p}
        return sum(array.nbytes for array in arrays.values())

    @property
    def strength(self) -> float:
        """Share of the network's change in `picture`, 0 to 1."""
        return self.mix.strength

    @cached_property
    def blender(self) -> Blender:
        """Blends input and result, also reduced or cut out; keeps the removed texture.

        Raises:
            InvalidRequest: The network did not run.
        """
        if self.full is None:
            raise InvalidRequest(
                "This result was made at strength 0, without the network: restore the photo again."
            )
        return Blender(self.before, self.full)

    def blend(
        self,
        strength: float | None = None,
        luma: float | None = None,
        chroma: float | None = None,
        detail: float | None = None,
    ) -> "RestoreResult":
        """Return the restoration with other shares of the network's change; no network runs.

        Args:
            strength: Share of everything: 0 is the input bit for bit, 1 the full effect; None for
                the current share, also below.
            luma: Share of the change of luminance, 0 to 1.
            chroma: Share of the change of colour, 0 to 1.
            detail: Share of the texture to return that the network removed with the noise, 0 to 1;
                0 for tasks that enlarge.

        Raises:
            InvalidRequest: A share is not a number from 0 to 1, detail is returned to an enlarged
                photo, or this result was made at strength 0.
        """
        given = {"strength": strength, "luma": luma, "chroma": chroma, "detail": detail}
        mix = replace(self.mix, **{key: value for key, value in given.items() if value is not None})
        check_blend(mix, *self.tasks)
        if self.full is None and mix.strength == 0:
            return replace(self, mix=mix)
        return replace(self, picture=self.blender.picture(mix), mix=mix)

    def as_first(self) -> FirstStep:
        """Facts of this result as those of a first step."""
        return FirstStep(
            self.task,
            self.weights_id,
            self.weights_sha256,
            self.architecture,
            self.facts(),
            self.seconds,
        )

    def facts(self) -> str:
        """Summary line: weights, hash, size, time, tiling, engine, ISO of a camera's photo."""
        parts = []
        if self.first is not None:
            parts = [f"first {self.first.task}", self.first.facts, f"then {self.task}"]
        parts.append(f"weights {self.weights_id}")
        if self.weights_sha256:
            parts.append(f"sha256 {self.weights_sha256[:6]}…")
        if self.tiles:
            speed = self.megapixels_per_second
            took = f"{self.last_seconds:.1f} s"
            parts.append(f"{self.megapixels:.3g} MP in {took} ({speed:.2g} MP/s)")
            many = f"{self.tiles} tiles up to {self.tile_px} px"
            parts.append("1 tile" if self.tiles == 1 else many + self._how_tiles_agree())
            parts.append(f"engine {self.engine}")
            if self.noise_level is not None:
                parts.append(f"noise level {self.noise_level:.3g} of 255")
            if self.engine_note:
                parts.append(self.engine_note)
        else:
            parts.append(f"{self.megapixels:.3g} MP unchanged at strength 0")
        iso = iso_of(self.picture.exif)
        return " · ".join([*parts, *([f"photo at ISO {iso}"] if iso else [])])

    def _how_tiles_agree(self) -> str:
        if self.tiling == "exact":
            times = "1 pass" if self.passes == 1 else f"{self.passes} passes"
            return f" in {times}, as if in one piece ({self.agreement_db or 0:.0f} dB)"
        return ", matched to a sample of the photo" if self.tiling == "fast" else ""

    def provenance(self) -> dict[str, str]:
        """Details of the restoration for `mirnet.images.encode.encode_image`."""
        details = {
            "Software": f"MIRNet Studio {__version__}",
            "Task": self.task,
            "Architecture": self.architecture,
            "Weights": self.weights_id,
            "WeightsSHA256": self.weights_sha256 or "",
            **{name.capitalize(): f"{share:g}" for name, share in asdict(self.mix).items()},
        }
        if self.first is not None:
            details |= {
                "FirstTask": self.first.task,
                "FirstArchitecture": self.first.architecture,
                "FirstWeights": self.first.weights_id,
                "FirstWeightsSHA256": self.first.weights_sha256 or "",
            }
        return {name: value for name, value in details.items() if value}

    def encode(self, options: SaveOptions) -> bytes:
        """Encode the result as the bytes of a file.

        Args:
            options: Choices of the file; the format must be given.

        Raises:
            ImageRejected: See `mirnet.images.encode.encode_image`.
        """
        return encode_image(
            self.picture,
            options.format or "",
            options.quality,
            options.metadata,
            options.subsampling,
            self.provenance() if options.provenance else None,
        )

    def save(
        self,
        path: str | Path,
        format: str | None = None,  # noqa: A002
        quality: int = 95,
        metadata: str = "all",
        subsampling: str = "auto",
        provenance: bool = False,
    ) -> Path:
        """Write the result as a file.

        Args:
            path: The file to write or replace.
            format: "PNG", "JPEG", "WebP" or "TIFF"; None takes it from the suffix.
            quality: 1 to 100, for JPEG and WebP.
            metadata: Metadata to write: "all", "no-gps" (all but the position) or "none".
            subsampling: Resolution of a JPEG's colours: "444", "420", or "auto" for "444" from
                quality 90 on.
            provenance: Add XMP that says how the picture was made: software, task, weights and
                their hash, strength, and IPTC's `DigitalSourceType`.

        Returns:
            The path written.

        Raises:
            ImageRejected: The format cannot hold the picture, or the file cannot be written.
        """
        return write_image(
            self.picture,
            path,
            format=format,
            quality=quality,
            metadata=metadata,
            subsampling=subsampling,
            provenance=self.provenance() if provenance else None,
        )


def check_blend(mix: Blend, *tasks: str) -> None:
    """Check that a blend suits the tasks of a restoration.

    Args:
        tasks: Ids of the tasks of its steps.

    Raises:
        InvalidRequest: Detail is wanted, and a step enlarges.
    """
    if mix.detail and not returns_detail(*tasks):
        enlarging = next(task for task in tasks if not returns_detail(task))
        raise InvalidRequest(
            f"Detail is texture that was removed with the noise, which {enlarging} does not "
            "remove: leave it at 0."
        )


def returns_detail(*tasks: str) -> bool:
    """Whether `detail` has an effect: no step enlarges, so texture may have been removed."""
    return all(get_task(task).scale == 1 for task in tasks)
