"""ONNX files as methods: size rules found by trying, and files that nobody should open."""

import itertools
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from eval.data.benchmarks import get_benchmark
from eval.methods import onnx_complexity, onnx_file, onnx_method
from eval.methods.onnx_range import ranges_of
from eval.methods.registry import get_method
from eval.runs.runner import RunConfig, create_run
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture
from mirnet.models import complexity

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

RANDOM = np.random.default_rng(0)


def save(path, nodes, tensors=(), shape=(1, 3, "h", "w"), kind=TensorProto.FLOAT):
    """Write a network from 'x' to 'y'."""
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in "xy"]
    free = helper.make_tensor_value_info("y", kind, None)
    stored = [numpy_helper.from_array(np.array(value), name) for name, value in tensors]
    graph = helper.make_graph(list(nodes), "net", ends[:1], [free], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def halves_and_doubles(path, block=2, **options):
    """Space to depth and back: takes sides that `block` divides, and changes nothing."""
    nodes = [
        helper.make_node("SpaceToDepth", ["x"], ["d"], blocksize=block),
        helper.make_node("DepthToSpace", ["d"], ["y"], blocksize=block),
    ]
    return save(path, nodes, **options)


def doubles(path):
    scales = np.array([1, 1, 2, 2], np.float32)
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    return save(path, [node], [("scales", scales)])


def made(path, task="denoise"):
    return get_method(f"theirs=onnx:{path}", task, allow_files=True)


def restored(method, height, width, size=None):
    pixels = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
    restorer = pickle.loads(pickle.dumps(method)).load()
    return pixels, restorer(Picture(pixels), size or (height, width))


@pytest.mark.parametrize("block", [1, 2, 8, 12])
def test_the_multiple_is_found_and_any_size_works(block, tmp_path):
    method = made(halves_and_doubles(tmp_path / "net.onnx", block))
    assert method.info.settings["multiple"] == block
    assert method.info.settings["minimum"] == block
    for height, width in ((1, 1), (5, 7), (24, 31), (97, 64)):
        pixels, output = restored(method, height, width)
        assert output.tiles == 1
        np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-6)


def test_a_network_that_enlarges_and_one_that_does_not(tmp_path):
    method = made(doubles(tmp_path / "x2.onnx"), "sr-x2")
    assert method.info.settings["scale"] == 2
    pixels, output = restored(method, 9, 11, (18, 22))
    np.testing.assert_allclose(output.pixels, pixels.repeat(2, 0).repeat(2, 1) / 255, atol=1e-6)
    same = made(halves_and_doubles(tmp_path / "same.onnx"), "sr-x2")
    assert restored(same, 9, 11, (18, 22))[1].pixels.shape == (18, 22, 3)
    with pytest.raises(InvalidRequest, match="for another task"):
        restored(method, 9, 11, (9, 11))


def test_a_network_of_one_size_gets_tiles(tmp_path):
    path = halves_and_doubles(tmp_path / "fixed.onnx", shape=(1, 3, 48, 64))
    method = made(path)
    assert tuple(method.info.settings["fixed"]) == (48, 64)
    pixels, output = restored(method, 20, 30)
    assert output.tiles == 1
    pixels, output = restored(method, 100, 150)
    assert output.tiles == 4 * 4
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-5)


def test_large_pictures_are_cut_into_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_method, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(onnx_method, "TILE_PX", 65)
    pixels, output = restored(made(halves_and_doubles(tmp_path / "net.onnx", 4)), 90, 131)
    assert output.tiles > 4
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-5)


def test_other_layouts_and_types(tmp_path):
    last = save(
        tmp_path / "nhwc.onnx",
        [helper.make_node("Identity", ["x"], ["y"])],
        shape=(1, "h", "w", 3),
        kind=TensorProto.UINT8,
    )
    pixels, output = restored(made(last), 5, 9)
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-6)
    half = halves_and_doubles(tmp_path / "half.onnx", kind=TensorProto.FLOAT16)
    pixels, output = restored(made(half), 6, 8)
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-3)


