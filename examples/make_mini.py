"""Make the mini benchmark: eight free photographs, damaged on purpose and with a seed, six tasks.

    python -m mirnet prepare
    python -m examples.make_mini

Five photographs are among those that training holds out (mirnet/train/photos.toml, split "dev"),
three come with scikit-image. Each is reduced to 264 x 204 pixels, which is the truth of every task;
TASK/metadata.jsonl pairs it with its damaged picture, all paths relative to that file. The script
writes everything in `FOLDER`; running it again gives the same bytes.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from examples.make_examples import (
    LICENCE_URLS,
    flat_export,
    held_out,
    sensor_noise,
    to_linear,
    to_srgb,
    under_exposed,
)
from mirnet.errors import InvalidRequest
from mirnet.files import file_sha256
from mirnet.images.picture import to_eight_bits
from mirnet.tasks import TASKS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "eval/data/mini"
"""The mini benchmark."""
PHOTOS = ROOT / "data/photos"
"""Where `python -m mirnet prepare` puts them."""
SIZE = 264, 204
"""Width and height of every truth; both divide by 2, 3 and 4 for the enlarging tasks."""
SEED = 4
"""Of all that is random here."""
URLS = LICENCE_URLS | {"CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/"}
"""Where each licence can be read."""


@dataclass(frozen=True)
class Bundled:
    """A photograph that comes with scikit-image; author and licence as its documentation says."""

    file: str
    """File name in skimage/data."""
    author: str
    """Photographer."""
    licence: str
    """SPDX name, or 'public-domain'."""
    sha256: str
    """Hash of the file."""


BUNDLED = {
    "astronaut": Bundled(
        "astronaut.png",
        "NASA",
        "public-domain",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    "cat": Bundled(
        "chelsea.png",
        "Stefan van der Walt",
        "CC0-1.0",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    ),
    "coffee": Bundled(
        "coffee.png",
        "Rachel Michetti",
        "CC0-1.0",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
}


@dataclass(frozen=True)
class Scene:
    """One truth and where it is from."""

    name: str
    """Id of its pair in every task."""
    pixels: np.ndarray
    """(204, 264, 3) uint8."""
    author: str
    """Photographer."""
    licence: str
    """SPDX name of the photograph's licence, or 'public-domain'."""
    source: str
    """Package and file."""


CROPS = {
    "astronaut": (None, 0.5, 0.35, 1.0),
    "cat": (None, 0.5, 0.5, 1.0),
    "coffee": (None, 0.55, 0.5, 1.0),
    "dogs": ("friends_by", 0.42, 0.4, 0.7),
    "feast": ("IMG_20191224", 0.55, 0.45, 0.8),
    "lanterns": ("Sea-of-Lanterns", 0.5, 0.7, 0.5),
    "nuthatch": ("Kleiber", 0.4, 0.5, 0.75),
    "ridge": ("picosdeeuropa", 0.6, 0.42, 0.8),
}
"""By name: part of the held-out photograph's file name (None: a bundled one), centre of the crop (0
to 1 across and down), and its width as a share of the photograph's."""


