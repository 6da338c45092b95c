"""A folder of results as a method: which file belongs to which pair, and what is refused."""

import hashlib
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from eval.data.benchmarks import get_benchmark
from eval.data.readers.pairing import unique_ids
from eval.methods.imported import fitted_to, new_settings
from eval.methods.registry import file_method, get_method, resolve
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore
from eval.runs.verify import verify
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture
from tests.support.paths import ROOT

TARGETS = ROOT / "eval/data/mini/denoise/target"
SIZE = (6, 8)


def write(folder, *names, size=SIZE):
    """Write pictures, each of a colour of its own, the last channel counting them."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*size, 3), number, np.uint8)).save(path)
    return folder


def results(folder, pair, *others, size=SIZE):
    """Result of a pair in a run with some others."""
    record = get_method(f"x=folder:{folder}", "denoise", allow_files=True).info
    fitted = fitted_to(record, [pair, *others])
    method = get_method("x", "denoise", settings=fitted.settings)
    restorer = pickle.loads(pickle.dumps(method)).load()
    return restorer(Picture(np.zeros((*size, 3), np.uint8), name=pair), size)


@pytest.mark.parametrize(
    "names, pairs, which",
    [
        (["1.png", "2.png", "11.png"], ["1", "2"], 0),
        (["baby_MIRNet_x4.png", "bird_MIRNet_x4.png"], ["bird", "baby"], 1),
        (["babyx2.png", "birdx2.png"], ["bird", "baby"], 1),
        (["restored_baby.png", "restored_bird.png"], ["bird", "baby"], 1),
        (["out_1_x2.png", "out_10_x2.png", "out_2_x2.png"], ["1", "10", "2"], 0),
        (["img1.png", "img10.png", "img2.png"], ["1", "10", "2"], 0),
        (["a.png", "b.png", "a_out.png"], ["a", "b"], 0),
        (["img_1.png", "img-1.png"], ["img-1", "img_1"], 1),
        (["a.png", "a_b.png", "c_b.png", "c.png"], ["a", "a_b", "c", "c_b"], 0),
        (["a_x.png", "a_x_x.png"], ["a_x", "a"], 1),  # a_x.png is the result of a
        (["☺/a.png", "b.png"], ["a", "b"], 0),  # the path gives the id of the name alone
        (["Canon/004.png", "Nikon/004.png"], ["Nikon-004", "Canon-004"], 1),
        (["Canon_004_out.png", "Nikon_004_out.png"], ["Nikon-004", "Canon-004"], 1),
        (["baby/baby_1000.png", "bird/bird_1000.png"], ["bird", "baby"], 1),
        (["照片_x.png", "图片_x.png"], ["图片", "照片"], 1),
        (["caf\u00e9.png", "b.png"], ["cafe\u0301", "b"], 0),
        (["cafe\u0301_x.png", "b_x.png"], ["caf\u00e9", "b"], 0),
        (["a.PNG", "b.png", "Thumbs.db.png"], ["a"], 0),
        (["1_out.png", "2_out.png"], ["2_out"], 1),
        (["1_a.png", "1_b.png"], ["1-b", "1-a"], 1),  # from the pattern noisy/*_*.png
        (["0001_MIRNet.png"], ["0001"], 0),
        (["noisy/a.png", "noisy/b.png"], ["noisy-b.png", "noisy-a.png"], 1),
        (["a (1).png", "a-1.png"], unique_ids([["a (1)"], ["a-1"]]), 0),
        (["☺.png", "☹.png"], unique_ids([["☺"], ["☹"]]), 0),
    ],
)
def test_a_result_is_found_by_the_name_of_its_pair(names, pairs, which, tmp_path):
    write(tmp_path, *names)
    (tmp_path / "Thumbs.db").write_bytes(b"junk")
    output = results(tmp_path, *pairs)
    assert output.pixels[0, 0, 0] == which
    content = (tmp_path / names[which]).read_bytes()
    assert output.file_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "names, pairs, words",
    [
        (["a.png", "b.png"], ["c"], "no result of pair 'c'"),
        (["a.png", "a.jpg", "b.png"], ["a"], "both results of pair 'a'"),
        (["11_x.png", "21_x.png"], ["1"], "no result of pair '1'"),
        (["img10.png"], ["1"], "no result of pair '1'"),
        (["img10.png", "img20.png"], ["1", "2"], "no result of pair '1'"),
        (["img_1_2.png"], ["img_1", "img_1_2"], "no result of pair 'img_1'"),
        (["banana.png"], ["an"], "no result of pair 'an'"),
        (["a_x.png", *(f"other_{n}.png" for n in range(9))], ["a", *"stuvwxyz"], "no result of"),
    ],
)
def test_a_missing_or_doubled_result_fails_for_its_pair(names, pairs, words, tmp_path):
    with pytest.raises(InvalidRequest, match=words):
        results(write(tmp_path, *names), *pairs)


@pytest.mark.parametrize(
    "others, words",
    [
        ({"_in": 5, "_out": 5}, "NAME-in and NAME-out"),
        ({"_in": 5, "_out": 4}, "NAME-in and NAME-out"),
        ({"_in": 2, "_out": 5}, "NAME-in and NAME-out"),
        ({"": 2, "_MIRNet": 5}, "NAME and NAME-MIRNet"),
        ({"": 1, "_MIRNet": 5}, "NAME and NAME-MIRNet"),
        ({"": 5, "_MIRNet": 5}, "NAME and NAME-MIRNet"),
        ({"": 5, "_MIRNet": 2}, "NAME and NAME-MIRNet"),
    ],
)
def test_several_pictures_of_pairs_are_refused(others, words, tmp_path):
    names = [f"img{n}x{end}.png" for end, count in others.items() for n in range(count)]
    with pytest.raises(InvalidRequest, match=f"called {words}: put"):
        results(write(tmp_path, *names), *(f"img{n}x" for n in range(5)))


def test_pictures_by_their_path_beside_others_by_their_name_are_refused(tmp_path):
    write(tmp_path, "in/1.png", "in/2.png", "in_1_out.png", "in_2_out.png")
    with pytest.raises(InvalidRequest, match="called NAME and NAME-out: put"):
        results(tmp_path, "in-1", "in-2")


def test_all_results_of_a_run_are_called_alike(tmp_path):
    write(tmp_path, "p1x.png", *(f"p{n}x_MIRNet.png" for n in range(2, 6)))
    pairs = [f"p{n}x" for n in range(1, 6)]
    assert results(tmp_path, pairs[1], *pairs).pixels[0, 0, 0] == 1
    with pytest.raises(InvalidRequest, match="no result of pair 'p1x'"):
        results(tmp_path, pairs[0], *pairs)


def test_a_result_of_another_size_or_no_picture_is_told(tmp_path):
    write(tmp_path, "a.png", "b.png", size=(5, 8))
    with pytest.raises(InvalidRequest, match=r"a\.png has 8 x 5 pixels where 8 x 6 belong"):
        results(tmp_path, "a")
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(InvalidRequest, match=r"a\.png cannot be read"):
        results(tmp_path, "a")


def test_folders_and_names_are_checked(tmp_path):
    with pytest.raises(InvalidRequest, match="check that the folder is there"):
        new_settings(str(tmp_path / "none"), "x")
    with pytest.raises(InvalidRequest, match="holds no pictures"):
        new_settings(str(tmp_path), "x")
    write(tmp_path, "a.png")
    with pytest.raises(InvalidRequest, match="command line only"):
        get_method(f"x=folder:{tmp_path}", "denoise")
    with pytest.raises(InvalidRequest, match="'identity' is the id of another method"):
        get_method(f"identity=folder:{tmp_path}", "denoise", allow_files=True)
    with pytest.raises(InvalidRequest, match="cannot be the name"):
        file_method("<b>=folder:x")
    assert resolve([f"x=folder:{tmp_path}"], "denoise") == [f"x=folder:{tmp_path}"]
    assert file_method(f"folder:{tmp_path}").name == tmp_path.name
    assert file_method("module:function") is None


def test_a_run_marks_what_is_wrong_and_scores_the_rest(tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(TARGETS, folder)
    (folder / "cat.png").unlink()
    Image.new("RGB", (9, 9)).save(folder / "coffee.png")
    store = RunStore(tmp_path / "runs")
    methods = ("identity", f"theirs=folder:{folder}")
    config = RunConfig(get_benchmark("mini-denoise"), methods, allow_files=True)
    stored = create_run(store, config)
    list(execute_run(stored))
    rows = {row.pair: row for row in stored.rows() if row.method == "theirs"}
    assert {pair for pair, row in rows.items() if row.error} == {"cat", "coffee"}
    row = rows["ridge"]
    assert row.scores["rgb-8bit/1"]["psnr_db"] == float("inf")
    assert row.file_sha256 == hashlib.sha256((TARGETS / "ridge.png").read_bytes()).hexdigest()
    assert row.seconds is None
    assert row.peak_mb is None
    record = stored.header().methods[1]
    assert (record.id, record.kind) == ("theirs", "imported")
    shutil.copy(TARGETS / "cat.png", folder / "cat.png")  # a result that came later
    list(execute_run(stored))
    assert {row.pair for row in stored.rows() if row.error} == {"coffee"}
    Image.open(TARGETS / "ridge.png").transpose(Image.Transpose.ROTATE_180).save(
        folder / "ridge.png"
    )
    found = [f for f in verify(stored, sample=None) if f.method == "theirs"]
    assert {(f.pair, f.what) for f in found if f.outcome == "differs"} == {
        ("ridge", "restored again")
    }
