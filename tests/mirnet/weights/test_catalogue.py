"""The catalogue: what it offers, the numbers it repeats, and how it answers a wrong file."""

import json
import subprocess
import sys

import pytest

from eval.analysis.published import read_published
from mirnet.errors import WeightsUnavailable
from mirnet.tasks import TASKS
from mirnet.weights import catalogue
from mirnet.weights.catalogue import CATALOGUE_FILE, read_catalogue
from tests.support.paths import ROOT

ENTRIES = read_catalogue(CATALOGUE_FILE)


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """An empty folder in the place of our own weights."""
    monkeypatch.setattr(catalogue, "EMBEDDED_FOLDER", tmp_path)
    return tmp_path


def test_every_task_has_its_default_and_the_authors_weights():
    for task in TASKS.values():
        default = ENTRIES[task.default_weights]
        assert (default.kind, default.task, default.licence) == ("embedded", task.id, "Apache-2.0")
        assert ENTRIES[f"{task.id}-v2"].task == task.id
    assert "sr-x2-v1" not in ENTRIES
    assert len(ENTRIES) == 9 + 6 + 5


def test_official_weights_name_licence_and_origin():
    for entry in ENTRIES.values():
        if entry.kind == "official":
            assert "non-commercial" in entry.licence
            assert entry.licence_url.startswith("https://github.com/swz30/")
            assert entry.page_url
            assert entry.trained_on != "unknown"
    assert not ENTRIES["sr-x3-v1"].downloadable
    assert ENTRIES["denoise-v1"].drive_id
    assert ENTRIES["denoise-v2"].size_bytes == 5_858_560 * 4
    assert ENTRIES["denoise-v2"].size_is_expected


def test_published_scores_are_those_of_the_checked_table():
    """The evaluation's table of published numbers, which was checked row by row."""
    table = read_published()
    repeated = [score for entry in ENTRIES.values() for score in entry.published]
    assert len(repeated) == 12
    for score in repeated:
        same = table[(table.dataset == score.benchmark) & table.method.str.startswith(score.method)]
        for key, value in score.scores.items():
            rows = same[same[key] == value]
            assert set(rows.verified) == {score.verified}, (score.method, key)


def test_the_low_light_checkpoint_says_that_it_does_not_reproduce_the_paper():
    limits = ENTRIES["lowlight-v1"].limits
    assert "does not reproduce" in limits
    assert "issue 15" in limits


def test_embedded_weights_are_offered_once_their_file_is_there(embedded, weights_cache):
    assert "denoise-compact" not in catalogue.load_catalogue()
    with pytest.raises(WeightsUnavailable, match="not part of this copy"):
        catalogue.get_entry("denoise-compact")
    (embedded / "denoise-compact.safetensors").write_bytes(b"")
    assert catalogue.get_entry("denoise-compact").title == "Ours, compact"
    ids = [entry.id for entry in catalogue.entries_for("denoise")]
    assert ids == ["denoise-compact", "denoise-v2", "denoise-v1"]


def test_an_unknown_id_is_answered_in_a_sentence(weights_cache):
    with pytest.raises(WeightsUnavailable, match="no weights 'nonsense'.*weights list"):
        catalogue.get_entry("nonsense")


def test_ids_of_the_hub():
    entry = catalogue.hub_entry("hub:org/name@v1.0", task="denoise")
    assert (entry.repo, entry.revision, entry.task) == ("org/name", "v1.0", "denoise")
    assert catalogue.hub_entry("hub:org/name").revision == "main"
    for wrong in ("hub:name", "org/name", "hub:org/../name", "hub:a/b/c", "hub:org/name@"):
        assert catalogue.hub_entry(wrong) is None


CARD = {
    "id": "denoise-compact",
    "task": "denoise",
    "architecture": "MIRNetV2",
    "config": {"features": 24},
    "trained_on": "35 photographs",
    "steps": 1000,
    "hours": 1.5,
    "licence": "Apache-2.0",
    "sha256": "0" * 64,
    "scores": [
        {
            "benchmark": "CC15 dev",
            "protocol": "RGB",
            "pairs": 8,
            "psnr_db": 37.0,
            "ssim": 0.95,
            "input_psnr_db": 35.0,
            "input_ssim": 0.9,
            "data_sha256": "1" * 64,
        }
    ],
    "notes": "",
}


