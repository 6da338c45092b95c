"""`python -m tests bench networks`: what is measured. No test looks at a time."""

import copy
import dataclasses
import doctest
import json
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from mirnet import memory as free_memory
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.models import reference as literal
from mirnet.models.complexity import multiply_adds
from mirnet.restoration.plan import TILE_MEMORY_BYTES, automatic_tile_px
from mirnet.weights.load import load
from tests.bench import first_paint, memory, photos, run, speed
from tests.bench.__main__ import app
from tests.bench.first_paint import Paint, busy_processes
from tests.bench.startup import startup_times

KEYS = (
    *("architecture", "engine", "height", "width"),
    *("median_s", "ratio_to_literal", "max_error", "peak_mb"),
)
SMALL = ("--architecture", "denoise-compact", "--rounds", "1")


@pytest.fixture
def quick_machine(monkeypatch):
    monkeypatch.setattr(speed, "peak_gflops", lambda dtype: 50.0)


def bench(*arguments: str):
    return CliRunner().invoke(app, ["networks", *arguments])


def test_the_document_has_one_row_for_each_contestant(tmp_path, quick_machine):
    file = tmp_path / "bench.json"
    done = bench(
        *SMALL, "--size", "24x16", "--size", "20", "--engine", "torch", "--json", str(file)
    )
    assert done.exit_code == 0, done.output
    document = json.loads(file.read_text())
    assert set(document) == {"machine", "rows"}
    assert document["machine"]["peak_gflops"] == 50
    rows = document["rows"]
    assert [set(row) for row in rows] == [set(KEYS)] * 4
    assert [(row["engine"], row["height"], row["width"]) for row in rows] == [
        *(("literal", 16, 24), ("torch", 16, 24)),
        *(("literal", 20, 20), ("torch", 20, 20)),
    ]
    for row in rows:
        assert row["median_s"] > 0 and row["ratio_to_literal"] > 0
        assert row["max_error"] < 1e-4
    assert rows[0]["ratio_to_literal"] == 1 and rows[0]["max_error"] == 0
    assert list(tmp_path.iterdir()) == [file]