def steps(path, *steps, shape=(1, 3, "h", "w")):
    """A network of steps one after the other, each an operator and its stored operands."""
    nodes, tensors = [], []
    for number, (kind, *operands) in enumerate(steps):
        names = [f"c{number}{place}" for place in range(len(operands))]
        tensors += list(zip(names, map(np.float32, operands), strict=True))
        before = "x" if number == 0 else f"v{number}"
        after = "y" if number == len(steps) - 1 else f"v{number + 1}"
        nodes.append(helper.make_node(kind, [before, *names], [after]))
    return save(path, nodes, tensors, shape=shape)


MEAN = np.full((1, 3, 1, 1), 114.4)


@pytest.mark.parametrize(
    "network, whites",
    [
        ([("Div", 255), ("Relu",), ("Mul", 255)], (255, 255)),
        ([("Mul", 1 / 255), ("Relu",), ("Mul", 255), ("Clip", 0, 255)], (255, 255)),
        ([("Identity",), ("Div", 255), ("Relu",)], (255, 1)),
        ([("Relu",), ("Mul", 255)], (1, 255)),
        ([("Relu",), ("Clip", 0, 255)], (255, 255)),
        ([("Sub", MEAN), ("Identity",), ("Add", MEAN)], (255, 255)),
        ([("Relu",), ("Clip", 0, 1)], (1, 1)),
        ([("Mul", 255), ("Round",), ("Div", 255)], (1, 1)),  # rounds to 8 bits within
        ([("Sub", 0.5), ("Add", 0.5)], (1, 1)),
    ],
)
def test_the_range_of_a_network_is_told_by_its_ends(network, whites, tmp_path):
    method = made(steps(tmp_path / "net.onnx", *network))
    assert (method.info.settings["takes"], method.info.settings["gives"]) == whites
    pixels, output = restored(method, 12, 20)
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-5)


def test_eight_bits_are_given_as_they_are_to_a_network_that_divides_them(tmp_path):
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["f", "white"], ["y"]),
    ]
    path = save(tmp_path / "8.onnx", nodes, [("white", np.float32(255))], kind=TensorProto.UINT8)
    ends = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(ends)
    path.write_bytes(model.SerializeToString())
    method = made(path)
    assert (method.info.settings["takes"], method.info.settings["gives"]) == (1, 1)
    pixels, output = restored(method, 12, 20)
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-6)


@pytest.mark.parametrize("kind", ["Identity", "Relu", "Constant"])
@pytest.mark.parametrize("ends", [([], ["y"]), (["x"], [])])
def test_a_step_without_an_end_is_told_as_a_damaged_file(kind, ends, tmp_path):
    path = save(tmp_path / "net.onnx", [helper.make_node(kind, *ends)])
    with pytest.raises(InvalidRequest, match="cannot open net.onnx|no picture|takes \\("):
        made(path)


def test_the_steps_of_a_long_network_are_looked_through_once():
    length = 3000
    names = ["x", *(f"v{number}" for number in range(length - 1)), "y"]
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in itertools.pairwise(names)]
    ends = [SimpleNamespace(name=name) for name in "xy"]
    count = itertools.count()

    class Counted(list):
        def __iter__(self):
            next(count)
            return super().__iter__()

    graph = SimpleNamespace(node=Counted(nodes), input=ends[:1], output=ends[1:], initializer=[])
    assert ranges_of(SimpleNamespace(graph=graph)) == (False, False)
    assert next(count) < 10


def test_a_result_may_have_its_channels_elsewhere_than_the_input(tmp_path):
    nodes = [helper.make_node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1])]
    pixels, output = restored(made(save(tmp_path / "to_last.onnx", nodes)), 5, 9)
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-6)
    nodes = [helper.make_node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])]
    path = save(tmp_path / "to_first.onnx", nodes, shape=(1, "h", "w", 3))
    pixels, output = restored(made(path), 5, 9)
    np.testing.assert_allclose(output.pixels, pixels / 255, atol=1e-6)


