"""`python -m tests.bench.views DATA`: what the average over eight views gives.

Weights that are shipped, on the pairs of their cards, with the picture alone and with the mean over
its eight flips and rotations (`ensemble`), which takes eight times as long.
"""

import argparse
import sys
from pathlib import Path

import torch

from mirnet.train.publish import measure
from mirnet.weights.catalogue import get_entry
from mirnet.weights.load import present_file

SETS = (
    ("sr-x2-compact", "sr-x2", "Set5 x2", "sr_bicubic/Set5_x2/test"),
    ("sr-x3-compact", "sr-x3", "Set5 x3", "sr_bicubic/Set5_x3/test"),
    ("sr-x4-compact", "sr-x4", "Set5 x4", "sr_bicubic/Set5_x4/test"),
    ("sr-x4-compact", "sr-x4", "Urban100 x4 dev", "sr_bicubic/Urban100_x4/dev"),
    ("sr-x2-photo", "sr-x2", "City100 iPhoneX dev", "sr_real/City100_iPhoneX/dev"),
    ("sr-x2-photo", "sr-x2", "City100 NikonD5500 dev", "sr_real/City100_NikonD5500/dev"),
    ("denoise-compact", "denoise", "CC15 dev", "denoise/CC15/dev"),
    ("lowlight-compact", "lowlight", "LoL eval15 first 7", "lowlight/LoL/eval15_first7"),
    ("retouch-compact", "retouch", "FiveK dev", "retouch/FiveK/dev"),
)
"""Weights, task, name of the pairs and their folder."""


def main() -> None:
    """Print PSNR and SSIM of each set, one view and eight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    torch.set_num_threads(1)
    print("| weights | pairs | one view | eight views |\n" + "|---" * 4 + "|")
    for weights, task, name, folder in SETS:
        file, scores = present_file(get_entry(weights)), []
        for ensemble in (False, True):
            row = measure(file, task, name, data / folder, ensemble)
            scores.append(f"{row['psnr_db']:.2f} / {row['ssim']:.4f}")
        print(f"| {weights} | {name} | {' | '.join(scores)} |")


if __name__ == "__main__":
    sys.exit(main())
