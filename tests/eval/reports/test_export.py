"""Exports: every number with what it depends on, every format escaped."""

import csv
import io
import json
import math

import pandas as pd
import pytest
import yaml

from eval.analysis import leaderboards, score_tables
from eval.reports.export import SUFFIXES, export, picture_table
from eval.runs.document import SampleResult, SampleScore
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, sha, write_run

PROVENANCE = ("20260101-120000-abcdef", "rgb/1", sha("weights of ours"), sha("data"), "a" * 40)


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_export_says_what_its_numbers_depend_on(tmp_path, kind):
    content = export(write_run(tmp_path), kind)
    text = content.decode() if kind != "parquet" else str(to_frame(content).to_dict())
    for fact in PROVENANCE:
        assert fact in text, fact
    assert "2026-01-01" in text


@pytest.mark.parametrize("kind", SUFFIXES)
def test_without_a_fingerprint_or_hash_nothing_is_written(tmp_path, kind):
    unfinished = write_run(tmp_path / "a", data_sha256=None, status="running")
    with pytest.raises(InvalidRequest, match="no data fingerprint yet"):
        export(unfinished, kind)
    nameless = write_run(tmp_path / "b", methods=(method("ours", weights_sha256=None),))
    with pytest.raises(InvalidRequest, match="which weights 'ours' had"):
        export(nameless, kind)


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(InvalidRequest, match="no export as 'xlsx'.*csv, parquet"):
        export(write_run(tmp_path), "xlsx")


def to_frame(content: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content))


def test_tables_of_pictures_agree_with_the_run(tmp_path):
    stored = write_run(tmp_path, pairs=3)
    scores = score_tables.scores_frame(stored)
    from_csv = pd.read_csv(io.BytesIO(export(stored, "csv")))
    from_parquet = to_frame(export(stored, "parquet"))
    for frame in (from_csv, from_parquet):
        assert len(frame) == 3 * 4 * 2 and set(frame.protocol) == {"rgb/1", "gt-mean/1"}
        rgb = frame[frame.protocol == "rgb/1"]
        assert rgb.psnr_db.tolist() == pytest.approx(scores.psnr_db.tolist())
        assert rgb.pair.tolist() == scores.pair.tolist()
        assert frame.weights_sha256[frame.method == "clahe"].isna().all()


def test_a_fact_that_is_a_text_for_one_pair_and_a_number_for_another_is_a_text(tmp_path):
    stored = write_run(tmp_path, pairs=3)
    for pair, iso in zip(stored.pairs(), ("3200a", 3200.0), strict=False):
        stored.append_facts(pair, {"iso": iso, "noise": 2.5})
    table = to_frame(export(stored, "parquet")).drop_duplicates("pair")
    assert table["fact.iso"].tolist()[:2] == ["3200a", "3200"]
    assert pd.isna(table["fact.iso"].iloc[2])
    assert table["fact.noise"].tolist()[:2] == [2.5, 2.5]


def test_formulas_from_outside_are_only_text_in_csv(tmp_path):
    rows = [
        SampleResult(pair="p0000", method="ours", error="=HYPERLINK(1)"),
        SampleResult(
            pair="-2", method="@cmd", scores={"rgb/1": SampleScore(psnr_db=-3.5, ssim=0.1)}
        ),
    ]
    methods = (method("ours"), method("@cmd"))
    stored = write_run(tmp_path, pairs=1, methods=methods, rows=rows, protocols=["rgb/1"])
    lines = list(csv.DictReader(io.StringIO(export(stored, "csv").decode())))
    assert lines[0]["error"] == "'=HYPERLINK(1)"
    assert (lines[1]["pair"], lines[1]["method"]) == ("'-2", "'@cmd")
    assert lines[1]["psnr_db"] == "-3.5"


def test_failed_and_identical_pictures_stay_in_the_table(tmp_path):
    rows = [
        SampleResult(pair="p0000", method="ours", error="too dark"),
        SampleResult(
            pair="p0001",
            method="ours",
            scores={"rgb/1": SampleScore(psnr_db=math.inf, ssim=1)},
        ),
    ]
    stored = write_run(tmp_path, pairs=2, methods=(method("ours"),), rows=rows, protocols=["rgb/1"])
    table = picture_table(stored)
    assert table.error[0] == "too dark" and math.isnan(table.psnr_db[0])
    assert math.isinf(table.psnr_db[1])
    with pytest.raises(InvalidRequest, match="no data fingerprint"):
        export(write_run(tmp_path / "b", data_sha256=None), "csv")


def test_markdown_is_one_table_that_nobody_can_break(tmp_path):
    evil = "a|b\n<script>"
    stored = write_run(tmp_path, methods=(method(evil), method("identity")), title="*T*\n# no")
    lines = export(stored, "markdown").decode().splitlines()
    assert lines[0] == r"# \*T\* \# no"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert {line.replace(r"\|", "").count("|") for line in table} == {table[0].count("|")}
    assert "<script>" not in "\n".join(lines)


def test_latex_is_booktabs_with_special_characters_escaped(tmp_path):
    stored = write_run(
        tmp_path, methods=(method("a_b&c"), method("identity")), title="50% \\input{x}"
    )
    text = export(stored, "latex").decode()
    assert r"\toprule" in text and r"\bottomrule" in text
    assert r"a\_b\&c" in text
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert any("50% \\input{x}" in line for line in comments) and sha("data") in text
    assert all(
        line.startswith(("%", "\\", "Method", r"a\_b", "identity"))
        for line in text.split("\n")
        if line
    )
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    heads = text.split(r"\toprule")[1].split(r"\\")[0].count(" & ")
    assert [line.count(" & ") for line in body] == [heads, heads]


def test_the_leaderboard_in_words(tmp_path):
    stored = write_run(tmp_path, pairs=20)
    board = leaderboards.leaderboard(stored, "ours").set_index("method")
    text = export(stored, "markdown", baseline="ours").decode()
    assert f"{board.psnr_db['clahe']:.2f}" in text and f"{board.ssim['clahe']:.4f}" in text
    assert "against ours, paired" in text and "no weights" in text
    assert f"{board.difference_db['clahe']:+.2f}" in text
    few = "With only 3 pictures, these intervals"
    assert "With only" not in text
    assert few in export(write_run(tmp_path / "few", pairs=3), "markdown").decode()


def test_the_model_index_is_what_a_card_takes(tmp_path):
    from huggingface_hub.repocard_data import model_index_to_eval_results

    stored = write_run(tmp_path, pairs=5)
    found = yaml.safe_load(export(stored, "model-index"))
    assert [entry["name"] for entry in found["model-index"]] == sorted(
        ["ours", "official"],
        key=leaderboards.leaderboard(stored, None).method.tolist().index,
    )
    _, results = model_index_to_eval_results(found["model-index"])
    assert {result.dataset_revision for result in results} == {"a" * 40}
    psnr = next(result for result in results if result.metric_type == "psnr")
    assert psnr.metric_name == "PSNR in dB, protocol rgb/1"
    assert psnr.metric_args["data_sha256"] == sha("data")
    json.dumps(found)


def test_a_model_card_needs_weights(tmp_path):
    stored = write_run(tmp_path, methods=(method("identity"),))
    with pytest.raises(InvalidRequest, match="a model card is about weights"):
        export(stored, "model-index")


def test_other_protocols_can_be_exported(tmp_path):
    text = export(write_run(tmp_path), "markdown", protocol="gt-mean").decode()
    assert "gt-mean/1" in text and "rgb/1" not in text