def test_the_record_names_the_file_by_its_hash(tmp_path):
    path = doubles(tmp_path / "x2.onnx")
    method = made(path, "sr-x2")
    info = method.info
    assert (info.id, info.kind, info.parameters) == ("theirs", "onnx", 4)
    again = get_method("theirs", "sr-x2", info.settings)
    assert again.info == info
    halves_and_doubles(path)
    with pytest.raises(InvalidRequest, match="changed meanwhile"):
        method.load()


def external(path):
    nodes = [helper.make_node("Mul", ["x", "gain"], ["y"])]
    save(path, nodes, [("gain", np.ones(4000, np.float32))], shape=(1, 3, "h", 4000))
    model = onnx.load(path)
    onnx.save_model(
        model,
        path,
        save_as_external_data=True,
        location="secret.bin",
        size_threshold=0,
    )


def in_a_subgraph(path):
    """A tensor that only a branch holds, in another file."""
    tensor = numpy_helper.from_array(np.ones(1, np.float32), "gain")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")
    constant = helper.make_node("Constant", [], ["z"], value=tensor)
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])
    branch = helper.make_graph([constant], "branch", [], [out])
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    save(path, nodes, [("c", np.array(True))])


@pytest.mark.parametrize("write", [external, in_a_subgraph])
def test_data_in_other_files_is_refused(write, tmp_path):
    write(tmp_path / "net.onnx")
    with pytest.raises(InvalidRequest, match="in other files, which are not opened"):
        made(tmp_path / "net.onnx")


def declared(path, dims):
    """A tensor that claims more than it holds."""
    tensor = TensorProto(name="b", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(4))
    with_tensor(path, initializer=[tensor])


def sparse(path, dims):
    """One value in a wide empty tensor, which onnxruntime would unpack."""
    value = numpy_helper.from_array(np.ones(1, np.float32), "b")
    index = numpy_helper.from_array(np.zeros(1, np.int64), "at")
    with_tensor(path, sparse_initializer=[helper.make_sparse_tensor(value, index, dims)])


def with_tensor(path, **tensors):
    """A network that multiplies a picture by the largest value of the tensor "b"."""
    nodes = [
        helper.make_node("ReduceMax", ["b"], ["gain"], keepdims=0),
        helper.make_node("Mul", ["x", "gain"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "h", "w"]) for name in "xy"
    ]
    graph = helper.make_graph(nodes, "bomb", ends[:1], ends[1:], **tensors)
    opset = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )


@pytest.mark.parametrize("write", [declared, sparse])
@pytest.mark.parametrize("dims", [[50_000, 50_000], [2**40, 2**40], [-1, 4]])
def test_a_tensor_that_would_fill_the_memory_is_refused_before_it_is_made(write, dims, tmp_path):
    path = tmp_path / "net.onnx"
    write(path, dims)
    assert path.stat().st_size < 1000
    with pytest.raises(InvalidRequest, match="a tensor of more than 250 million numbers"):
        made(path)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is no ONNX file"),
        (b"no network at all", "is no ONNX file"),
        (b"\x80\x02}q\x00.", "is no ONNX file"),
    ],
)
def test_files_of_another_kind(content, words, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=words):
        made(path)


def test_what_is_no_picture_to_picture_network(tmp_path, monkeypatch):
    with pytest.raises(InvalidRequest, match="cannot be read"):
        made(tmp_path / "none.onnx")
    two = helper.make_node("Identity", ["x"], ["y"])
    with pytest.raises(InvalidRequest, match="needs one input of one RGB picture"):
        made(save(tmp_path / "grey.onnx", [two], shape=(1, 1, "h", "w")))
    pool = helper.make_node("GlobalAveragePool", ["x"], ["y"])
    with pytest.raises(InvalidRequest, match=r"for any size tried: .* became an array of shape"):
        made(save(tmp_path / "pool.onnx", [pool]))
    with pytest.raises(InvalidRequest, match="onnxruntime cannot open"):
        made(save(tmp_path / "odd.onnx", [helper.make_node("NoSuchThing", ["x"], ["y"])]))
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 100)
    with pytest.raises(InvalidRequest, match=r"has .* GB: ONNX files up to"):
        made(doubles(tmp_path / "large.onnx"))


