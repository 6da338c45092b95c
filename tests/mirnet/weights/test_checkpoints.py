"""Foreign weights files: good in every wrapping, and every way they can be wrong."""

import argparse
import datetime
import io
import json
import struct
import zipfile
from unittest.mock import ANY

import numpy as np
import pytest
import torch

from mirnet.errors import CheckpointRejected
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights import checkpoints, foreign_files
from mirnet.weights.checkpoints import _is_of_helper, read_checkpoint
from mirnet.weights.networks import build_model, load_weights, save_weights
from mirnet.weights.store import read_notes
from tests.support.reference_networks import seeded_checkpoint


@pytest.fixture(scope="module")
def theirs():
    return seeded_checkpoint("v1_small")


def saved(tmp_path, content, name="theirs.pth"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("wrapper", [None, "state_dict", "params", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_wrapping_loads(theirs, tmp_path, wrapper, prefix):
    content = {prefix + name: value for name, value in theirs.items()}
    if wrapper:
        content = {"epoch": 3, "optimizer": {"lr": 1e-4}, wrapper: content}
    model = load_weights(saved(tmp_path, content))
    expected = theirs["body.0.body.0.blocks.1.0.conv1x1.weight"]
    assert torch.equal(model.groups[0].blocks[0].attend[1].merge.weight, expected)


def test_safetensors_round_trip_keeps_metadata(tmp_path):
    model = MIRNetV2(
        features=8,
        blocks=1,
        conv_groups=(1, 2),
        unshuffle=2,
        exposure=True,
        colour=True,
        levels=True,
    )
    path = save_weights(model, tmp_path / "ours.safetensors", {"origin": "a test"})
    assert read_notes(path)["origin"] == "a test"
    assert read_notes(path)["architecture"] == "MIRNetV2"
    again = load_weights(path)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters()))  # noqa: B905
    assert list(tmp_path.iterdir()) == [path]


def test_older_files_of_our_own_load(tmp_path):
    model = MIRNet(features=8, groups=1, blocks=1)
    older = {k.replace(".spatial_conv.", ".where."): v for k, v in model.state_dict().items()}
    assert older.keys() != model.state_dict().keys()
    again = load_weights(saved(tmp_path, older))
    assert all(torch.equal(value, model.state_dict()[k]) for k, value in again.state_dict().items())


def test_the_same_weights_are_the_same_bytes(tmp_path):
    """The library writes the header's notes in an order of chance."""
    model, notes = MIRNetV2(features=8, blocks=1, conv_groups=(1,)), {"b": "ä", "a": '"', "c": ""}
    files = {
        save_weights(model, tmp_path / "again.safetensors", notes).read_bytes() for _ in range(20)
    }
    assert len(files) == 1
    path = tmp_path / "again.safetensors"
    assert read_notes(path) == notes | {"architecture": "MIRNetV2", "config": ANY}
    assert torch.equal(load_weights(path).conv_in.weight, model.conv_in.weight)


@pytest.mark.parametrize("places", [("checkpoint", "model", "state_dict"), tuple("abcde")])
def test_a_network_is_found_deep_inside_other_dictionaries(theirs, tmp_path, places):
    content, wanted = dict(theirs), set(read_checkpoint(saved(tmp_path, theirs)))
    for place in reversed(places):
        content = {place: content, "epoch": 3}
    torch.save(content, tmp_path / "nested.pth")
    assert set(read_checkpoint(tmp_path / "nested.pth")) == wanted


def archive_of(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, b"abc")
    return target.getvalue()


def of_version(version: int) -> bytes:
    """An archive that says it needs this version of the ZIP format, times ten, to be unpacked."""
    data = bytearray(archive_of("net/data.pkl"))
    data[data.index(b"PK\x01\x02") + 6] = version
    return bytes(data)


WHOLE = io.BytesIO()
torch.save({"conv_in.weight": torch.zeros(8, 3, 3, 3)}, WHOLE)
HALF = WHOLE.getvalue()[: len(WHOLE.getvalue()) // 2]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 126\n"
NO_WEIGHTS = {
    "page.pth": (b"\n<html>quota exceeded</html>", "is a web page and not weights: open its"),
    "lfs.safetensors": (LFS, "is a Git LFS pointer and not the weights themselves: run `git lfs"),
    "empty.pth": (b"", r"is empty \(0 bytes\): download or copy it again"),
    "zeros.pth": (bytes(3000), "is a file of zeros, as downloads that were broken off leave it"),
    "answer.pth": (b'{"error": "not found"}', "is a text file: choose a .safetensors file"),
    "read me.txt": (b"weights {\nsee below", "is a text file: choose a .safetensors file"),
    "m.safetensors.index.json": (b'{"metadata": {}, "weight_map": {}}', "is the index of weights"),
    "m-00002-of-00003.safetensors": (b"\x08\0\0\0\0\0\0\0{broken", "is part 2 of 3 of weights"),
    "m-00001-of-00002.bin": (WHOLE.getvalue(), "is part 1 of 2 of weights that lie in several"),
    "half.pth": (HALF, "is damaged or cut off: download or copy it again"),
    "half and zeros.pth": (HALF + bytes(len(HALF)), "is damaged or cut off: download or copy it"),
    "half.safetensors": (b"\x08\0\0\0\0\0\0\0{broken", "is damaged or cut off: download"),
    "31 8b.safetensors": (b"\x1f\x8b\0\0\0\0\0\0{cut", "is damaged or cut off: download"),
    "start.safetensors": (b"\x08\0\0", "is damaged or cut off: download"),
    "cut.pth": (b"PK\x03\x04 cut", "is damaged or cut off: download"),
    "packed.zip": (archive_of("model.pth"), "is a ZIP archive of other files and no weights file"),
    "empty.zip": (archive_of(), "is a ZIP archive of other files and no weights file"),
    "newer.pth": (of_version(90), r"is a ZIP archive of a newer kind \(.*9.0\): unpack it first"),
    "arrays.npz": (archive_of("a.npy", "b.npy"), "is an archive of NumPy arrays: choose"),
    "program.pt": (archive_of("p/data.pkl", "p/constants.pkl"), "is a TorchScript program, which"),
    "packed.pth.gz": (b"\x1f\x8b\x08\0\0\0\0\0", "is a gzip archive: unpack it first"),
    "packed.tar": (bytes(257) + b"ustar\0", "is a tar archive: unpack it first"),
    "packed.7z": (b"7z\xbc\xaf\x27\x1c\0\4", "is a 7-Zip archive: unpack it first"),
    "packed.tar.zst": (b"\x28\xb5\x2f\xfd\0\4", "is a zstd archive: unpack it first"),
    "keras.h5": (b"\x89HDF\r\n\x1a\n", r"is a file of Keras \(HDF5\): choose"),
    "net.onnx": (b"\x08\x08\x12\x07pytorch", "is an ONNX or TensorFlow graph: choose"),
    "plot.pth": (b"\x89PNG\r\n\x1a\n\0\0", "is a PNG picture: choose"),
    "photo.pth": (b"\0\0\0\x1cftypavif\0\0\0\0mif1avif", "is an AVIF picture: choose"),
    "paper.pth": (b"%PDF-1.4\0", "is a PDF document: choose"),
    "noise.pth": (bytes(range(1, 200)), "is neither a safetensors nor a PyTorch weights file"),
}


@pytest.mark.parametrize("name", NO_WEIGHTS)
def test_what_is_no_weights_file_says_so_in_one_sentence(tmp_path, name):
    content, message = NO_WEIGHTS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointRejected, match=message) as found:
        read_checkpoint(tmp_path / name)
    words = str(found.value)
    assert words.startswith(f"{name} is ") and words.endswith(".") and ": " in words
    assert "\n" not in words


@pytest.mark.parametrize("word", ["a_", "loss_", "d_"])
def test_a_name_of_any_length_is_looked_through_once(word):
    """Time that grows with the square of the length would make this test take hours."""
    assert not _is_of_helper(word.replace("_", "x_") * 300_000 + ".weight")
    assert _is_of_helper(word * 300_000 + "loss.weight")


@pytest.mark.parametrize(
    ("name", "helps"),
    [
        ("net_d.conv_in.weight", True),
        ("model.pixel_loss.vgg.0.weight", True),
        ("perceptual_loss_fn.conv_in.weight", True),
        ("loss.", True),
        ("LPIPS.net.weight", True),
        ("conv_d.weight", True),
        ("module.conv_in.weight", False),
        ("d", False),
        ("groups.0.lossless.weight", False),
        ("body.conv_in.loss", False),
    ],
)
def test_networks_that_helped_to_train_are_known_by_name(name, helps):
    assert _is_of_helper(name) is helps


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(CheckpointRejected, match="no weights file 'gone.pth'"):
        read_checkpoint(tmp_path / "gone.pth")


def test_a_zip_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_files, "MAX_FILE_BYTES", 1_000_000)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 5_000_000)
    with pytest.raises(CheckpointRejected, match="unpacks to"):
        read_checkpoint(path)


