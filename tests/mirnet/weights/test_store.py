"""The cache folder and its records, also damaged ones."""

import json

import pytest

from mirnet.weights import catalogue
from mirnet.weights import store as cache


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"id": 3}', '{"id": "other"}', None])
def test_a_damaged_record_is_rebuilt_from_the_file(imported, damage):
    before = cache.read_record(imported)
    path = cache.record_file(imported)
    for look in (cache.read_record, catalogue.get_entry):
        if damage is None:
            path.unlink()
        else:
            path.write_text(damage)
        assert look(imported).task == "denoise"
        assert json.loads(path.read_text()) == vars(before)


def test_foreign_files_in_the_cache_are_ignored(imported, weights_cache):
    (weights_cache / "weights" / "stray.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    (weights_cache / "weights" / "empty.safetensors").write_bytes(b"")
    assert [record.id for record in cache.read_records()] == [imported]


def test_ids_become_file_names_that_cannot_leave_the_folder():
    names = [cache.file_stem(i) for i in ("hub:a/b@c", "hub:a/b", "hub:A/b", "../x", "/etc/x", "")]
    assert len(set(names)) == len(names)
    assert not any("/" in name or name.startswith(".") for name in names)
