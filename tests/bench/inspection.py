"""`python -m tests.bench.inspection DATA`: how often the suggestion for a photo is right.

Labels: the degraded and clean halves of real pairs (noise, low light), and clean photographs that
are blurred, darkened, made noisy or reduced here.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mirnet.images.decode import read_image
from mirnet.images.picture import Picture
from mirnet.restoration.inspection import Inspection, inspect_picture

SIDE_PX = 768
"""Side of the part of a clean photograph that is degraded."""
REAL = (
    ("noisy", "denoise", "denoise/CC15/*/input"), ("noisy", "denoise", "denoise/Nam25/**/input"),
    ("noisy", "denoise", "denoise/PolyU/**/input"), ("dark", "lowlight", "lowlight/LoL/*/input"),
    ("clean", None, "denoise/CC15/*/target"), ("clean", None, "lowlight/LoL/*/target"),
)  # fmt: skip
"""Label, right suggestion and folder of real pictures."""
CLEAN = ("clean/photos_debian", "clean/photos_pop", "clean/photos_free")
"""Folders of clean photographs."""


def labelled(data: Path, most: int) -> Iterator[tuple[str, str | None, Picture]]:
    """Label, right suggestion and picture of every case.

    Args:
        data: Folder of the sets.
        most: Most pictures of each folder, spread over it.
    """
    for label, right, pattern in REAL:
        files = [file for folder in sorted(data.glob(pattern)) for file in sorted(folder.iterdir())]
        for file in files[:: max(len(files) // most, 1)][:most]:
            yield f"{label}, {pattern.split('/')[1]}", right, read_image(file, max_pixels=2 * 10**8)
    rng = np.random.default_rng(0)
    for folder in CLEAN:
        files = sorted(p for p in (data / folder).rglob("*") if p.suffix in (".png", ".jpg"))
        for file in files[:: max(len(files) // most, 1)][:most]:
            whole = read_image(file, max_pixels=2 * 10**8).pixels
            if whole.dtype != np.uint8:
                continue
            size = max(whole.shape[:2])
            factor = min(1600 / size, 0.5 if size > 2048 else 1)
            if factor < 1:  # a camera's full size is soft; half of it is sharp
                whole = cv2.resize(whole, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            part = whole[:SIDE_PX, :SIDE_PX]
            yield "clean, photographs", None, Picture(part)
            noise = rng.normal(0, 12, part.shape)
            noisy = np.clip(part + noise, 0, 255).round().astype(np.uint8)
            yield "noisy, sigma 12", "denoise", Picture(noisy)
            yield "soft, blur of 2 px", "sr-x2", Picture(cv2.GaussianBlur(part, (0, 0), 2.0))
            dark = np.clip((part / 255.0) ** 1.2 * 0.2 * 255, 0, 255).round().astype(np.uint8)
            yield "dark, a fifth of the light", "lowlight", Picture(dark)
            tiny = cv2.resize(part, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
            yield "small, 230 px", "sr-x2", Picture(tiny)


def main() -> None:
    """Print measurements and the share of right suggestions by label."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--most", type=int, default=15, help="pictures of each folder")
    chosen = parser.parse_args()
    found: dict[str, list[tuple[bool, Inspection]]] = {}
    for label, right, picture in labelled(chosen.data, chosen.most):
        one = inspect_picture(picture)
        found.setdefault(label, []).append((one.suggestion == right, one))
    print("| photos | n | right | noise sigma | mean luminance | sharpness |\n" + "|---" * 6 + "|")
    for label, rows in found.items():
        columns = (
            f"{np.median([r.noise_sigma for _, r in rows]):.1f}",
            f"{np.median([r.mean_luminance for _, r in rows]):.2f}",
            f"{np.median([r.sharpness for _, r in rows]):.3f}",
        )
        share = sum(ok for ok, _ in rows) / len(rows)
        print(f"| {label} | {len(rows)} | {share:.0%} | {' | '.join(columns)} |")
    every = [ok for rows in found.values() for ok, _ in rows]
    print(f"| all | {len(every)} | {sum(every) / len(every):.0%} | | | |")


if __name__ == "__main__":
    sys.exit(main())