def test_own_scores_come_from_the_card(embedded):
    entry = ENTRIES["denoise-compact"]
    assert catalogue.scores(entry) == []
    path = embedded / "denoise-compact.json"
    path.write_text(json.dumps(CARD | {"field of a later version": 1}))
    (score,) = catalogue.scores(entry)
    assert (score.psnr_db, score.input_psnr_db, score.pairs) == (37.0, 35.0, 8)
    assert catalogue.scores(ENTRIES["denoise-v2"]) == []
    for wrong in ("{", json.dumps(CARD | {"id": "other"}), json.dumps({**CARD, "scores": 3})):
        path.write_text(wrong)
        with pytest.raises(ValueError, match="denoise-compact.json"):
            catalogue.scores(entry)


GOOD = """
[families.f]
kind = "official"
architecture = "MIRNet"
licence = "MIT"
source = "s"
[[weights]]
id = "a"
family = "f"
title = "A"
task = "denoise"
trained_on = "t"
url = "https://example.org/a.pth"
sha256 = "{sha}"
[[weights.published]]
method = "m"
benchmark = "b"
scores = { psnr_db = 30.0, gmsd = 0.1 }
source = "s"
evidence = "read-primary"
""".replace("{sha}", "a" * 64)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "A"', 'title = "A"\ncolour = "red"', "colour: Extra inputs"),
        ('title = "A"', "", "title: Field required"),
        ('title = "A"', "title = 3", "title: Input should be a valid string"),
        ('task = "denoise"', 'task = "fly"', "task must be one of denoise"),
        ('"MIRNet"', '"UNet"', "architecture"),
        ('kind = "official"', 'kind = "stolen"', "kind: Input should be 'embedded'"),
        ('kind = "official"', 'kind = "embedded"', "need a file"),
        ('id = "a"', 'id = "A b"', "an id is"),
        ('family = "f"', 'family = "g"', "no family 'g'"),
        ("aaaa", "AAAA", "sha256: String should match"),
        ("https://", "http://", "url: .*must be an https address"),
        ('url = "https://example.org/a.pth"', "", "need a url"),
        ("url =", 'drive_id = "x"\nurl =', "only one of"),
        (
            'title = "A"',
            'title = "A"\nsize_bytes = -1',
            "size_bytes: Input should be greater than 0",
        ),
        ('title = "A"', 'title = "A"\nfilename = "../a"', "filename: .*plain file name"),
        ('"read-primary"', '"rumour"', "evidence: Input should be 'read-primary'"),
        ("psnr_db = 30.0", "psnr_db = 300.0", "psnr_db = 300.0 must lie between 0 and 100"),
        ("psnr_db = 30.0", "psnr = 30.0", "unknown metric psnr: choose one of psnr_db, ssim,"),
        ("{ psnr_db = 30.0, gmsd = 0.1 }", "{}", "at least 1 item"),
        ('benchmark = "b"', "", "published.0.benchmark: Field required"),
        ("[[weights]]", "[[weights", "Expected"),
        ("[[weights]]", "[[weight]]\n[[other]]\n[[weights]]", "weight: Extra inputs"),
        (GOOD, "weights = 3", "weights: Input should be a valid list"),
        (GOOD, "weights = [3]", "weights.0: Input should be a valid dict"),
        (
            GOOD[GOOD.index("[[weights.p") :],
            "published = [3]",
            "published.0: Input should be a valid dict",
        ),
    ],
)
def test_a_wrong_catalogue_is_a_loud_bug(tmp_path, old, new, message):
    path = tmp_path / "catalogue.toml"
    path.write_text(GOOD)
    (score,) = read_catalogue(path)["a"].published
    assert score.verified and score.scores == {"psnr_db": 30.0, "gmsd": 0.1}
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_catalogue(wrong)


def test_ids_are_used_once(tmp_path):
    path = tmp_path / "catalogue.toml"
    path.write_text(GOOD + GOOD[GOOD.index("[[weights]]") :])
    with pytest.raises(ValueError, match="used twice"):
        read_catalogue(path)


def test_listing_imports_neither_torch_nor_network_libraries():
    code = (
        "import sys; from mirnet.weights import catalogue, load; catalogue.load_catalogue();"
        "heavy = {'torch', 'gdown', 'requests', 'huggingface_hub', 'gradio'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