def scene(name: str) -> Scene:
    """Cut one photograph and reduce it.

    Raises:
        InvalidRequest: The photographs are not prepared, or scikit-image brings another one.
    """
    part, across, down, share = CROPS[name]
    if part is None:
        import skimage

        bundled = BUNDLED[name]
        path = Path(skimage.__file__).parent / "data" / bundled.file
        if file_sha256(path) != bundled.sha256:
            raise InvalidRequest(f"{bundled.file} of scikit-image is another picture by now.")
        photo = Image.open(path).convert("RGB")
        author, licence, source = bundled.author, bundled.licence, f"scikit-image: {bundled.file}"
    else:
        found = held_out(part)
        if not (PHOTOS / found.key).exists():
            raise InvalidRequest(
                "Run `python -m mirnet prepare` first: the photographs are not here."
            )
        photo = Image.fromarray(np.load(PHOTOS / found.key))
        author, licence = found.author, found.licence
        source = f"{found.package}: {Path(found.file).name}"
    twelfth = int(min(photo.width * share / SIZE[0], photo.height / SIZE[1]) * 12)
    width, height = twelfth * SIZE[0] // 12, twelfth * SIZE[1] // 12
    left = min(max(int(photo.width * across) - width // 2, 0), photo.width - width)
    top = min(max(int(photo.height * down) - height // 2, 0), photo.height - height)
    box = (left, top, left + width, top + height)
    small = photo.resize(SIZE, Image.Resampling.LANCZOS, box=box)
    return Scene(name, np.asarray(small), author, licence, source)


Damaged = tuple[np.ndarray, str]
"""The damaged picture, (h, w, 3) uint8, and the damage in words."""


def noisy(pixels: np.ndarray, random: np.random.Generator) -> Damaged:
    """Poisson-Gaussian sensor noise in linear light, of a sensitivity drawn for each picture."""
    shot = float(np.exp(random.uniform(np.log(1e-3), np.log(8e-3))))
    light = sensor_noise(to_linear(pixels / 255), random, shot, shot / 15)
    words = f"Poisson-Gaussian sensor noise in linear light (shot {shot:.2g}, read {shot / 15:.2g})"
    return to_eight_bits(to_srgb(light)), words


def dark(pixels: np.ndarray, random: np.random.Generator) -> Damaged:
    """Two to four stops less light, with the cast and the sensor noise that come with it."""
    stops = random.uniform(2, 4)
    red, blue = random.uniform(0.9, 1.0), random.uniform(0.85, 1.05)
    light = under_exposed(stops, (red, 1.0, blue))(to_linear(pixels / 255), random)
    words = f"{stops:.1f} EV less light, a colour cast and Poisson-Gaussian sensor noise"
    return to_eight_bits(to_srgb(light)), words


def unedited(pixels: np.ndarray, random: np.random.Generator) -> Damaged:
    """Wrong exposure, a colour cast, raised blacks, lower contrast and saturation."""
    stops, contrast = random.uniform(-1.2, 0.6), random.uniform(0.7, 0.85)
    red, blue = 2 ** random.uniform(-0.25, 0.25, 2)
    light = flat_export(stops, (red, 1.0, blue), contrast)(to_linear(pixels / 255), random)
    words = (
        f"exposure off by {stops:+.1f} EV, colour cast, raised blacks, low contrast, dull colours"
    )
    return to_eight_bits(to_srgb(light)), words


def reduced(scale: int) -> Callable[[np.ndarray, np.random.Generator], Damaged]:
    """Bicubic reduction with antialiasing, rounded to 8 bits, as MATLAB's imresize does it."""

    def damage(pixels: np.ndarray, random: np.random.Generator) -> Damaged:
        del random
        size = SIZE[0] // scale, SIZE[1] // scale
        channels = [
            Image.fromarray(pixels[..., channel].astype(np.float32)).resize(
                size, Image.Resampling.BICUBIC
            )
            for channel in range(3)
        ]
        unit = np.stack([np.asarray(channel) for channel in channels], 2) / 255
        return to_eight_bits(unit), f"bicubic reduction to 1/{scale}"

    return damage


DAMAGES: dict[str, Callable[[np.ndarray, np.random.Generator], Damaged]] = {
    "denoise": noisy,
    "sr-x2": reduced(2),
    "sr-x3": reduced(3),
    "sr-x4": reduced(4),
    "lowlight": dark,
    "retouch": unedited,
}
"""By id of the task."""


def make(folder: Path = FOLDER) -> None:
    """Write the whole benchmark.

    Args:
        folder: Where to; files of the same names are replaced.

    Raises:
        InvalidRequest: See `scene`.
    """
    scenes = [scene(name) for name in sorted(CROPS)]
    for number, task in enumerate(TASKS):
        lines = []
        for index, truth in enumerate(scenes):
            random = np.random.default_rng([SEED, number, index])
            damaged, words = DAMAGES[task](truth.pixels, random)
            files = {"degraded": damaged, "target": truth.pixels}
            for kind, pixels in files.items():
                path = folder / task / kind / f"{truth.name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path, optimize=True)
            row = {
                "id": truth.name,
                "degraded_file_name": f"degraded/{truth.name}.png",
                "target_file_name": f"target/{truth.name}.png",
                "degradation": words,
                "licence": truth.licence,
                "author": truth.author,
                "source": truth.source,
            }
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        (folder / task / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "CREDITS.md").write_text(credits_page(scenes), encoding="utf-8")


def credits_page(scenes: list[Scene]) -> str:
    """Credit every photograph and say what the benchmark is good for."""
    lines = [
        "# The mini benchmark and its credits",
        "",
        "Eight pairs for each of the six tasks, so that every method can be tried without a",
        "network. **It is synthetic and small**: the damage is made by program",
        "(`examples/make_mini.py`, seeded), the pictures have 264 x 204 pixels, and the",
        "photographs from Debian packages chose the best step of each training of our own weights",
        "(none was trained on). It shows whether something works; it is no substitute for the real",
        "benchmarks, and its numbers compare with no paper's.",
        "",
        "| id | photograph | author | licence |",
        "|---|---|---|---|",
    ]
    for truth in scenes:
        licence = f"[{truth.licence}]({URLS[truth.licence]})"
        lines.append(f"| {truth.name} | {truth.source} | {truth.author} | {licence} |")
    lines += [
        "",
        "`TASK/target/ID.png` is a part of the photograph, reduced by a Lanczos filter.",
        "`TASK/degraded/ID.png` is made of it; `degradation` in `TASK/metadata.jsonl` says how:",
        "sensor noise in linear light (denoise), bicubic reduction (sr-x2, sr-x3, sr-x4), less",
        "light with sensor noise (lowlight), faults of exposure, contrast and colour (retouch).",
        "Both are under the licence of their photograph.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the mini benchmark again.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write it")
    make(parser.parse_args().folder)
