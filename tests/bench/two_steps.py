"""`python -m tests.bench.two_steps DATA`: two tasks after each other, compared with either alone.

Pairs: real dark photos (LoL), photos with noise of a camera that is calculated as in training, and
real noisy photos, reduced and enlarged again; a result that a way does not enlarge is enlarged by
Pillow's bicubic filter. Scores are of the protocol rgb-8bit. The last column counts the pictures on
which a way in two steps has a higher PSNR, and SSIM, than each single task. The page offers ways
(`choices.SECOND_STEPS`) whose means are both higher than those of each single task, over all
pictures of their kind, and which are better on more than half of them in both.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from mirnet.images.decode import read_image
from mirnet.images.network_input import enlarge
from mirnet.metrics.protocols import RGB_8BIT
from mirnet.restoration.api import restore
from mirnet.train.degradations.camera import Camera, in_camera
from mirnet.weights.load import load

SHOT_NOISE = (6e-5, 2e-2)
"""Range of the shot noise in training for denoising, variance per unit of signal."""
MAX_SIDE_PX = 768
"""Longest side of the part of a photo that is measured, in pixels."""


@dataclass(frozen=True)
class Case:
    """A damaged photo and the good one."""

    group: str
    """Kind of damage and data set."""
    damaged: np.ndarray
    """(H, W, 3) uint8."""
    target: np.ndarray
    """(H, W, 3) uint8, or larger by the scale of the group's ways."""


Way = tuple[tuple[str, str], ...]
"""Steps of a restoration: task and weights of each."""


def dark_ways() -> list[Way]:
    """Single tasks for a dark photo first, then those in two steps."""
    light, clean = ("lowlight", "lowlight-compact"), ("denoise", "denoise-compact")
    return [(light,), (clean, light), (light, clean)]


def small_ways(scale: int) -> list[Way]:
    """Single tasks for a small noisy photo first, then those in two steps."""
    clean = "denoise", "denoise-compact"
    kinds = [(f"sr-x{scale}", f"sr-x{scale}-{kind}") for kind in ("compact", "photo")]
    singles = [(clean,), *((kind,) for kind in kinds)]
    return [*singles, *((clean, kind) for kind in kinds), (kinds[0], clean)]


def dark(data: Path, most: int) -> Iterator[Case]:
    """The official test pairs of LoL that are here."""
    folder = data / "lowlight/LoL/eval15_first7"
    for file in sorted((folder / "input").iterdir())[:most]:
        target = folder / "target" / file.name
        yield Case("dark, LoL", read_image(file).pixels, read_image(target).pixels)


def calculated(data: Path, most: int, scale: int) -> Iterator[Case]:
    """Photos of Kodak with a camera's noise, before and after they are reduced."""
    for number, file in enumerate(sorted((data / "clean/Kodak24/dev").rglob("*.png"))[:most]):
        target = part_of(read_image(file).pixels, scale)
        small = reduced(target, scale)
        label = f"Kodak, x{scale}"
        yield Case(f"noisy, then reduced, {label}", reduced(noisy(target, number), scale), target)
        yield Case(f"reduced, then noisy, {label}", noisy(small, number), target)


def real(data: Path, most: int, scale: int) -> Iterator[Case]:
    """Real noisy photos, reduced; the mean of many frames at full size is the truth."""
    for name, folder in (("CC15", "CC15/dev"), ("PolyU", "PolyU/train")):
        files = sorted((data / "denoise" / folder / "input").iterdir())
        for file in files[:: max(len(files) // most, 1)][:most]:
            target = file.parents[1] / "target" / file.name
            whole, truth = (part_of(read_image(path).pixels, scale) for path in (file, target))
            yield Case(f"noisy, then reduced, {name}, x{scale}", reduced(whole, scale), truth)


def part_of(pixels: np.ndarray, scale: int) -> np.ndarray:
    """The upper left part of a photo, with sides that divide by the scale."""
    height, width = (min(side, MAX_SIDE_PX) // scale * scale for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[:height, :width])


def reduced(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Reduce by area average, as phones and the web do."""
    return cv2.resize(pixels, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)


def noisy(pixels: np.ndarray, seed: int) -> np.ndarray:
    """Add a camera's noise, drawn as in training for denoising, at 8 bits."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    camera = Camera.draw(1, SHOT_NOISE, generator)
    sensor = camera.sense(clean)
    noise = camera.develop(camera.expose(sensor, generator)) - camera.colours(sensor)
    damaged = (clean + in_camera(noise, generator)).clamp(0, 1)
    return (255 * damaged[0].permute(1, 2, 0)).round().byte().numpy()


def restored(case: Case, way: Way) -> np.ndarray:
    """Restore in one or two steps; (H, W, 3) uint8 of the size of the target."""
    (task, weights), *second = way
    then, then_weights = second[0] if second else (None, None)
    job = restore(case.damaged, task, weights=weights, then=then, then_weights=then_weights)
    picture = job.result().picture
    return enlarge(picture, len(case.target) // picture.height).pixels


def words(way: Way) -> str:
    """Name of a way, such as "denoise, then sr-x2 (camera photos)"."""
    names = [
        task + (" (camera photos)" if weights.endswith("-photo") else "") for task, weights in way
    ]
    return ", then ".join(names)


def main() -> None:
    """Print mean scores of each way, by group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--most", type=int, default=11, help="pictures of each set")
    parser.add_argument("--scale", type=int, action="append", help="of the small photos; default 2")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    groups: dict[str, dict[Way, list[tuple[float, float]]]] = {}
    cases = [(case, dark_ways()) for case in dark(chosen.data, chosen.most)]
    for scale in chosen.scale or [2]:
        for source in (calculated, real):
            cases += [(c, small_ways(scale)) for c in source(chosen.data, chosen.most, scale)]
    for case, ways in cases:
        for way in ways:
            scores = RGB_8BIT.score(restored(case, way), case.target)
            scale = len(case.target) // len(case.damaged)
            for group in [case.group, *([f"all noisy, x{scale}"] if scale > 1 else [])]:
                found = groups.setdefault(group, {}).setdefault(way, [])
                found.append((scores["psnr_db"], scores["ssim"]))
    print("| photos | n | way | PSNR dB | SSIM | better |\n" + "|---" * 6 + "|")
    for group, found in groups.items():
        best = np.max([found[way] for way in found if len(way) == 1], axis=0)  # of each picture
        for way, rows in found.items():
            table = np.array(rows)
            better = "{}, {}".format(*(table > best).sum(0)) if len(way) > 1 else ""
            psnr, ssim = table.mean(0)
            print(f"| {group} | {len(rows)} | {words(way)} | {psnr:.2f} | {ssim:.4f} | {better} |")
    used = {weights for found in groups.values() for way in found for _, weights in way}
    for weights in sorted(used):
        print(f"{weights}: sha256 {load(weights).sha256}")


if __name__ == "__main__":
    sys.exit(main())
