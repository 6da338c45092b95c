"""Several methods on one photo."""

import numpy as np
import pytest

from eval.methods.one_photo import (
    MAX_RESULT_PIXELS,
    check_choice,
    offered_methods,
    run_methods,
    use_photo,
)
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture
from mirnet.tasks import get_task


def photo(height: int, width: int) -> Picture:
    rng = np.random.default_rng(0)
    return Picture(rng.integers(0, 256, (height, width, 3), np.uint8), name="mine")


def test_a_small_photo_is_used_whole():
    picture = photo(40, 60)
    used = use_photo(picture, get_task("denoise"))
    assert np.array_equal(used.picture.pixels, picture.pixels)
    assert (used.size, used.words) == ((40, 60), "")


@pytest.mark.parametrize("task", ["denoise", "sr-x4"])
def test_a_large_photo_is_cut_to_its_true_pixels(task):
    picture = photo(1200, 1600)
    used = use_photo(picture, get_task(task))
    assert 0.95 * MAX_RESULT_PIXELS < used.size[0] * used.size[1] <= MAX_RESULT_PIXELS
    assert used.size[0] == used.picture.height * get_task(task).scale
    assert "most detailed" in used.words and "1600 × 1200" in used.words
    corner = used.picture.pixels[:8, :8]
    windows = np.lib.stride_tricks.sliding_window_view(picture.pixels, (8, 8, 3))[:, :, 0]
    assert (windows == corner).all(axis=(2, 3, 4)).sum() == 1  # a cut-out, not resampled


def test_tasks_that_judge_the_whole_photo_get_a_reduced_one():
    used = use_photo(photo(1200, 1600), get_task("retouch"))
    assert "reduced" in used.words and used.size[1] / used.size[0] == pytest.approx(4 / 3, 0.01)


def test_methods_run_in_order_and_tell_their_time():
    used, task = use_photo(photo(24, 32), get_task("sr-x2")), get_task("sr-x2")
    results = list(run_methods(used, task, ["bicubic", "lanczos"]))
    assert [one.id for one in results] == ["bicubic", "lanczos"]
    assert all(one.pixels.shape == (48, 64, 3) and one.pixels.dtype == np.uint8 for one in results)
    assert all(one.seconds > 0 and not one.error for one in results)
    assert used.enlarged().shape == (48, 64, 3)


def test_a_method_that_fails_says_so_and_the_others_go_on(monkeypatch):
    def broken(picture, size):
        raise ValueError("secret of a library")

    class Broken:
        def load(self):
            return broken

    import eval.methods.one_photo as module

    real = module.get_method
    monkeypatch.setattr(
        module, "get_method", lambda name, task: Broken() if name == "bicubic" else real(name, task)
    )
    used, task = use_photo(photo(24, 32), get_task("sr-x2")), get_task("sr-x2")
    bad, good = run_methods(used, task, ["bicubic", "lanczos"])
    assert bad.pixels is None and bad.error == "Bicubic cannot restore this photo."
    assert good.pixels is not None


def test_only_offered_methods_are_taken_and_not_too_many():
    assert check_choice(["tv", "identity", "tv"], "denoise") == ["tv", "identity"]
    for ids, words in (
        (["tv"], "1 are chosen"),
        (["tv", "clahe"], "'clahe' is not offered"),
        (["tv", "os:getcwd"], "not offered"),
        ([str(number) for number in range(9)], "9 are chosen"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            check_choice(ids, "denoise")
    assert offered_methods("denoise")[0].kind == "weights"
