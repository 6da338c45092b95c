"""Folders of `restore`: what is found in them, what is left out, and where results lie."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirnet.cli import restore as command
from mirnet.cli.pictures import Source, chosen_format, find_pictures, plan_jobs
from mirnet.cli.terminal import print_line
from mirnet.images.decode import read_image
from mirnet.restoration.api import restore
from tests.support.command_line import run, run_restore
from tests.support.paths import ROOT

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def camera(tmp_path, monkeypatch):
    """A camera's folders with same names in them, and junk; the current folder during the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("DCIM/100/IMG_2.JPG", "DCIM/100/IMG_10.JPG", "DCIM/101/IMG_2.JPG"):
        picture(name)
    for name in (".trash/x.jpg", "@eaDir/IMG_2.JPG", "100/._IMG_2.JPG", "100/Thumbs.db", "a.xmp"):
        path = Path("DCIM", name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"junk \0\1")
    return tmp_path


def picture(name: str, format: str | None = None) -> Path:  # noqa: A002
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(map(ord, name))
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), np.uint8)
    Image.fromarray(pixels).save(path, format=format)
    return path


def files_below(folder: str) -> list[str]:
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_pictures_of_a_folder_come_in_the_order_in_which_people_count(tmp_path):
    for name in ("IMG_10", "img_9", "IMG_1", "a", "2"):
        Image.new("RGB", (1, 1)).save(tmp_path / f"{name}.png")
    found = [source.path.stem for source in find_pictures([str(tmp_path)]).sources]
    assert found == ["2", "a", "IMG_1", "img_9", "IMG_10"]


def test_a_tree_is_kept_and_junk_left_out_in_words(camera, network):  # noqa: F811
    outcome = run_restore("DCIM", "-o", "out", "--weights", network)
    assert outcome.code == 0 and outcome.err == ""
    tree = ["100/IMG_10.JPG", "100/IMG_2.JPG", "101/IMG_2.JPG"]
    assert files_below("out") == tree
    made = [line.partition(" · ")[0] for line in outcome.out.splitlines() if " · " in line]
    assert made == ["out/100/IMG_2.JPG", "out/100/IMG_10.JPG", "out/101/IMG_2.JPG"]
    assert outcome.out.splitlines()[-2:] == [
        "Left out: 3 files that are not read (.xmp 1, .jpg 1, .db 1) and 2 hidden or system "
        "folders.",
        "3 restored, 0 skipped, 0 failed.",
    ]
    first, second = (read_image(f"out/{name}").pixels for name in tree[1:])
    assert not np.array_equal(first, second)


def test_a_batch_is_resumed(camera, network):  # noqa: F811
    run_restore("DCIM", "-o", "DCIM/restored", "--weights", network)
    Path("DCIM/restored/101/IMG_2.JPG").unlink()
    outcome = run_restore("DCIM", "-o", "DCIM/restored", "--weights", network)
    assert outcome.code == 0  # results are no sources
    assert outcome.out.splitlines()[-1] == "1 restored, 2 skipped, 0 failed."
    assert len(files_below("DCIM/restored")) == 3


@pytest.mark.parametrize(
    "inputs",
    [
        ["DCIM/**/*.JPG"],
        ["DCIM/100/IMG_2.JPG", "DCIM/100/IMG_10.JPG", "DCIM/101/IMG_2.JPG"],
        ["DCIM/100", "DCIM/101"],
    ],
)
def test_same_names_in_different_folders_are_kept_apart(camera, inputs):
    found = find_pictures(inputs)
    jobs = plan_jobs(found.sources, "out/", None, may_be_file=False)
    targets = {job.target.as_posix() for job in jobs}
    assert targets == {
        f"out/{name}" for name in files_below("DCIM") if "/IMG" in name and "@" not in name
    }