def test_strangers_cannot_name_files(tmp_path):
    with pytest.raises(InvalidRequest, match="command line only"):
        get_method(f"x=onnx:{tmp_path}/net.onnx", "denoise")


def test_an_export_of_ours_is_read_back(tmp_path):
    from mirnet.weights.load import load
    from mirnet.weights.onnx_export import export_onnx

    path = tmp_path / "ours.onnx"
    export_onnx(load("denoise-compact"), path)
    method = made(path)
    settings = method.info.settings
    assert [settings[key] for key in ("multiple", "minimum", "scale", "fixed")] == [1, 1, 1, None]
    pixels, output = restored(method, 33, 47)
    reference = get_method("denoise-compact", "denoise").load()(Picture(pixels), (33, 47))
    np.testing.assert_allclose(output.pixels, reference.pixels, atol=1e-5)


def exported(path, network, height=48, width=64):
    """Write a torch network as a file with free sides."""
    free = {"x": {2: "h", 3: "w"}, "y": {2: "h2", 3: "w2"}}
    example = torch.zeros(1, 3, height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that needs no further package
        torch.onnx.export(
            network.eval(), (example,), path, input_names=["x"], output_names=["y"],
            dynamic_axes=free, dynamo=False, opset_version=17,
        )  # fmt: skip
    return path


class Mixed(nn.Module):
    """Convolutions of all kinds, matrix products, and resampling in between."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 16, 4, stride=2, padding=1, groups=2)
        self.dense = nn.Linear(16, 12)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, x):
        x = self.dense(self.down(self.first(x)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.last(self.up(torch.relu(x)))


def test_multiply_adds_are_those_of_the_network_that_was_exported(tmp_path):
    content = exported(tmp_path / "net.onnx", Mixed()).read_bytes()
    for height, width in ((48, 64), (96, 80)):
        wanted = complexity.multiply_adds(Mixed().to("meta"), height, width)
        assert onnx_complexity.multiply_adds(content, height, width) == wanted


def test_a_run_has_the_multiply_adds_of_an_onnx_method(tmp_path):
    path = exported(tmp_path / "net.onnx", Mixed())
    config = RunConfig(
        get_benchmark("mini-denoise"), (f"theirs=onnx:{path}", "identity"), n=1, allow_files=True
    )
    run = create_run(RunStore(tmp_path / "runs"), config).header()
    wanted = complexity.multiply_adds(Mixed().to("meta"), 1024, 1024) / 1024**2 / 1e3
    assert run.multiply_adds == {"theirs": pytest.approx(wanted)}


def test_a_network_that_enlarges_is_counted_a_megapixel_of_its_result(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    info = made(exported(tmp_path / "x2.onnx", network), "sr-x2").info
    assert info.settings["scale"] == 2
    assert onnx_complexity.multiply_adds_of(info) == pytest.approx(27 * 12 / 4 / 1e3)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Einsum", ["x", "x"], ["z"], equation="abcd,abcd->a"),
        helper.make_node("Conv", ["x", "nowhere"], ["z"]),  # of a shape that is not known
        helper.make_node("Conv", ["x", "w"], ["z"], domain="org.else"),
        helper.make_node(
            "If", ["yes"], ["z"],
            **{f"{branch}_branch": helper.make_graph(
                [helper.make_node("Identity", ["x"], [branch])], branch, [],
                [helper.make_tensor_value_info(branch, TensorProto.FLOAT, None)],
            ) for branch in ("then", "else")},
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_has_no_count(node, tmp_path):
    nodes = [node, helper.make_node("Identity", ["x"], ["y"])]
    stored = [("yes", True)]
    path = save(tmp_path / "net.onnx", nodes, stored)
    assert onnx_complexity.multiply_adds(path.read_bytes(), 64, 64) is None
    plain = save(tmp_path / "plain.onnx", nodes[1:])
    assert onnx_complexity.multiply_adds(plain.read_bytes(), 64, 64) == 0
