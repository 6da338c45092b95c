"""Paths of this machine in texts for strangers."""

from pathlib import Path

import pytest

from mirnet.machine_paths import without_paths

NAMED = [
    ("There is no folder /home/anna/LoL: check the path", "There is no folder LoL: check the path"),
    ("[Errno 2] No such file: '/srv/my pairs/of anna/a.png'", "[Errno 2] No such file: 'a.png'"),
    ("cannot read /mnt/John Smith/secret/a.png", "cannot read a.png"),
    (r"C:\Users\anna\net.onnx failed", "net.onnx failed"),
    (r"'\\server\anna\net.onnx'", "'net.onnx'"),
    ("folder:~anna/pairs, file:///home/anna/b.png.", "folder:pairs, b.png."),
    ("//nas/anna/set and (/home/anna/c.mat)", "set and (c.mat)"),
    ("cannot read /home/Anna Maria Smith/pairs/a.png", "cannot read a.png"),
    (r"cannot read C:\Users\Anna Maria Smith\pairs\a.png", "cannot read a.png"),
    ("cannot read '/home/anna/it's here/x.png'", "cannot read 'x.png'"),
    (r"cannot read 'C:\\Users\\Anna Maria\\x.png'", "cannot read 'x.png'"),
    ("cc -I/home/anna/inc failed", "cc -Iinc failed"),
    ("-I/home/anna/inc", "-Iinc"),
    ("no folder /data/My Own Photos/set/LoL", "no folder LoL"),
    ("cannot read /home/anna/Photos (old copy)/x.png", "cannot read x.png"),
    ("cannot read /home/anna/Smith, Anna/x.png", "cannot read x.png"),
    ("the folder /home/anna/LoL/ is empty", "the folder LoL is empty"),
    ("<b>/home/anna/a.png</b>", "<b>a.png</b>"),
    ("/home/anna/a.png\n/home/anna/b c/d.png", "a.png\nd.png"),
]
PLAIN = [
    "see https://hf.co/datasets/a/b or http://127.0.0.1:7860/file",
    "input/a.png in LoL has no target: ./x/y and ../z stay",
    "16/9 s/MP / and / or",
    "POST /call/restore and GET /call/restore/7 were refused",
    "<b>bold</b> and <i>more</i>",
]


@pytest.mark.parametrize(("text", "shown"), [*NAMED, *zip(PLAIN, PLAIN, strict=True)])
def test_folders_go_and_names_and_addresses_stay(text, shown):
    assert without_paths(text) == shown
    assert without_paths(shown) == shown


@pytest.mark.parametrize("home", ["/home/Anna Maria Smith", "/srv/x: y/anna"])
def test_the_home_folder_is_hidden_by_its_name(monkeypatch, tmp_path, home):
    monkeypatch.setattr(Path, "home", lambda: Path(home))
    monkeypatch.chdir(tmp_path)
    text = f"{tmp_path}/my set.png and '{home}' are not in {home}.\nNor is {home}/my pairs/a.png"
    assert without_paths(text) == "my set.png and '~' are not in ~.\nNor is a.png"
    assert without_paths(f"https://x.co{home}/c").startswith("https://x.co/")
    assert without_paths(f"see {home}: empty") == "see ~: empty"


def test_the_folder_of_work_is_hidden_by_its_name(monkeypatch, tmp_path):
    (tmp_path / "of anna: x").mkdir()
    monkeypatch.chdir(tmp_path / "of anna: x")
    assert without_paths(f"cannot read {Path.cwd()}/a.png") == "cannot read a.png"


def test_a_machine_without_home_and_folder_of_work(monkeypatch):
    def fails():
        raise FileNotFoundError

    monkeypatch.setattr("os.getcwd", fails)
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert without_paths("no /srv/anna/a.png") == "no a.png"
