"""The command line: texts, exit codes, and which files it touches."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration.api import restore
from mirnet.weights.networks import save_weights
from tests.support.command_line import run, run_restore
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Three pictures, a text and a folder; the current folder during the test."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "c.bmp"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "sub").mkdir()
    return tmp_path


def start(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "mirnet", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # Whoever starts the tests in the background lets them ignore Ctrl+C, and what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


# ---------------------------------------------------------------- restore


def test_one_file_to_one_file_equals_the_library(photos, network):
    outcome = run_restore("a.png", "-o", "out/new/x.png", "--weights", network, "--tile", 32)
    assert outcome.code == 0 and outcome.err == ""
    expected = restore("a.png", weights=network, tile_px=32).result()
    assert np.array_equal(read_image("out/new/x.png").pixels, expected.picture.pixels)
    [line] = outcome.out.splitlines()
    assert line.startswith("out/new/x.png · weights Tiny Net.safetensors · sha256 ")
    assert line.endswith(" · 4 tiles up to 32 px · engine torch")


def test_what_is_left_out_of_a_photo_is_said(photos, network):
    with open("b.jpg", "ab") as file:
        file.write(bytes(5000))  # the film of a motion photo
    outcome = run_restore("b.jpg", "-o", "out", "--weights", network)
    line, note = outcome.out.splitlines()
    assert outcome.code == 0 and line.startswith("out/b.jpg · ")
    assert note.startswith("b.jpg has 0.005 MB behind its picture")


def test_a_clear_picture_by_a_name_of_jpeg_is_told_of(photos, network):
    Image.new("RGBA", (20, 20), (9, 9, 9, 90)).save("d.jpg", format="PNG")
    outcome = run_restore("d.jpg", "-o", "out", "--weights", network)
    assert outcome.code == 0 and "JPEG has no transparency" in outcome.out.splitlines()[1]


@pytest.mark.parametrize(("choice", "kept"), [("all", True), ("none", False)])
def test_metadata_is_kept_or_left_out_as_asked(photos, network, choice, kept):
    tags = Image.Exif()
    tags[271] = "Maker"
    Image.open("b.jpg").save("tagged.jpg", exif=tags)
    outcome = run_restore("tagged.jpg", "-o", "x.jpg", "--weights", network, "--metadata", choice)
    assert outcome.code == 0
    assert (Image.open("x.jpg").getexif().get(271) == "Maker") == kept


def test_a_jfif_comes_out_as_jpg(photos, network):
    (photos / "b.jpg").rename(photos / "sub" / "pic.jfif")
    outcome = run_restore("sub", "-o", "out", "--weights", network)
    assert outcome.code == 0 and read_image("out/pic.jpg").source_format == "JPEG"


def test_settings_reach_the_library(photos, network):
    arguments = ("--weights", network, "--strength", 0.5, "--ensemble", "--device", "cpu")
    assert run_restore("a.png", "-o", "x.png", *arguments).code == 0
    expected = restore("a.png", weights=network, strength=0.5, ensemble=True).result()
    assert np.array_equal(read_image("x.png").pixels, expected.picture.pixels)
    for flags, size in (([], (100, 80)), (["--same-size"], (50, 40))):
        assert (
            run_restore(
                "a.png", "-o", "x.webp", "--overwrite", "--weights", network, *flags, task="sr-x2"
            ).code
            == 0
        )
        with Image.open("x.webp") as picture:
            assert picture.size == size
    outcome = run_restore("a.png", "-o", "y.png", "--max-pixels", 1999)
    assert outcome.code == 2 and "more than the limit" in outcome.err


def test_two_steps_restore_folders_and_come_from_presets(photos, network):
    """Flags, a folder and a preset give the bytes of the library."""
    flags = ("--weights", network, "--then", "sr-x2", "--then-weights", "sr-x2-photo")
    outcome = run_restore(".", "-o", "out", *flags, "--strength", 0.5)
    assert outcome.code == 0 and "3 restored, 0 skipped, 0 failed." in outcome.out
    result = restore(
        "a.png", weights=network, then="sr-x2", then_weights="sr-x2-photo", strength=0.5
    ).result()
    assert result.facts().split(" MP ")[0] in outcome.out
    np.testing.assert_array_equal(read_image("out/a.png").pixels, result.picture.pixels)
    assert read_image("out/b.jpg").pixels.shape == (80, 100, 3)
    Path("two.toml").write_text(
        "task = 'denoise'\nthen = 'sr-x2'\nthen_weights = 'sr-x2-photo'\nstrength = 0.5\n"
    )
    preset = ("--preset", "two.toml", "--weights", network)
    assert run("restore", "a.png", "-o", "again.png", *preset).code == 0
    assert Path("again.png").read_bytes() == Path("out/a.png").read_bytes()


def test_a_folder_gives_its_pictures_only(photos):
    outcome = run_restore(photos, "-o", "out")
    assert outcome.code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.jpg", "c.png"]
    assert outcome.out.splitlines()[-1] == "3 restored, 0 skipped, 0 failed."


def test_patterns_the_shell_left_alone(photos):
    assert run_restore("[ab].*", "c.bmp", "./a.png", "-o", "out", "--format", "tiff").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.tif", "b.tif", "c.tif"]
    outcome = run_restore("*.heic", "-o", "out")
    assert (outcome.code, outcome.err) == (2, "No picture fits the pattern *.heic: check it.\n")


def test_a_name_with_pattern_characters_is_a_name(photos):
    Path("a.png").rename("a[1].png")
    assert run_restore("a[1].png", "-o", "x.png").code == 0


def test_what_exists_is_skipped_unless_told_otherwise(photos):
    Path("x.png").write_text("precious")
    outcome = run_restore("a.png", "-o", "x.png")
    assert outcome.code == 0 and Path("x.png").read_text() == "precious"
    assert outcome.out == "x.png is there already and was skipped: --overwrite replaces it.\n"
    assert run_restore("a.png", "-o", "x.png", "--overwrite").code == 0
    assert read_image("x.png").width == 50


def test_one_bad_file_does_not_stop_the_others(photos):
    outcome = run_restore("notes.txt", "a.png", "missing.png", "b.jpg", "sub", "-o", "out")
    assert outcome.code == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.jpg"]
    assert "missing.png does not exist" in outcome.err
    assert "The folder sub holds no pictures" in outcome.err
    assert "notes.txt is a text file" in outcome.err
    assert outcome.out.splitlines()[-1] == "2 restored, 0 skipped, 3 failed."


@pytest.mark.parametrize("out", [".", "sub/.."])
def test_an_input_is_never_replaced(photos, out):
    before = Path("a.png").read_bytes()
    outcome = run_restore("a.png", "-o", out, "--overwrite")
    assert outcome.code == 2 and "would replace an input, which is never done" in outcome.err
    assert Path("a.png").read_bytes() == before


def test_an_input_is_not_replaced_through_another_name(photos):
    Path("link.png").hardlink_to("b.jpg")
    outcome = run_restore("a.png", "b.jpg", "-o", "out", "--format", "png")
    assert outcome.code == 0
    Path("out/b.png").unlink()
    Path("out/b.png").symlink_to(photos / "b.jpg")
    outcome = run_restore("a.png", "b.jpg", "-o", "out", "--format", "png", "--overwrite")
    assert outcome.code == 2 and "out/b.png would replace an input" in outcome.err
    outcome = run_restore("b.jpg", "-o", "link.png", "--overwrite")
    assert outcome.code == 2 and "link.png would replace an input" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png", "-o", "x.gif"], "x.gif does not end like a picture that can be written"),
        (["a.png", "-o", "x.png", "--format", "jpeg"], "x.png does not end like .*use .jpg."),
        (["a.png", "b.jpg", "-o", "x.png"], "x.png is the name of a file"),
        (["a.png", "b.jpg", "-o", "notes.txt"], "notes.txt is the name of a file"),
        (["a.png", "-o", "notes.txt/out"], "The folder notes.txt/out cannot be made"),
        (["missing.png", "-o", "x.png"], "missing.png does not exist"),
        (["a.png", "-o", "x.png", "--task", "polish"], "There is no task 'polish'"),
        (["a.png", "-o", "x.png", "--weights", "nothing"], "There are no weights 'nothing'"),
        (["a.png", "-o", "x.png", "--weights", "notes.txt"], "^notes.txt "),
        (["a.png", "-o", "x.png", "--strength", "2"], "Strength 2.0 is not"),
        (["a.png", "-o", "x.png", "--then", "polish"], "There is no task 'polish'"),
        (["a.png", "-o", "x.png", "--then-weights", "mine"], "name its task with --then"),
        (["a.png", "-o", "x.png", "--then", "sr-x2", "--detail", "1"], "sr-x2 does not remove"),
        (["a.png", "-o", "x.png", "--luma", "-1"], "Luma -1.0 is not a number from 0 to 1"),
        (["a.png", "-o", "x.png", "--noise-level", "200"], "noise level 200.0 is not a number"),
        (["a.png", "-o", "x.png", "--format", "gif"], "There is no format 'gif' to save in"),
        (["a.png", "b.jpg", "-o", "out", "--tile", "5"], "tile size 5 does not fit"),
        (["a.png", "-o", "x.png", "--device", "toaster"], "no device 'toaster'"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(photos, arguments, words):
    outcome = run_restore(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    [line] = outcome.err.splitlines()
    assert re.search(words, line) and line.endswith(".")
    assert sorted(path.name for path in photos.iterdir()) == [
        "a.png",
        "b.jpg",
        "c.bmp",
        "notes.txt",
        "sub",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore", "a.png", "-o", "x.png"],
        ["restore", "a.png", "--task", "denoise"],
        ["restore", "a.png", "-o", "x.png", "--task", "denoise", "--format", "gif"],
        ["restore", "a.png", "-o", "x.png", "--task", "denoise", "--quality", "101"],
        ["polish"],
    ],
)
def test_usage_errors_have_exit_code_2(photos, arguments):
    assert run(*arguments).code == 2


# ---------------------------------------------------------------- weights, info, training


def test_weights_import_list_use_verify_forget(photos, network):
    outcome = run("weights", "import", network)
    assert outcome.out == "tiny-net is ready: MIRNetV2 for the task denoise.\n"
    listed = run("weights", "list", "--task", "denoise").out
    assert [line.split()[0] for line in listed.splitlines()[1:]][:1] == ["denoise-compact"]
    [row] = [line.split() for line in listed.splitlines() if line.startswith("tiny-net")]
    assert row[:4] == ["tiny-net", "denoise", "MIRNetV2", "imported"] and "yes" in row
    assert run_restore("a.png", "-o", "x.png", "--weights", "tiny-net").code == 0
    assert "tiny-net loads, and the hash is as recorded." in run("weights", "verify").out
    cached = next((Path(_cache()) / "weights").glob("tiny-net*.safetensors"))
    cached.write_bytes(cached.read_bytes()[:-1] + b"x")
    outcome = run("weights", "verify", "tiny-net")
    assert outcome.code == 2 and "changed on disk" in outcome.err
    assert run("weights", "forget", "tiny-net").out == "tiny-net was deleted.\n"
    assert run("weights", "forget", "tiny-net").out == "tiny-net was not in the cache.\n"
    assert run("weights", "verify", "tiny-net").code == 2


def _cache() -> str:
    return os.environ["MIRNET_CACHE"]


def test_weights_import_under_an_id_and_what_it_refuses(photos, network):
    outcome = run("weights", "import", network, "--as", "mine", "--task", "retouch")
    assert outcome.out == "mine is ready: MIRNetV2 for the task retouch.\n"
    again = run("weights", "import", network, "--as", "mine", "--task", "retouch")
    assert again.out == outcome.out  # the same file replaces nothing
    torch.manual_seed(1)
    model = MIRNetV2(8, 1, conv_groups=(1,), unshuffle=2)
    other = save_weights(model, Path("other.safetensors"), {"task": "denoise"})
    outcome = run("weights", "import", other, "--as", "mine", "--task", "retouch")
    assert "It replaces other weights of this id, which were made from Tiny Net" in outcome.out
    outcome = run("weights", "import", "notes.txt", "--task", "denoise")
    assert outcome.code == 2 and "notes.txt" in outcome.err and "Traceback" not in outcome.err
    assert run("weights", "import", network, "--as", "denoise-compact").code == 2


def test_weights_fetch_of_what_is_here_and_of_the_unknown():
    outcome = run("weights", "fetch", "denoise-compact")
    assert outcome.code == 0 and outcome.out.startswith("denoise-compact is ready: /")
    outcome = run("weights", "fetch", "nothing")
    assert outcome.code == 2 and "There are no weights 'nothing'" in outcome.err
    outcome = run("weights", "list", "--task", "polish")
    assert outcome.code == 2 and "There is no task 'polish'" in outcome.err


def test_info():
    lines = dict(line.split(maxsplit=1) for line in run("info").out.splitlines())
    assert lines["torch"] == torch.__version__ and lines["cache"] == _cache()
    assert int(lines["threads"]) >= 1 and lines["devices"].startswith("cpu")
    assert "denoise-compact" in lines["weights"]


def test_train_passes_its_settings_on_and_reports(monkeypatch):
    from mirnet.train import run as training

    calls = []

    def fake(*settings):
        calls.append(settings)
        yield training.Progress(100, 200, 0.0123, 2e-4, 0.5, None, 32.0, 0.25)
        yield training.Progress(200, 200, 0.01, 1e-4, 0.5, 33.333, 32.0, 0.25)

    monkeypatch.setattr(training, "train", fake)
    outcome = run("train", "x.toml", "--folder", "runs/x", "--steps", "200", "--no-resume")
    assert calls == [(Path("x.toml"), Path("runs/x"), 200, False, None, False, None)]
    assert outcome.out.splitlines() == [
        "step 100/200 · loss 0.01230 · rate 2.00e-04 · 0.500 s/step · 32.0 patches/s · 25% on data",
        "step 200/200 · loss 0.01000 · rate 1.00e-04 · 0.500 s/step · 32.0 patches/s · 25% on data"
        " · dev 33.33 dB",
    ]
    run("train", "x.toml", "--minutes", "9", "--continue")
    assert calls[1] == (Path("x.toml"), None, None, True, 9, True, None)


def test_train_without_a_recipe_is_one_sentence(photos):
    outcome = run("train", "nowhere.toml")
    assert outcome.code == 2 and "nowhere.toml" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_prepare_reports_and_refuses_in_words(monkeypatch):
    from mirnet.train import fetch as module

    def fake(folder, local):
        yield f"{[str(path) for path in local]}"
        yield f"one [bold]package[/bold] in {folder}"
        raise InvalidRequest("The package cannot be fetched: try again.")

    monkeypatch.setattr(module, "prepare", fake)
    outcome = run("prepare", "--folder", "there", "--from", "a", "--from", "b")
    assert outcome.out == "['a', 'b']\none [bold]package[/bold] in there\n"
    assert (outcome.code, outcome.err) == (2, "The package cannot be fetched: try again.\n")


def test_prepare_packs_what_it_prepared(monkeypatch):
    from mirnet.train import fetch, pack

    monkeypatch.setattr(fetch, "prepare", lambda folder, local: iter(["prepared"]))
    monkeypatch.setattr(pack, "write_pack", lambda folder, path: iter([f"{path} of {folder}"]))
    assert run("prepare", "--folder", "a").out == "prepared\n"
    assert run("prepare", "--folder", "a", "--pack", "b.zip").out == "prepared\nb.zip of a\n"


def test_a_lack_of_memory_anywhere_is_a_sentence(monkeypatch):
    """In an import it ended in a traceback."""
    from mirnet.train import fetch as module

    def lacking(folder, local):
        raise MemoryError
        yield

    monkeypatch.setattr(module, "prepare", lacking)
    outcome = run("prepare")
    assert outcome.code == 2 and outcome.err.startswith("There is not enough memory for this")


def test_interrupting_is_exit_code_130_and_one_line(monkeypatch):
    from mirnet.train import fetch as module

    def interrupted(folder, local):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(module, "prepare", interrupted)
    outcome = run("prepare")
    assert (outcome.code, outcome.err) == (130, "Stopped: what was finished before stays.\n")


# ---------------------------------------------------------------- as a program


def test_help_names_every_command():
    process = start("--help")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == ""
    assert all(name in out for name in ("restore", "weights", "info", "train", "prepare"))


def test_a_real_interrupt_leaves_nothing_behind(photos):
    pixels = np.zeros((1500, 1500, 3), np.uint8)
    Image.fromarray(pixels).save("large.png")
    target = photos / "out" / "large.png"
    arguments = ("--task", "denoise", "--tile", 32, "--ensemble")
    process = start("restore", photos / "large.png", "-o", target, *arguments)
    deadline = time.monotonic() + 60
    while not target.parent.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err == "Stopped: what was finished before stays.\n"
    assert list(target.parent.iterdir()) == []


def test_a_wrong_file_has_no_traceback(photos):
    process = start("restore", photos / "notes.txt", "-o", photos / "x.png", "--task", "denoise")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("notes.txt is a text file") and len(err.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_the_console_cannot_show_stop_nothing(photos, network):
    folder = photos / "sub"
    names = (b"caf\xe9.png", "照片.png".encode(), b"ok.png")
    for name in names:
        shutil.copy(photos / "a.png", os.path.join(os.fsencode(folder), name))
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "mirnet", "restore", str(folder), "-o", str(photos / "out")]
        + ["--task", "denoise", "--weights", str(network)],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | settings | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(os.listdir(os.fsencode(photos / "out"))) == sorted(names)
    assert b"3 restored, 0 skipped, 0 failed." in done.stdout
