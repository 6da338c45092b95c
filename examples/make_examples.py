"""Make the example photos of the page: free photographs, damaged on purpose and with a seed.

    python -m mirnet prepare
    python examples/make_examples.py

The photographs are those that training holds out (mirnet/train/photos.toml, split "dev"): none of
our weights was trained on them. Every damage is done in linear light, as a camera would do it. The
script writes the pictures, the list the page reads (examples.json) and CREDITS.md; running it again
gives the same bytes.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from mirnet.train.degradations.mosaic import mosaic_and_demosaic
from mirnet.train.manifest import Photo, read_manifest

HERE = Path(__file__).parent
SIZE = 624, 420
"""Width and height of every original; both divide by 2, 3 and 4 for the enlarging tasks."""
MAX_BYTES = 250_000
"""Largest file; noisier pictures than that go to JPEG of high quality."""
PHOTOS = HERE.parent / "data/photos"
"""Where `python -m mirnet prepare` puts them."""
LICENCE_URLS = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "BSD-2-Clause": "https://opensource.org/license/bsd-2-clause",
    "public-domain": "https://creativecommons.org/public-domain/",
}

DAYLIGHT = np.array((2.0, 1.0, 1.6))
"""White-balance gains of red, green and blue of a usual sensor in daylight."""

Damage = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Maps (H, W, 3) linear light in [0, 1] to the same, or to a smaller picture."""


@dataclass(frozen=True)
class Example:
    """One example as the page sees it."""

    file: str
    """The damaged picture, relative to this folder."""
    original: str
    """The undamaged one, of the size a perfect result would have."""
    task: str
    """Id of the task."""
    title: str
    """Two or three words."""
    alt: str
    """What the picture shows and what is wrong with it."""
    damage: str
    """What was done to it."""
    author: str
    """Photographer."""
    licence: str
    """SPDX name of the photograph's licence."""
    source: str
    """Debian package and file name."""


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Decode sRGB (IEC 61966-2-1), both in [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Encode linear light as sRGB (IEC 61966-2-1), clipped to [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def sensor_noise(
    light: np.ndarray, random: np.random.Generator, shot: float, read: float
) -> np.ndarray:
    """Add Poisson-Gaussian noise that is a little coarser than a pixel, as demosaicking leaves it.

    Args:
        light: (H, W, 3) linear, in [0, 1].
        random: Source of randomness.
        shot: Variance per unit of light.
        read: Variance in the dark.
    """
    noise = random.standard_normal(light.shape)
    shifted = np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))
    noise = (noise + 0.35 * shifted) / np.sqrt(1 + 3 * 0.35**2)
    noise[..., [0, 2]] *= 1.5  # red and blue are amplified by the white balance
    return light + np.sqrt(shot * np.clip(light, 0, 1) + read) * noise


def high_iso(shot: float) -> Damage:
    """A camera at high sensitivity: noise on every sensor pixel, demosaicking, white balance.

    Args:
        shot: Variance of the photon noise per unit of light. The read noise that belongs to it is
            that of the line fitted by Brooks et al. (CVPR 2019, section 3.1).
    """
    read = np.exp(2.18 * np.log(shot) + 1.2)

    def damage(light: np.ndarray, random: np.random.Generator) -> np.ndarray:
        sensor = light / DAYLIGHT
        noise = random.standard_normal(light.shape)
        sensor = np.clip(sensor + np.sqrt(shot * sensor + read) * noise, 0, 1)
        planes = torch.from_numpy(sensor.transpose(2, 0, 1)[None])
        rggb = torch.zeros(2, 1, dtype=torch.long)
        developed = mosaic_and_demosaic(planes.float(), rggb)[0].numpy()
        return np.asarray(developed.transpose(1, 2, 0) * DAYLIGHT)

    return damage