def test_same_names_of_two_formats_keep_their_suffix(tmp_path):
    sources = [Source(tmp_path / name, Path(name)) for name in ("a.cr3", "a.JPG", "b.JPG")]
    for source in sources:
        source.path.touch()
    jobs = plan_jobs(sources, "out", chosen_format("jpg"), may_be_file=False)
    assert [job.target.name for job in jobs] == ["a-cr3.jpg", "a-jpg.JPG", "b.JPG"]
    plain = plan_jobs(sources, "out", None, may_be_file=False)
    assert [job.target.name for job in plain] == ["a.png", "a.JPG", "b.JPG"]


@pytest.mark.parametrize("name", ["jpg", "JPG", "jpeg", ".jpg", "tif", "png", "webp"])
def test_formats_go_by_suffixes_too(camera, network, name):  # noqa: F811
    outcome = run_restore("DCIM/101", "-o", "out", "--weights", network, "--format", name)
    assert outcome.code == 0
    [made] = files_below("out")
    assert read_image(f"out/{made}").source_format == chosen_format(name).name


def test_a_picture_of_any_name_is_found_in_a_folder(camera):
    picture("box/scan", "PNG")
    picture("box/photo.dat", "JPEG")
    assert [source.path.name for source in find_pictures(["box"]).sources] == ["photo.dat", "scan"]


def test_a_slash_at_the_end_makes_a_folder(camera, network):  # noqa: F811
    outcome = run_restore("DCIM/101/IMG_2.JPG", "-o", "new.png/", "--weights", network)
    assert outcome.code == 0 and files_below("new.png") == ["IMG_2.JPG"]


def test_a_tilde_is_the_home_folder(camera, network, monkeypatch):  # noqa: F811
    monkeypatch.setenv("HOME", str(camera))
    monkeypatch.setenv("USERPROFILE", str(camera))
    monkeypatch.chdir(camera / "DCIM")
    outcome = run_restore("~/DCIM/101", "-o", "~/mine", "--weights", network)
    assert outcome.code == 0 and files_below(str(camera / "mine")) == ["IMG_2.JPG"]
    assert not Path("~").exists()


