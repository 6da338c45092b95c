"""Small picture files in folders, for tests of benchmark readers."""

from pathlib import Path

import numpy as np

from mirnet.images.encode import encode_image
from mirnet.images.picture import Picture


def png(height: int, width: int, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return encode_image(Picture(noise), "png")


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
