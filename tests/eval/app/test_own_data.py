"""A data set of one's own in the form of a new run: looked at, refused in words, started."""

import re
import time
from html import unescape
from types import SimpleNamespace

import pytest

from eval.analysis.run_comparison import compare_runs
from eval.app import own_data, run_limits
from eval.app.evaluate_tab import EvaluateTab
from eval.app.html.board import methods_table
from eval.app.html.compare import comparison
from eval.app.own_data import OWN
from eval.app.permissions import Permissions
from eval.app.run_queue import RunQueue
from eval.cli.options import choose_benchmarks
from eval.reports.html import html_report
from eval.runs.store import RunStore
from mirnet.app.auth import Access
from tests.support.pair_files import png, put
from tests.support.readers_of_every_kind import parqueted
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

VISITOR = SimpleNamespace(session_hash="anna")
SPLITS = ("test", "train")


def tab_of(tmp_path, local: bool = True) -> EvaluateTab:
    queue = RunQueue(RunStore(tmp_path / "runs"), local=local)
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), queue, Access("admin" if local else "runner"))


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> EvaluateTab:
    return tab_of(tmp_path_factory.mktemp("own"))


@pytest.fixture
def folder(tmp_path):
    """Three pairs as people keep them, and what their systems left there."""
    files = {f"noisy/{i}.png": png(24, 30, i) for i in (1, 2, 3)}
    files |= {f"clean/{i}.PNG": png(24, 30, i) for i in (1, 2, 3)}
    return put(tmp_path / "mine", files | {"noisy/Thumbs.db": b"x", "clean/desktop.ini": b"x"})


def values(source, degraded="./noisy/*.png", target="clean/*.png", **more):
    fields = {"config": "", "split": "", "size": "same", "scenes": False} | more
    return [
        str(source), fields["config"], fields["split"], degraded, target, fields["size"],
        fields["scenes"],
    ]  # fmt: skip


def looked(tab, *given, task="denoise") -> dict[str, str]:
    """What the form shows after a check: what was found, or an error by its field."""
    own = tab.running.form.own
    update = own.look(VISITOR, task, *given)
    shown = {about: words(update[widget]) for about, widget in own.errors.items()}
    shown["found"] = words(update[own.found])
    startable = update[own.start]["interactive"]
    assert startable == bool(shown["found"]) == (not any(shown[about] for about in own.errors))
    return {place: text for place, text in shown.items() if text}


def words(html) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", str(html))).split())


def repository(*splits: str, size: int = 24) -> dict[str, bytes]:
    """A data set of the Hub with a Parquet file of two pairs for each split, and a card."""
    rows = [{"id": f"{i}", "noisy": png(24, 30, i), "clean": png(size, 30, i)} for i in (1, 2)]
    lines = "".join(
        f"      - split: {split}\n        path: data/{split}-*.parquet\n" for split in splits
    )
    card = f"---\nconfigs:\n  - config_name: sigma50\n    data_files:\n{lines}---\n"
    files = {f"data/{split}-0.parquet": parqueted(rows) for split in splits}
    return files | {"README.md": card.encode()}


def test_the_fields_show_for_ones_own_data_only_and_start_waits_for_the_check(tab):
    form = tab.running.form
    assert (OWN in [value for _, value in form.benchmark.choices]) and not form.own.column.visible
    update = form.change_benchmark(OWN, ["identity"], "sr-x2")
    assert update[form.own.column]["visible"] and not update[form.start]["interactive"]
    assert update[form.own.size]["value"] == "2" and update[form.facts] == ""
    assert update[form.protocols]["value"] == ["y-sr"]
    update = form.change_benchmark("mini-denoise", ["identity"], "denoise")
    assert not update[form.own.column]["visible"] and update[form.start]["interactive"]
    changed = form.own.changed()
    assert not changed[form.start]["interactive"] and changed[form.own.found] == ""


def test_pairs_of_a_folder_are_counted_and_the_first_is_shown(tab, folder):
    update = tab.running.form.own.look(VISITOR, "denoise", *values(folder))
    html = str(update[tab.running.form.own.found])
    assert "3 pairs found in mine." in words(html)
    assert "noisy/1.png with clean/1.PNG (30 x 24 and 30 x 24)" in words(html)
    assert "2 files that are no pictures left out: clean/desktop.ini, noisy/Thumbs.db." in words(
        html
    )
    assert html.count("data:image/jpeg;base64,") == 2
    assert update[tab.running.form.n] == 3