def test_wrong_tensors_are_counted_and_named(theirs, tmp_path):
    missing = {k: v for k, v in theirs.items() if k != "body.0.body.1.weight"}
    with pytest.raises(CheckpointRejected, match="1 tensors missing"):
        load_weights(saved(tmp_path, missing))
    extra = theirs | {"body.0.body.0.surprise.weight": torch.zeros(1)}
    with pytest.raises(CheckpointRejected, match="surprise"):
        load_weights(saved(tmp_path, extra))
    reshaped = theirs | {"body.0.body.1.weight": torch.zeros(32, 32, 1, 1)}
    with pytest.raises(CheckpointRejected, match="another shape"):
        load_weights(saved(tmp_path, reshaped))


def test_ties_that_differ_are_refused(theirs, tmp_path):
    untied = theirs | {"body.0.body.0.blocks.0.1.conv1x1.weight": torch.zeros(32, 64, 1, 1)}
    with pytest.raises(CheckpointRejected, match="two different values"):
        load_weights(saved(tmp_path, untied))


def test_another_downsampling_filter_is_refused(theirs, tmp_path):
    name = next(name for name in theirs if name.endswith(".filt"))
    with pytest.raises(CheckpointRejected, match="another downsampling filter"):
        load_weights(saved(tmp_path, theirs | {name: torch.full_like(theirs[name], 1 / 9)}))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.full((3, 32, 3, 3), float("nan")), "not numbers"),
        (torch.zeros(3, 32, 3, 3, dtype=torch.int8), "must be float"),
        ("text", "no tensor"),
    ],
)
def test_values_that_are_no_weights(theirs, tmp_path, value, message):
    with pytest.raises(CheckpointRejected, match=message):
        load_weights(saved(tmp_path, theirs | {"conv_out.weight": value}))


