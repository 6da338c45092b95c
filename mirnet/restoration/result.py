"""Result of a restoration: pictures, facts about the run, blending by strength, saving."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mirnet.errors import InvalidRequest
from mirnet.images.encode import write_image
from mirnet.images.picture import BAND_ROWS, Picture, quantize, to_unit


@dataclass(frozen=True)
class RestoreResult:
    """A restored photo and the facts about its restoration."""

    picture: Picture
    """Result, with depth, alpha, colour profile and EXIF of the source."""
    before: Picture
    """Input at the size of the result: enlarged for super-resolution, otherwise as read."""
    full: Picture | None
    """The result at strength 1; None at strength 0, where the network does not run."""
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
    strength: float
    """Share of the network's result, the rest being `before`."""
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
    waited_seconds: float = 0.0
    """Time in seconds spent waiting for other restorations and evaluations of this process."""

    @property
    def megapixels(self) -> float:
        """Size of the result in millions of pixels."""
        return self.picture.megapixels

    @property
    def megapixels_per_second(self) -> float:
        """Speed of the network, in megapixels of the result."""
        return self.megapixels / max(self.seconds, 1e-9)

    @property
    def nbytes(self) -> int:
        """Memory of the pixels of all pictures, in bytes."""
        arrays = {id(p.pixels): p.pixels for p in (self.picture, self.before, self.full) if p}
        return sum(array.nbytes for array in arrays.values())

    def with_strength(self, strength: float) -> "RestoreResult":
        """Return the restoration at another strength; the network does not run again.

        Args:
            strength: 0 is the input, 1 the network's result.

        Raises:
            InvalidRequest: The strength is not a number from 0 to 1, or this result has strength 0.
        """
        check_strength(strength)
        if self.full is None and strength > 0:
            raise InvalidRequest(
                "This result was made at strength 0, without the network: restore the photo again."
            )
        return replace(
            self, picture=blended(self.before, self.full, strength), strength=float(strength)
        )

    def facts(self) -> str:
        """Summary line: weights, hash, size, time, tiling, engine."""
        parts = [f"weights {self.weights_id}"]
        if self.weights_sha256:
            parts.append(f"sha256 {self.weights_sha256[:6]}…")
        if self.tiles:
            speed = self.megapixels_per_second
            parts.append(f"{self.megapixels:.3g} MP in {self.seconds:.1f} s ({speed:.2g} MP/s)")
            many = f"{self.tiles} tiles up to {self.tile_px} px"
            parts.append("1 tile" if self.tiles == 1 else many + self._how_tiles_agree())
            parts.append(f"engine {self.engine}")
            if self.engine_note:
                parts.append(self.engine_note)
        else:
            parts.append(f"{self.megapixels:.3g} MP unchanged at strength 0")
        return " · ".join(parts)

    def _how_tiles_agree(self) -> str:
        if self.tiling == "exact":
            times = "1 pass" if self.passes == 1 else f"{self.passes} passes"
            return f" in {times}, as if in one piece ({self.agreement_db or 0:.0f} dB)"
        return ", matched to a sample of the photo" if self.tiling == "fast" else ""

    def save(
        self,
        path: str | Path,
        format: str | None = None,  # noqa: A002
        quality: int = 95,
        metadata: str = "all",
    ) -> Path:
        """Write the result as a file.

        Args:
            path: The file to write or replace.
            format: "PNG", "JPEG", "WebP" or "TIFF"; None takes it from the suffix.
            quality: 1 to 100, for JPEG and WebP.
            metadata: Metadata to write: "all", "no-gps" (all but the position) or "none".

        Returns:
            The path written.

        Raises:
            ImageRejected: The format cannot hold the picture, or the file cannot be written.
        """
        return write_image(self.picture, path, format=format, quality=quality, metadata=metadata)


def check_strength(strength: object) -> None:
    """Check that a strength is a number from 0 to 1.

    Raises:
        InvalidRequest: The strength is not such a number.
    """
    if not isinstance(strength, (int, float, np.number)) or not 0 <= strength <= 1:
        raise InvalidRequest(
            f"Strength {strength!r} is not a number from 0 to 1: choose 1 for all."
        )


def blended(before: Picture, full: Picture | None, strength: float) -> Picture:
    """Mix input and result, pixel by pixel in sRGB values.

    Args:
        before: The input at the size of the result.
        full: The result at strength 1; may be None at strength 0.
        strength: 0 returns the input's pixels bit for bit, 1 the result's.

    Returns:
        A picture of the input's depth.
    """
    if full is None or strength == 0:
        return before
    if strength == 1:
        return full
    pixels = np.empty_like(before.pixels)
    for top in range(0, before.height, BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        base = to_unit(before.pixels[rows])
        mixed = base + np.float32(strength) * (to_unit(full.pixels[rows]) - base)
        pixels[rows] = quantize(mixed, pixels.dtype)
    return before.with_pixels(pixels)