def test_what_is_started_is_what_the_command_line_evaluates(tab, folder, monkeypatch):
    running, queue = tab.running, tab.queue
    given = values(folder, scenes=True)
    form = [OWN, 2, 0, ["identity"], ["rgb-8bit"], "", "Mine", "denoise", 1, *given]
    config = running.form.config(*form)
    typed = choose_benchmarks(
        str(folder), "denoise", "./noisy/*.png", "clean/*.png", None, scenes="numbered"
    )
    assert [config.benchmark] == typed
    *_, update = running.start(VISITOR, *form)
    run_id = update[running.followed]
    end = time.monotonic() + 60
    while queue.status(run_id).under_way and time.monotonic() < end:
        time.sleep(0.02)
    header = queue.store.run(run_id).header()
    assert (header.status, header.benchmark.id, header.benchmark.n) == ("done", "own-mine", 2)
    assert header.benchmark.source["scenes"] == "numbered" and header.summary[0].count == 2
    assert str(folder) in str(tab.api.result(run_id))  # who sits at the machine knows its folders
    monkeypatch.setattr(tab.api, "permissions", Permissions(queue.policy, Access("viewer")))
    told = str(tab.api.result(run_id))
    assert str(folder.parent) not in told and "own-mine" in told


def test_visitors_are_told_no_path_of_a_method(tmp_path):
    def paths(place):
        return (
            method("ours", settings={"weights_file": f"/home/{place}/w.safetensors"}),
            method("mine", kind="onnx", settings={"onnx": f"/home/{place}/n.onnx", "multiple": 8}),
            method("theirs", kind="imported", settings={"folder": f"C:\\home\\{place}\\out"}),
        )

    stored = write_run(tmp_path, methods=paths("anna"))
    other = write_run(tmp_path, methods=paths("bert"), id="20260102-120000-abcdef")
    with gr.Blocks() as page:
        tab = EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(tmp_path)))
    tab.api.permissions = Permissions(tab.queue.policy, Access("viewer"))
    told = (
        str(tab.api.result(stored.id)),
        str(methods_table(stored.header())),
        html_report(stored),
        comparison(compare_runs([stored, other]), "psnr_db"),
    )
    assert not [text for text in told if re.search(r"home\W+(anna|bert)", text)]
    for text in told[:3]:
        assert "w.safetensors" in text and "n.onnx" in text and "multiple" in text
    assert stored.header().methods[0].settings["weights_file"].startswith("/home/")


@pytest.mark.parametrize(
    ("change", "place", "sentence"),
    [
        ({"source": ""}, "source", "Name a data set of the Hub"),
        ({"source": "/no/such/folder"}, "source", "neither a folder that exists nor"),
        ({"degraded": ""}, "names", "Both are needed"),
        ({"degraded": "blurred/*.png"}, "names", "no file that fits 'blurred/*.png'"),
        ({"target": "*/?.png"}, "names", "do not say which pictures"),
        ({"degraded": "lq", "target": "gt"}, "names", "has no folders 'lq' and 'gt'"),
        ({"size": "2"}, "size", "the scale is another"),
        ({"size": "many"}, "source", "no scale 'many'"),
    ],
)
def test_each_failure_of_a_folder_is_a_sentence_beside_its_field(
    tab, folder, change, place, sentence
):
    shown = looked(tab, *values(**{"source": folder} | change))
    assert list(shown) == [place] and sentence in shown[place]


def test_a_table_without_the_column_is_said_beside_the_names(tab, folder):
    put(folder, {"metadata.csv": b"noisy_file_name,clean_file_name\nnoisy/1.png,clean/1.PNG\n"})
    assert "1 pair found" in looked(tab, *values(folder, "noisy", "clean"))["found"]
    assert "its columns are noisy_file_name" in looked(tab, *values(folder, "x", "clean"))["names"]