def test_an_unreadable_folder_is_not_called_empty(camera, network, monkeypatch):  # noqa: F811
    real = os.scandir

    def closed(path):
        if str(path).endswith("101"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    outcome = run_restore("DCIM", "-o", "out", "--weights", network)
    complaint = "The folder DCIM/101 cannot be read (Permission denied): check its permissions.\n"
    assert (outcome.code, outcome.err) == (2, complaint)
    assert outcome.out.splitlines()[-1] == "2 restored, 0 skipped, 1 failed."
    shutil.rmtree("out")
    assert find_pictures(["DCIM/101"]).complaints == [complaint.strip()]


def test_a_watched_folder_gives_new_pictures_once_they_are_whole(camera, network, monkeypatch):  # noqa: F811
    looks = 0

    def sleep(seconds):
        nonlocal looks
        looks += 1
        if looks == 1:
            Path("DCIM/101/new.jpg").write_bytes(b"\xff\xd8\xff half")  # being copied
        elif looks == 2:
            picture("DCIM/101/new.jpg")
        elif looks == 3:
            assert not Path("out/101/new.jpg").exists()
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", sleep)
    outcome = run_restore("DCIM", "-o", "out", "--weights", network, "--watch")
    assert outcome.code == 130 and outcome.err.startswith("Stopped")
    assert files_below("out")[-1] == "101/new.jpg" and len(files_below("out")) == 4
    assert np.array_equal(
        read_image("out/101/new.jpg").pixels.shape, read_image("DCIM/101/new.jpg").pixels.shape
    )


def test_blends_reach_the_files(camera, network):  # noqa: F811
    source = picture("one.png")
    flags = ("--strength", 0.8, "--luma", 0.5, "--chroma", 0.25, "--detail", 0.75)
    assert run_restore("one.png", "-o", "x.png", "--weights", network, *flags).code == 0
    made = restore(source, weights=network).result().blend(0.8, 0.5, 0.25, 0.75)
    assert np.array_equal(read_image("x.png").pixels, made.picture.pixels)
    refused = run_restore("one.png", "-o", "y.png", "--detail", 0.5, task="sr-x2")
    assert refused.code == 2 and "which sr-x2 does not remove" in refused.err


def test_a_preset_sets_defaults_and_flags_have_the_last_word(camera, network):  # noqa: F811
    source = picture("one.png")
    Path("mine.toml").write_text("task = 'denoise'\nluma = 0.5\nformat = 'jpg'\nmetadata = 'none'")
    common = ("restore", "one.png", "--weights", network, "--preset", "mine.toml")
    assert run(*common, "-o", "out/").code == 0
    assert files_below("out") == ["one.jpg"]
    assert run(*common, "-o", "x.png", "--format", "png", "--luma", 0.25).code == 0
    made = restore(source, weights=network).result().blend(luma=0.25)
    assert np.array_equal(read_image("x.png").pixels, made.picture.pixels)
    Path("mine.toml").write_text("task = 'denoise'\nlumma = 0.5")
    refused = run(*common, "-o", "y.png")
    assert refused.code == 2 and "has a key 'lumma' that there is not" in refused.err


def test_inspect_measures_every_picture_and_changes_none(camera):
    before = files_below("DCIM")
    outcome = run("inspect", "DCIM", "gone.png")
    assert outcome.code == 2 and outcome.err.startswith("gone.png does not exist")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("DCIM/100/IMG_2.JPG · 24 x 20 · noise ") and len(lines) == 6
    assert "Suggested: " in lines[1] and files_below("DCIM") == before


@pytest.mark.parametrize("encoding", ["cp932", "cp1252", "ascii"])
def test_names_that_a_console_cannot_show_stop_nothing(camera, network, monkeypatch, encoding):  # noqa: F811
    for name in ("été.png", "写真.png", "שלום.png"):
        picture(f"names/{name}")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("PYTHONUTF8", "0")
    folder, out = camera / "names", camera / "out"
    command_line = ("restore", folder, "-o", out, "--task", "denoise", "--weights", network)
    words = [sys.executable, "-m", "mirnet", *map(str, command_line)]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=120)
    assert made.returncode == 0 and made.stderr == b""
    assert len(files_below(str(out))) == 3 and b"3 restored" in made.stdout


def test_a_link_is_a_further_name_of_its_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture("Z.png")
    Path("a.png").symlink_to("Z.png")
    found = find_pictures(["."])
    assert [source.path.name for source in found.sources] == ["Z.png"]
    assert found.left_out_words() == "Left out: 1 further name of the same pictures."


def test_links_of_another_folder_give_way_to_the_names_of_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("real/2.png", "real/9.png", "elsewhere/x.png"):
        picture(name)
    Path("links").mkdir()
    Path("links/a.png").symlink_to("../real/2.png")
    Path("real/0.png").symlink_to("../elsewhere/x.png")
    found = find_pictures(["links", "real"])
    assert [str(source.path) for source in found.sources] == [
        "real/0.png",
        "real/2.png",
        "real/9.png",
    ]
    assert [str(source.relative) for source in found.sources] == ["0.png", "2.png", "9.png"]
    assert found.further_names == 1


def test_a_name_that_is_given_twice_leaves_nothing_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture("a.png")
    found = find_pictures(["a.png", "./a.png", "a.png", "."])
    assert len(found.sources) == 1 and found.left_out_words() is None and not found.complaints


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f467"]
)
def test_joiners_of_persian_words_and_emoji_are_printed(name, capsys):
    print_line(f"{name}\u202e.png\x1b[31m")
    assert capsys.readouterr().out == f"{name}\ufffd.png\ufffd[31m\n"


def test_a_name_commands_no_terminal(tmp_path, network, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    picture("in/a\x1b]0;b\x07.png")
    outcome = run_restore("in", "-o", "out", "--weights", network)
    assert outcome.out.startswith("out/a\ufffd]0;b\ufffd.png · ")
    assert "\x1b" not in outcome.out + outcome.err
