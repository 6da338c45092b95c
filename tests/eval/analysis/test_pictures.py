"""Pictures of a stored run for a screen, and maps of the error."""

import io

import numpy as np
import pytest
from PIL import Image

from eval.analysis import score_tables
from eval.analysis.pictures import (
    Viewport,
    choose_pairs,
    seen_at,
    shown_whole,
    stored_pictures,
    strip_of,
    untouched,
)
from eval.data.benchmarks import get_benchmark
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore, StoredRun
from tests.support.runs_factory import write_run

METHODS = ("identity", "auto-contrast")


@pytest.fixture
def stored(tmp_path) -> StoredRun:
    """One picture of two methods."""
    config = RunConfig(get_benchmark("mini-retouch"), METHODS, n=1)
    run = create_run(RunStore(tmp_path / "runs"), config)
    list(execute_run(run))
    return run


def test_pictures_of_a_pair_are_of_one_size_and_cut_alike(stored):
    rows = stored.rows()
    pictures = stored_pictures(stored, rows)
    assert list(pictures) == ["input", *METHODS, "target"]
    place = Viewport(zoom=2, across=1, down=0, width_px=100, height_px=60)
    cuts = [seen_at(pixels, place) for pixels in pictures.values()]
    assert {cut.shape for cut in cuts} == {(60, 100, 3)}
    assert (seen_at(pictures["target"], place)[::2, ::2] == pictures["target"][:30, -50:]).all()


def test_the_picture_of_the_method_that_changes_nothing_is_the_input(stored):
    pictures = stored_pictures(stored, stored.rows())
    assert untouched(pictures) == "identity"
    pictures["identity"] = 255 - pictures["identity"]
    assert untouched(pictures) is None


def test_the_strip_shows_the_pictures_around_the_open_one(tmp_path):
    stored = write_run(tmp_path, pairs=60, thumbs=True)
    scores = score_tables.scores_frame(stored)
    pairs = list(dict.fromkeys(scores.pair))
    strip = strip_of(stored, scores, pairs, pairs[30], "ours", "ssim")
    assert [tiny.pair for tiny in strip] == pairs[18:42]
    own = scores[(scores.method == "ours") & (scores.pair == pairs[20])]
    assert strip[2].score == own.ssim.item()
    lead = strip_of(stored, scores, pairs, pairs[30], "ours", "ssim", "clahe")
    theirs = scores[(scores.method == "clahe") & (scores.pair == pairs[20])]
    assert lead[2].score == own.ssim.item() - theirs.ssim.item()
    picture = Image.open(io.BytesIO(strip[0].image))
    assert picture.format == "JPEG" and max(picture.size) == 120
    assert [tiny.pair for tiny in strip_of(stored, scores, pairs, pairs[-1], "ours", "ssim")] == (
        pairs[-24:]
    )
    other = scores[(scores.method == "ours") & (scores.pair == pairs[59])]
    damaged = write_run(tmp_path / "damaged", pairs=60, thumbs=True)
    damaged.thumb(other.output_sha256.item()).write_bytes(b"no picture")
    assert strip_of(damaged, scores, pairs, pairs[59], "ours", "ssim")[-1].image is None


def test_the_stage_has_true_pixels_and_only_huge_pictures_are_reduced():
    deep = np.full((20, 3000, 3), 257 * 7, np.uint16)
    assert (shown_whole(deep) == 7).all() and shown_whole(deep).shape == deep.shape
    assert shown_whole(np.zeros((4, 3600, 3), np.uint8)).shape[1] == 3000


def test_gains_and_losses_are_chosen_among_a_slice(tmp_path):
    scores = score_tables.scores_frame(write_run(tmp_path, pairs=9))
    wide = scores.pivot_table(index="pair", columns="method", values="psnr_db", observed=True)
    gain = (wide.ours - wide.clahe).sort_values(ascending=False)
    for which, order in (("gain", gain), ("loss", gain[::-1])):
        chosen = choose_pairs(scores, which, "ours", "clahe", 4, "psnr_db")
        assert chosen == list(order.index[:4])
        among = {*gain.index[3:6]}
        chosen = choose_pairs(scores, which, "ours", "clahe", 4, "psnr_db", among)
        assert chosen == [pair for pair in order.index if pair in among]
