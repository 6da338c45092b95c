"""Paths of this machine in texts for strangers."""

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
]
PLAIN = [
    "see https://hf.co/datasets/a/b or http://127.0.0.1:7860/file",
    "input/a.png in LoL has no target: ./x/y and ../z stay",
    "16/9 s/MP / and / or",
]


@pytest.mark.parametrize(("text", "shown"), [*NAMED, *zip(PLAIN, PLAIN, strict=True)])
def test_folders_go_and_names_and_addresses_stay(text, shown):
    assert without_paths(text) == shown
    assert without_paths(shown) == shown