def test_a_first_pair_that_cannot_be_read_is_said_and_the_next_is_shown(tab, folder):
    put(folder, {"noisy/1.png": b"no picture"})
    found = looked(tab, *values(folder))["found"]
    assert "noisy/2.png with clean/2.PNG" in found and "Pair 1" in found and "marked" in found
    put(folder, {f"noisy/{i}.png": b"no picture" for i in (2, 3)})
    assert "Pair 1" in looked(tab, *values(folder))["source"]


def test_sizes_of_super_resolution_are_the_tasks_or_the_same(tab, tmp_path):
    put(tmp_path / "sr", {"low/1.png": png(12, 15), "high/1.png": png(24, 30)})
    names = ("low/*.png", "high/*.png")
    assert "found" in looked(tab, *values(tmp_path / "sr", *names, size="2"), task="sr-x2")
    assert "size" in looked(tab, *values(tmp_path / "sr", *names), task="sr-x2")
    put(tmp_path / "sr", {"low/1.png": png(24, 30)})
    assert "found" in looked(tab, *values(tmp_path / "sr", *names), task="sr-x2")
    own = tab.running.form.own.benchmark("sr-x2", *values(tmp_path / "sr", *names))
    assert own.same_size and own.scale == 2 and own.protocols == ("y-crop",)


def test_a_data_set_of_the_hub_by_configuration_and_split(tab, hub, weights_cache):
    hub.add_repo("org/mine", repository(*SPLITS), kind="dataset")
    given = {"source": "org/mine", "degraded": "noisy", "target": "clean"}
    assert "2 pairs found in org/mine." in looked(tab, *values(**given))["found"]
    assert "found" in looked(tab, *values(**given, config="sigma50", split="train"))
    for change, place, sentence in (
        ({"split": "dev"}, "split", "has the splits test, train"),
        ({"config": "sigma15"}, "split", "has the configurations sigma50"),
        ({"degraded": "blurred"}, "names", "its columns are id, noisy, clean"),
        ({"source": "org/absent"}, "source", "no data set 'org/absent'"),
        ({"size": "2"}, "size", "the scale is another"),
    ):
        shown = looked(tab, *values(**given | change))
        assert list(shown) == [place] and sentence in shown[place]


def test_visitors_name_public_data_sets_and_neither_folders_nor_private_ones(
    tmp_path, folder, hub, weights_cache, monkeypatch
):
    tab = tab_of(tmp_path, local=False)
    assert tab.running.form.own.source.label == "Data set of the Hub"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org/there").mkdir(parents=True)
    (tmp_path / "zip.zip").write_bytes(b"")
    paths = (folder, "/no/such", tmp_path / "zip.zip", tmp_path / "none.zip", "~nobody/x", "~/x")
    told = {looked(tab, *values(path))["source"] for path in paths}
    assert len(told) == 1 and "Folders of this machine" in told.pop()
    for path in ("org/there", "org/absent"):  # the first is a folder, too
        assert f"no data set '{path}'" in looked(tab, *values(path))["source"]
    names = ("noisy", "clean")
    hub.add_repo("org/open", repository("test"), kind="dataset")
    hub.add_repo("org/secret", repository("test"), kind="dataset", private=True)
    hub.add_repo("org/gated", repository("test"), kind="dataset", gated=True)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_operator")
    assert "found" in looked(tab, *values("org/open", *names))
    assert "no data set 'org/secret'" in looked(tab, *values("org/secret", *names))["source"]
    assert "gated" in looked(tab, *values("org/gated", *names))["source"]
    form = [OWN, 1, 0, ["identity"], ["rgb-8bit"], "", "", "denoise", 1]
    for source in (folder, "org/secret"):  # whatever the page sends
        *_, update = tab.running.start(VISITOR, *form, *values(source, *names))
        assert update[tab.running.followed] is None
    monkeypatch.setattr(own_data, "VISITOR_BYTES", 10)
    assert "on your own machine" in looked(tab, *values("org/open", *names))["source"]
    hub.add_repo("org/tar", {"a.tar": b"0" * 1000}, kind="dataset")
    monkeypatch.setattr(run_limits, "VISITOR_BYTES", 999)
    assert "on your own machine" in looked(tab, *values("org/tar", "png", "jpg"))["source"]