def test_tables_for_the_documentation(quick_machine):
    done = bench(*SMALL, "--size", "16", "--engine", "torch", "--markdown")
    lines = done.stdout.strip().splitlines()
    assert lines[0].count("GFLOP/s") == 1 and lines[2].startswith("| network | size | engine |")
    assert len(lines) == 6 and len({line.count("|") for line in lines[2:]}) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--size", "0"), "is no size"),
        (("--size", "9x0"), "is no size"),
        (("--size", "5000"), "is no size"),
        (("--engine", "warp", "--size", "8"), "no engine 'warp' here: choose from torch"),
        (("--architecture", "v9", "--size", "8"), "v9"),
        (("--memory", "--size", "a"), "write megapixels"),
        (("--memory", "--json", "x.json"), "leave the other kind out"),
        (("--size", "8", "--json", "missing/x.json"), "cannot be written"),
    ],
)
def test_wrong_inputs_get_one_sentence(arguments, words, quick_machine, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if "--architecture" not in arguments:
        arguments = (*SMALL, *arguments)
    done = bench(*arguments)
    assert done.exit_code == 2 and not list(tmp_path.iterdir())
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_what_engines_get_wrong_is_in_the_table(monkeypatch, quick_machine):
    def wrong(model):
        other = copy.deepcopy(model)
        other.register_forward_hook(lambda module, inputs, output: output + 0.25)
        return other

    engine = dataclasses.replace(speed.ENGINES["torch"], prepare=wrong)
    monkeypatch.setitem(speed.ENGINES, "torch", engine)
    rows = list(speed.run(["denoise-compact"], [(16, 16)], ["torch"], 1))
    assert rows[1].max_error == pytest.approx(0.25, abs=1e-4)


def test_the_papers_networks_are_the_same_each_time():
    state = torch.get_rng_state()
    one, two = speed.network("v2"), speed.network("v2")
    assert torch.equal(one.conv_in.weight, two.conv_in.weight)
    assert torch.equal(state, torch.get_rng_state())
    assert not one.training and not one.conv_in.weight.requires_grad


def test_multiply_adds_are_those_of_the_network():
    model = copy.deepcopy(load("denoise-compact").model).to("meta")
    expected = multiply_adds(model, 40, 64)
    assert speed.counted("denoise-compact", (40, 64)) == expected


@pytest.mark.parametrize("name", ["denoise-compact", "lowlight-compact", "retouch-compact"])
def test_the_formulas_know_networks_with_an_exposure_curve(name):
    model, image = load(name).model, torch.rand(1, 3, 33, 47)
    with torch.inference_mode():
        torch.testing.assert_close(literal.restore(model, image), model(image), rtol=0, atol=1e-5)


# ---------------------------------------------------------------- whole photos


def test_memory_is_measured_in_a_process_of_its_own():
    (needed,) = memory.run(["retouch-compact"], [0.05], "auto")
    assert needed.weights == "retouch-compact" and needed.megapixels == pytest.approx(
        0.05, abs=0.01
    )
    assert needed.peak_mb > needed.start_mb > 50 and needed.beyond_mb > 0
    with pytest.raises(MIRNetError, match="nothing with 1 megapixels failed"):
        list(memory.run(["nothing"], [1], "auto"))


def test_photos_are_restored_by_size_threads_and_engine():
    before = torch.get_num_threads()
    rows = list(photos.scaling(["retouch-compact"], [0.01], ["torch"]))
    assert [row["threads"] for row in rows] == [str(n) for n in sorted({1, before})]
    assert torch.get_num_threads() == before


def test_the_app_and_the_library_are_compared():
    (row,) = photos.overhead(["denoise-compact"], [0.01], 1)
    assert row["photo"] == "0.01 MP" and row["the app adds"].endswith("%")


def test_little_free_memory_makes_smaller_tiles(tmp_path, monkeypatch):
    model = load("denoise-compact").model
    needed = model.bytes_per_pixel
    usual = automatic_tile_px(needed)
    assert automatic_tile_px(needed, 100 * TILE_MEMORY_BYTES) == usual
    little = automatic_tile_px(needed, TILE_MEMORY_BYTES // 2)
    assert 32 < little < usual and automatic_tile_px(needed, 0) == 32
    monkeypatch.setattr(free_memory, "CGROUP", tmp_path)
    machine = free_memory.available_bytes(torch.device("cpu"))
    assert machine is not None and machine > 10**8
    for most, expected in (("max\n", machine), ("9000000\n", 8_000_000), ("5\n", 0)):
        (tmp_path / "memory.max").write_text(most)
        (tmp_path / "memory.current").write_text("1000000\n")
        left = free_memory.available_bytes(torch.device("cpu"))
        assert left == (pytest.approx(expected, rel=0.5) if most == "max\n" else expected)
    (tmp_path / "memory.max").write_text("2000000\n")
    (tmp_path / "memory.stat").write_text("anon 9\ninactive_file 400000\n")
    assert free_memory.available_bytes(torch.device("cpu")) == 1_400_000
    assert free_memory.available_bytes(torch.device("mps")) is None


def test_freed_memory_is_kept_until_it_is_given_back():
    """In a process of its own: the setting holds for all of it."""
    code = (
        "import ctypes\nfrom mirnet.memory import give_back_memory, keep_freed_memory\n"
        "from tests.bench.memory import status_megabytes\n"
        "print(keep_freed_memory())\nlibc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = ctypes.c_void_p\nlibc.free.argtypes = [ctypes.c_void_p]\n"
        "p = libc.malloc(200_000_000)\n"
        "ctypes.memset(ctypes.c_void_p(p), 1, 200_000_000)\nlibc.free(p)\n"
        "print(status_megabytes('VmRSS'))\ngive_back_memory()\nprint(status_megabytes('VmRSS'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known, kept, given_back = done.stdout.split()
    if known == "False":
        pytest.skip("another C library than glibc")
    assert float(kept) > 200 > float(given_back)


@pytest.mark.slow
def test_the_steps_of_a_start_are_timed():
    steps = startup_times(1)
    assert steps[0].what == "python app.py --help" and len(steps) >= 2
    assert all(number > 0 for step in steps for number in step.medians())


def test_sizes_are_read_as_people_write_them():
    assert run.read_size("600x400") == (400, 600) and run.read_size("128") == (128, 128)
    with pytest.raises(InvalidRequest, match="width first"):
        run.read_size("axb")
    outcome = doctest.testmod(run)
    assert outcome.attempted and not outcome.failed


def test_busy_processes_end_with_their_block():
    with pytest.raises(ZeroDivisionError), busy_processes() as started:
        assert [process.is_alive() for process in started] == [True, True]
        raise ZeroDivisionError
    assert not any(process.is_alive() for process in started)


def test_the_first_paint_of_each_visit_is_printed(monkeypatch):
    monkeypatch.setattr(
        first_paint, "first_paints", lambda visits: [Paint("?tab=evaluate", 0.5, 1.25)] * visits
    )
    done = CliRunner().invoke(app, ["page", "--first-paint", "--visits", "2"])
    assert done.exit_code == 0 and done.output.count("?tab=evaluate") == 2
    assert "0.50" in done.output and "1.25" in done.output