def under_exposed(stops: float, cast: tuple[float, float, float]) -> Damage:
    """Too little light: darker by `stops` EV, with the noise and the cast that come with it."""

    def damage(light: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return sensor_noise(light * 2.0**-stops * np.array(cast), random, 4e-4, 2e-6)

    return damage


def shrunk(scale: int) -> Damage:
    """A smaller picture: the blur of a lens, then the average over each scale x scale block."""

    def damage(light: np.ndarray, random: np.random.Generator) -> np.ndarray:
        kernel = np.exp(-0.5 * (np.arange(-6, 7) / (0.35 * scale)) ** 2)
        for axis in (0, 1):
            light = convolve(light, kernel / kernel.sum(), axis)
        height, width = light.shape[0] // scale, light.shape[1] // scale
        small = light.reshape(height, scale, width, scale, 3).mean((1, 3))
        return sensor_noise(small, random, 2e-5, 1e-7)

    return damage


def flat_export(stops: float, cast: tuple[float, float, float], contrast: float) -> Damage:
    """An unedited export: wrong exposure, a colour cast, grey blacks and tame colours."""

    def damage(light: np.ndarray, random: np.random.Generator) -> np.ndarray:
        del random
        light = light * 2.0**stops * np.array(cast)
        grey = light.mean(2, keepdims=True)
        light = grey + 0.75 * (light - grey)
        return to_linear(0.08 + contrast * to_srgb(light))

    return damage


def convolve(values: np.ndarray, kernel: np.ndarray, axis: int) -> np.ndarray:
    """Convolve along one axis, edges repeated."""
    reach = len(kernel) // 2
    padding = [(reach, reach) if i == axis else (0, 0) for i in range(3)]
    padded = np.pad(values, padding, mode="edge")
    length = values.shape[axis]
    return sum(
        weight * np.take(padded, range(i, i + length), axis) for i, weight in enumerate(kernel)
    )


@dataclass(frozen=True)
class Recipe:
    """How one example is made."""

    task: str
    name: str
    title: str
    shows: str
    source: str
    """Part of the photograph's file name."""
    crop: tuple[float, float, float]
    """Centre (0..1 across, 0..1 down) and width as a share of the photograph's."""
    damage: Damage
    says: str
    """The damage in words."""
    camera_jpeg: bool = False
    """Whether the damage is a camera's: written as JPEG of quality 92 with 4:2:0, and as soft
    as a lens draws. The original is as soft, so softness is no part of the damage."""


NOISE = (
    "Poisson-Gaussian noise on every pixel of a Bayer sensor, demosaicking by Malvar, He and "
    "Cutler, white balance, JPEG of quality 92 with 4:2:0"
)
DARK = "exposure lowered by {} EV in linear light, colour cast, Poisson-Gaussian sensor noise"
SMALL = "lens blur and reduction to 1/{} in linear light, a trace of sensor noise"
FLAT = "wrong exposure, colour cast, raised blacks, lower contrast and saturation"
RECIPES = (
    Recipe(
        "denoise",
        "bridge",
        "Bridge at night",
        "A lit suspension bridge over a river at night",
        "cincinnati",
        (0.45, 0.5, 0.9),
        high_iso(3e-3),
        NOISE,
        camera_jpeg=True,
    ),
    Recipe(
        "denoise",
        "lanterns",
        "Lanterns",
        "Hundreds of orange and blue paper lanterns",
        "Sea-of-Lanterns",
        (0.5, 0.55, 0.55),
        high_iso(4e-3),
        NOISE,
        camera_jpeg=True,
    ),
    Recipe(
        "denoise",
        "dogs",
        "Two dogs",
        "Two dogs looking out of a wooden house",
        "friends_by",
        (0.42, 0.4, 0.7),
        high_iso(5e-3),
        NOISE,
        camera_jpeg=True,
    ),
    Recipe(
        "sr-x2",
        "nuthatch",
        "Nuthatch",
        "A nuthatch on the bark of a tree",
        "Kleiber",
        (0.42, 0.5, 0.5),
        shrunk(2),
        SMALL.format(2),
    ),
    Recipe(
        "sr-x2",
        "feast",
        "Feast",
        "Framed pictures above a laid table",
        "IMG_20191224",
        (0.6, 0.35, 0.6),
        shrunk(2),
        SMALL.format(2),
    ),
    Recipe(
        "sr-x3",
        "mountain",
        "Mountain",
        "A rocky ridge with snow",
        "picosdeeuropa",
        (0.62, 0.42, 0.62),
        shrunk(3),
        SMALL.format(3),
    ),
    Recipe(
        "sr-x3",
        "dog",
        "Dog",
        "The face of a brown dog at a window",
        "friends_by",
        (0.45, 0.38, 0.5),
        shrunk(3),
        SMALL.format(3),
    ),
    Recipe(
        "sr-x4",
        "lanterns",
        "Lanterns",
        "Hundreds of orange and blue paper lanterns",
        "Sea-of-Lanterns",
        (0.5, 0.7, 0.5),
        shrunk(4),
        SMALL.format(4),
    ),
    Recipe(
        "sr-x4",
        "bridge",
        "Bridge",
        "The tower of a lit suspension bridge at night",
        "cincinnati",
        (0.42, 0.4, 0.8),
        shrunk(4),
        SMALL.format(4),
    ),
    Recipe(
        "lowlight",
        "window",
        "At the window",
        "Two dogs at the window of a wooden house",
        "friends_by",
        (0.5, 0.42, 1.0),
        under_exposed(3.0, (1.0, 0.97, 0.92)),
        DARK.format(3),
    ),
    Recipe(
        "lowlight",
        "feast",
        "Feast",
        "Framed pictures above a laid table",
        "IMG_20191224",
        (0.5, 0.55, 1.0),
        under_exposed(4.0, (1.0, 0.95, 0.85)),
        DARK.format(4),
    ),
    Recipe(
        "lowlight",
        "nuthatch",
        "Nuthatch",
        "A nuthatch on the bark of a tree",
        "Kleiber",
        (0.4, 0.5, 1.0),
        under_exposed(3.5, (0.9, 1.0, 1.05)),
        DARK.format(3.5),
    ),
    Recipe(
        "retouch",
        "ridge",
        "Ridge",
        "A path up a meadow below a rocky ridge",
        "picosdeeuropa",
        (0.5, 0.5, 1.0),
        flat_export(-0.6, (1.12, 1.0, 0.85), 0.75),
        FLAT,
    ),
    Recipe(
        "retouch",
        "feast",
        "Feast",
        "Framed pictures above a laid table",
        "IMG_20191224",
        (0.5, 0.55, 1.0),
        flat_export(-1.0, (0.92, 0.98, 1.15), 0.78),
        FLAT,
    ),
)


def cut(photo: Image.Image, crop: tuple[float, float, float], lens: bool = False) -> Image.Image:
    """Cut a part of the shape of `SIZE` out of a photograph and reduce it to that size.

    Args:
        photo: The photograph.
        crop: See `Recipe.crop`.
        lens: Whether the reduced picture is as soft as a lens draws it on a sensor's pixels;
            else it is sharpened, as reduced pictures are.
    """
    across, down, share = crop
    width = min(photo.width * share, photo.height * SIZE[0] / SIZE[1])
    height = width * SIZE[1] / SIZE[0]
    left = min(max(photo.width * across - width / 2, 0), photo.width - width)
    top = min(max(photo.height * down - height / 2, 0), photo.height - height)
    box = (left, top, left + width, top + height)
    small = photo.resize(SIZE, Image.Resampling.LANCZOS, box=box)
    return small.filter(
        ImageFilter.GaussianBlur(0.7) if lens else ImageFilter.UnsharpMask(0.6, 30, 0)
    )


def save(picture: Image.Image, stem: Path) -> Path:
    """Write a PNG, or a JPEG of quality 96 or less where the PNG would be too large."""
    path = stem.with_suffix(".png")
    picture.save(path, optimize=True)
    if path.stat().st_size <= MAX_BYTES:
        return path
    path.unlink()
    path = stem.with_suffix(".jpg")
    for quality in range(96, 60, -2):
        picture.save(path, quality=quality, subsampling=0)
        if path.stat().st_size <= MAX_BYTES:
            break
    return path


def held_out(source: str) -> Photo:
    """The one photograph held out of training whose file name has this in it."""
    (photo,) = (p for p in read_manifest()[1] if p.split == "dev" and source in p.file)
    return photo


def make(recipe: Recipe, seed: int) -> Example:
    """Make one example: original and damaged picture."""
    source = held_out(recipe.source)
    photo = Image.fromarray(np.load(PHOTOS / source.key))
    folder = HERE / recipe.task
    folder.mkdir(exist_ok=True)
    original = folder / f"{recipe.name}-original.jpg"
    cut(photo, recipe.crop, recipe.camera_jpeg).save(
        original, quality=90, subsampling=0, optimize=True
    )
    # The damage starts from the JPEG as it was written, so that it is exactly the truth.
    with Image.open(original) as truth:
        light = to_linear(np.asarray(truth) / 255)
    damaged = to_srgb(recipe.damage(light, np.random.default_rng(seed)))
    picture = Image.fromarray(np.rint(damaged * 255).astype(np.uint8))
    if recipe.camera_jpeg:
        file = folder / f"{recipe.name}.jpg"
        picture.save(file, quality=92, subsampling=2, optimize=True)
    else:
        file = save(picture, folder / recipe.name)
    return Example(
        file=file.relative_to(HERE).as_posix(),
        original=original.relative_to(HERE).as_posix(),
        task=recipe.task,
        title=recipe.title,
        alt=f"{recipe.shows}; synthetic damage: {recipe.says}",
        damage=recipe.says,
        author=source.author,
        licence=source.licence,
        source=f"{source.package}: {Path(source.file).name}",
    )


def credits_page(examples: list[Example]) -> str:
    """Credit every photograph and say what was done to it."""
    lines = [
        "# Credits of the example photos",
        "",
        "All are cut out of photographs in Debian packages, which name authors and licences",
        "(mirnet/train/photos.toml). None of our weights was trained on these photographs; they",
        "only chose the best step of each training. They were reduced to at most",
        f"{SIZE[0]} x {SIZE[1]} pixels and **damaged by program** (`examples/make_examples.py`,",
        "seeded): the faults are synthetic, not those of the photographers. `*-original.jpg` is",
        "the picture before the damage.",
        "",
        "| example | photograph | author | licence | synthetic damage |",
        "|---|---|---|---|---|",
    ]
    for example in examples:
        licence = f"[{example.licence}]({LICENCE_URLS[example.licence]})"
        lines.append(
            f"| {example.file} | {example.source} | {example.author} | {licence} "
            f"| {example.damage} |"
        )
    lines += ["", "The damaged pictures are under the licence of their photograph.", ""]
    return "\n".join(lines)


def main() -> None:
    """Make all examples, examples.json and CREDITS.md."""
    examples = [make(recipe, seed) for seed, recipe in enumerate(RECIPES, 1)]
    text = json.dumps([asdict(example) for example in examples], indent=2, ensure_ascii=False)
    (HERE / "examples.json").write_text(text + "\n", encoding="utf-8")
    (HERE / "CREDITS.md").write_text(credits_page(examples), encoding="utf-8")


if __name__ == "__main__":
    main()
