"""What the README and requirements.txt promise."""

import json
import re
from importlib.metadata import version

import pytest
import yaml

from eval.data.benchmarks import load_benchmarks
from mirnet.weights.catalogue import load_catalogue
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text()
CARDS = sorted((ROOT / "mirnet" / "weights" / "files").glob("*.json"))


def test_front_matter_fits_what_is_installed():
    front = yaml.safe_load(README.split("---")[1])
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == version("gradio")
    assert front["hf_oauth"] is True
    assert front["app_file"] == "app.py" and (ROOT / "app.py").exists()
    assert front["python_version"] in ("3.11", "3.12", "3.13")
    assert len(front["short_description"]) <= 60
    assert front["license"] == "apache-2.0" and "Apache License" in (ROOT / "LICENSE").read_text()
    assert (ROOT / front["thumbnail"]).exists()
    assert {"mirnet", "image-restoration"} <= set(front["tags"])


def test_front_matter_names_what_the_app_takes_from_the_hub():
    front = yaml.safe_load(README.split("---")[1])
    repos = [bench.source.repo for bench in load_benchmarks().values() if bench.source.repo]
    assert front["datasets"] == list(dict.fromkeys(repos))
    assert front["models"] == [e.repo for e in load_catalogue().values() if e.repo]


def test_every_local_link_and_picture_exists():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.stem)
def test_scores_in_the_readme_are_those_of_the_cards(card):
    content = json.loads(card.read_text())
    for score in content["scores"]:
        row = (
            f"| {content['id']} | {score['benchmark']} | {score['pairs']} "
            f"| {score['input_psnr_db']:.2f} / {score['input_ssim']:.4f} "
            f"| {score['psnr_db']:.2f} / {score['ssim']:.4f} |"
        )
        assert row in README


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_every_requirement_has_a_lower_bound_and_a_reason(name):
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith(("#", "-r")):
            assert re.fullmatch(r"[\w.-]+[>=]=[\d.]+(,<=?[\d.]+)?\s+# .+", line), line


def test_shipped_weights_are_small_and_have_their_card():
    files = sorted((ROOT / "mirnet" / "weights" / "files").glob("*.safetensors"))
    assert [f.stem for f in files] == [c.stem for c in CARDS]
    for file, card in zip(files, CARDS, strict=True):
        content = json.loads(card.read_text())
        assert file.stat().st_size < 6_000_000
        assert content["parameters"] < 1_500_000
        assert (file.with_suffix(".md")).read_text().count(content["sha256"]) == 1