def test_another_network_is_refused_in_words():
    with pytest.raises(CheckpointRejected, match="neither MIRNet nor MIRNet-v2"):
        build_model({"fc.weight": torch.zeros(2, 2)})


def test_half_precision_becomes_float32(theirs, tmp_path):
    half = {name: value.half() for name, value in theirs.items()}
    model = load_weights(saved(tmp_path, half))
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_numbers_arrays_and_arguments_of_a_training_are_left_alone(theirs, tmp_path):
    beside = {
        "best_psnr": np.float64(31.5),
        "epoch": np.int64(3),
        "history": np.arange(6.0).reshape(2, 3),
        "names": np.array(["a", None], dtype=object),
        "rng": np.random.get_state(),  # noqa: NPY002
        "args": argparse.Namespace(lr=1e-4, out=tmp_path),
        "began": datetime.datetime(2020, 1, 1),
    }
    model = load_weights(saved(tmp_path, {"state_dict": theirs, **beside}))
    expected = theirs["body.0.body.0.blocks.1.0.conv1x1.weight"]
    assert torch.equal(model.groups[0].blocks[0].attend[1].merge.weight, expected)


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f2", "<f8"])
def test_weights_stored_as_arrays_load(theirs, tmp_path, kind):
    arrays = {name: np.asfortranarray(value.numpy().astype(kind)) for name, value in theirs.items()}
    found = read_checkpoint(saved(tmp_path, {"params": arrays}))
    wanted = read_checkpoint(saved(tmp_path, theirs))
    assert found.keys() == wanted.keys()
    tolerance = 1e-3 if kind == "<f2" else 0
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)


def test_a_name_of_the_allow_list_runs_nothing_foreign(tmp_path):
    """Each allowed name gives a stand-in: NumPy would allocate a terabyte here."""
    from numpy._core.multiarray import _reconstruct

    class Huge:
        def __reduce__(self):
            return _reconstruct, (np.ndarray, (10**12,), "f8")

    with pytest.raises(CheckpointRejected, match="fit neither|is no tensor"):
        load_weights(saved(tmp_path, {"a": Huge()}))


# ---------------------------------------------------------------- files that are made to harm


@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_many_tensors_on_one_storage_are_refused_before_they_grow(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(torch, "isfinite", None)  # the first that looks at values
    storage = torch.zeros(1000, dtype=kind)
    views = {f"groups.0.x{i}": storage[i:] for i in range(500)}
    with pytest.raises(CheckpointRejected, match="lie over each other"):
        read_checkpoint(saved(tmp_path, ours() | views))


def test_parts_of_one_storage_and_tied_tensors_are_no_bomb(tmp_path):
    storage = torch.zeros(1000)
    parts = {f"groups.0.x{i}": storage[10 * i : 10 * i + 10] for i in range(100)}
    tied = dict.fromkeys(("groups.0.y", "groups.0.z"), torch.zeros(7))
    found = read_checkpoint(saved(tmp_path, ours() | parts | tied))
    assert found["groups.0.y"] is found["groups.0.z"] and len(found) == 105


def test_half_precision_that_is_too_large_as_float32_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_files, "MAX_FILE_BYTES", 1_000_000)
    monkeypatch.setattr(torch, "isfinite", None)
    half = torch.zeros(300_000, dtype=torch.float16)
    with pytest.raises(CheckpointRejected, match="as float32, more than the limit"):
        read_checkpoint(saved(tmp_path, ours(**{"groups.0.x": half})))


