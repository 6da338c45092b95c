"""Submission files of DND and SIDD, read back as their servers do."""

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from typer.testing import CliRunner

from eval.cli.main import app
from eval.data.benchmarks import get_benchmark
from eval.data.readers.sidd import HIDDEN
from eval.reports.submissions import write_submission
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest


def finished(tmp_path, name, pairs, n=None):
    """A run of the input itself over a small copy of a benchmark."""
    benchmark = get_benchmark(name).model_copy(update={"pairs": pairs})
    config = RunConfig(benchmark, ("identity",), folder=tmp_path / "data", n=n)
    stored = create_run(RunStore(tmp_path / "runs"), config)
    list(execute_run(stored))
    return stored


@pytest.fixture
def dnd(tmp_path):
    """Two pictures with two boxes each, in the layout of the official download."""
    h5py = pytest.importorskip("h5py")
    (tmp_path / "data/images_srgb").mkdir(parents=True)
    boxes = np.array([[1, 2, 32, 41], [5, 11, 36, 50]], np.float64)
    pictures = np.random.default_rng(0).random((2, 40, 60, 3)).astype(np.float32)
    with h5py.File(tmp_path / "data/info.mat", "w") as file:
        references = file.create_dataset("info/boundingboxes", (2, 1), dtype=h5py.ref_dtype)
        for number in range(2):
            place = file.create_dataset(f"#refs#/{number}", data=boxes.T)
            references[number, 0] = place.ref
    for number, pixels in enumerate(pictures, 1):
        with h5py.File(tmp_path / f"data/images_srgb/{number:04d}.mat", "w") as file:
            file.create_dataset("InoisySRGB", data=pixels.T)
    return pictures


@pytest.fixture
def sidd(tmp_path):
    blocks = np.random.default_rng(1).integers(0, 256, (3, 2, 32, 32, 3), np.uint8)
    (tmp_path / "data").mkdir()
    savemat(tmp_path / "data" / f"{HIDDEN}.mat", {HIDDEN: blocks})
    return blocks


def test_dnd_gets_a_cell_of_boxes_a_picture(dnd, tmp_path):
    stored = finished(tmp_path, "dnd", 4)
    files = write_submission(stored, "identity", tmp_path / "out")
    assert [file.name for file in files] == ["0001.mat", "0002.mat"]
    found = loadmat(files[1])
    assert found["eval_version"].item() == "1.0"
    assert found["israw"].item() == 0
    cell = found["Idenoised"].squeeze()
    assert cell.shape == (2,)
    assert cell[1].dtype == np.float32
    np.testing.assert_allclose(cell[1], dnd[1, 4:36, 10:50], atol=1e-5)


def test_sidd_gets_a_cell_of_blocks(sidd, tmp_path):
    stored = finished(tmp_path, "sidd-server", 6)
    assert all(row.scores == {} for row in stored.rows())
    arguments = ["submit", stored.id, "--method", "identity", "-o", str(tmp_path / "out")]
    arguments += ["--authors", "Jane Doe", "--out", str(tmp_path / "runs")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = loadmat(tmp_path / "out/SubmitSrgb.mat")
    cell = found["DenoisedBlocksSrgb"]
    assert cell.shape == (3, 2)
    assert cell[2, 1].dtype == np.float32
    np.testing.assert_array_equal(np.rint(cell[2, 1] * 255), sidd[2, 1])
    assert found["TimeMPSrgb"].item() > 0
    facts = found["OptionalData"][0, 0]
    assert facts["Authors"].item() == "Jane Doe"
    assert facts["MethodName"].item() == stored.header().methods[0].title


def test_what_no_server_would_take(sidd, tmp_path):
    stored = finished(tmp_path, "sidd-server", 6, n=3)
    with pytest.raises(InvalidRequest, match="3 of 6 results .* a server takes all"):
        write_submission(stored, "identity", tmp_path / "out")
    with pytest.raises(InvalidRequest, match="has no method 'ours': it has identity"):
        write_submission(stored, "ours", tmp_path / "out")
    other = create_run(
        RunStore(tmp_path / "runs"), RunConfig(get_benchmark("mini-denoise"), ("identity",), n=1)
    )
    with pytest.raises(InvalidRequest, match="submissions are of dnd, sidd-server"):
        write_submission(other, "identity", tmp_path / "out")
    assert not (tmp_path / "out").exists()