def meta_zeros(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.zeros(1).expand(10**6, 10**6), "does not hold them|damaged|cannot be read"),
        (meta_zeros(10**6, 10**6), "does not hold them|cannot be read"),
        (torch.zeros(3, 3, dtype=torch.float8_e4m3fn), "must be float"),
        (torch.zeros(3, 3, dtype=torch.complex64), "must be float"),
        (torch.eye(3).to_sparse(), "must be float"),
        (torch.tensor([1.0, float("inf")]), "not numbers"),
        (torch.tensor([1e300], dtype=torch.float64), "not numbers"),
    ],
    ids=["stride 0", "meta", "float8", "complex", "sparse", "inf", "inf in float32"],
)
def test_tensors_that_are_not_what_they_say(theirs, tmp_path, value, message):
    with pytest.raises(CheckpointRejected, match=message):
        load_weights(saved(tmp_path, theirs | {"conv_out.weight": value}))


def ours(**more: torch.Tensor) -> dict[str, torch.Tensor]:
    """The names by which a network of ours is told, and what else there is."""
    names = ("groups.0.blocks.0.x", "attention_slope", "conv_in.weight")
    tensors = {name: torch.zeros(1) for name in names}
    return tensors | {"conv_in.weight": torch.zeros(8, 3, 3, 3)} | more


@pytest.mark.parametrize(
    "name",
    ["groups.999999999.blocks.0.x", "groups.0.blocks.999999999.x", "groups.200.blocks.200.x",
     "groups." + "9" * 5000 + ".blocks.0.x"],
)  # fmt: skip
def test_a_name_makes_no_network_of_a_billion_blocks(name):
    with pytest.raises(CheckpointRejected):
        build_model(ours(**{name: torch.zeros(1)}))


@pytest.mark.parametrize("shape", [(0, 3, 3, 3), (8,), (), (10**6, 3, 1, 1), (7, 10**5, 1, 1)])
def test_an_absurd_first_layer_builds_nothing(shape):
    with pytest.raises(CheckpointRejected):
        build_model(ours(**{"conv_in.weight": torch.zeros(shape)}))
    streams = {f"groups.0.blocks.0.context_{s}.conv1.weight": torch.zeros(shape)
               for s in ("top", "mid", "bot")}  # fmt: skip
    v2 = {k: v for k, v in ours(**streams).items() if k != "attention_slope"}
    with pytest.raises(CheckpointRejected):
        build_model(v2)


def safetensors_file(path, header: dict | bytes, body: bytes = b"", length: int | None = None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + body)
    return path


LIES = {
    "a terabyte": {"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}},
    "a shape beyond its bytes": {"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4]}},
    "an overflow": {"a": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 4]}},
    "bytes before the start": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
    "bytes of another": {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in ("a", "b")},
    "an unknown type": {"a": {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]}},
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(tmp_path, lie):
    with pytest.raises(CheckpointRejected, match="damaged or cut off"):
        read_checkpoint(safetensors_file(tmp_path / "lie.safetensors", LIES[lie], bytes(4)))


@pytest.mark.parametrize("length", [0, 2**63 - 1, 2**64 - 1, 200_000_000])
def test_a_header_of_another_length_is_refused(tmp_path, length):
    path = safetensors_file(tmp_path / "long.safetensors", b"{" * 100, length=length)
    with pytest.raises(CheckpointRejected):
        read_checkpoint(path)


def test_a_file_of_countless_empty_tensors_is_refused(tmp_path):
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = {f"t{number}": empty for number in range(checkpoints.MAX_TENSORS + 1)}
    with pytest.raises(CheckpointRejected, match="entries"):
        read_checkpoint(safetensors_file(tmp_path / "many.safetensors", header))


def test_a_pickle_without_end_is_refused(tmp_path):
    path = tmp_path / "deep.pth"
    for content in (
        b"\x80\x02" + b"(" * 10**6 + b".",
        b"\x80\x02" + b"]" * 10**6 + b"a" * 10**6 + b".",
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointRejected):
            read_checkpoint(path)
