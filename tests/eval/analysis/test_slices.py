"""Where one method loses to another: slices by facts of the pairs."""

import math

import pytest

from eval.analysis.score_tables import scores_frame
from eval.analysis.slices import (
    compare_in_slices,
    compared_slices,
    how_many,
    pairs_in,
    slices_of,
)
from eval.data.benchmarks import custom_benchmark
from eval.runs.annotations import store_note, store_selection
from eval.runs.document import SampleResult
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, sha, write_run

IDS = [f"p{number:04d}" for number in range(20)]


def row(pair: str, name: str, psnr: float) -> SampleResult:
    return SampleResult(
        pair=pair,
        method=name,
        scores={"rgb/1": {"psnr_db": psnr, "ssim": psnr / 50}},
        degraded_sha256=sha(pair),
    )


@pytest.fixture
def stored(tmp_path):
    """Our method gains 2 dB with the first camera, and loses 1 dB with the second."""
    rows = []
    for number, pair in enumerate(IDS):
        change = 2 + number / 100 if number < 12 else -1 - number / 100
        rows += [row(pair, "clahe", 20.0 + number), row(pair, "ours", 20.0 + number + change)]
    methods = (method("clahe"), method("ours"))
    made = write_run(tmp_path, pairs=20, methods=methods, rows=rows, protocols=["rgb/1"])
    for number, pair in enumerate(IDS):
        camera = "first" if number < 12 else "second"
        facts = {"camera": camera, "brightness": float(number), "licence": camera}
        made.append_facts(pair, facts | {"degradation": f"of its own {pair}"})
    return made


def test_texts_and_ranges_of_numbers_are_slices_and_credits_are_not(stored):
    found = {one.name: one.pairs for one in slices_of(stored, scores_frame(stored))}
    assert list(found) == [
        "camera=first", "camera=second",
        "brightness=low, 0 to 6", "brightness=middle, 7 to 12", "brightness=high, 13 to 19",
    ]  # fmt: skip
    assert found["camera=second"] == tuple(IDS[12:])
    assert found["brightness=middle, 7 to 12"] == tuple(IDS[7:13])


def test_values_that_look_alike_are_slices_of_their_own(stored):
    for number, pair in enumerate(IDS):
        stored.append_facts(pair, {"serial": 1234567.0 + number % 2})
    found = {one.name: len(one.pairs) for one in slices_of(stored, scores_frame(stored))}
    assert [found[f"serial={value}"] for value in ("1234567", "1234568")] == [10, 10]


def test_columns_called_tag_or_selection_are_no_tags_and_selections(stored):
    for number, pair in enumerate(IDS):
        value = "blur" if number < 12 else "none"
        facts = {"tag": value, "Selection": value, "source tag": value[::-1]}
        stored.append_facts(pair, facts)
    store_note(stored, "p0019", ["blur"], "")
    store_selection(stored, "blur", ["p0018"])
    slices = slices_of(stored, scores_frame(stored))
    assert len({one.title.casefold() for one in slices}) == len(slices) == 8
    assert pairs_in(slices, ["tag=blur"]) == {"p0019"}
    assert pairs_in(slices, ["selection=blur"]) == {"p0018"}
    assert pairs_in(slices, ["source tag=blur"]) == {*IDS[:12]}
    assert pairs_in(slices, ["source Selection=blur"]) == {*IDS[:12]}
    assert pairs_in(slices, ["source source tag=rulb"]) == {*IDS[:12]}
    found = compare_in_slices(stored, "ours", "clahe", facts=["tag"])
    assert list(found.pairs) == [1]


def test_slices_of_one_fact_add_up_and_those_of_two_narrow_down(stored):
    slices = slices_of(stored, scores_frame(stored))
    assert pairs_in(slices, ["camera=first", "brightness=middle, 7 to 12"]) == {*IDS[7:12]}
    assert pairs_in(slices, ["camera=first", "camera=second"]) == {*IDS}
    assert pairs_in(slices, ["camera=third"]) is None


def test_a_slice_where_it_loses_comes_first_with_its_interval(stored):
    found = compare_in_slices(stored, "ours", "clahe")
    first = found.iloc[0]
    assert (first.slice, first.pairs, first.verdict) == ("brightness=high, 13 to 19", 7, "worse")
    second = found[found.slice == "camera=second"].iloc[0]
    assert second.difference == pytest.approx(-1 - sum(range(12, 20)) / 800)
    assert second.low < second.difference < second.high < 0
    # five slices are tested: the smallest p of eight pairs, 2 / 2^8, counts up to five times
    assert second.p_value == pytest.approx(2 / 2**8)
    assert second.p_holm == pytest.approx(4 * second.p_value)
    assert found.iloc[-1].slice == "camera=first"
    assert how_many(found, "ours", "clahe").startswith(
        "ours loses to clahe in 2 of 5 slices. 5 slices were looked at, 5 of them with 5 scenes"
    )
    fewer = compare_in_slices(stored, "ours", "clahe", facts=["camera"])
    assert len(fewer) == 2 and fewer.iloc[0].p_holm == pytest.approx(2 / 2**8)


def test_a_small_slice_decides_nothing_and_costs_the_others_nothing(stored):
    for pair in IDS[:3]:
        stored.append_facts(pair, {"camera": "third"})
    found = compare_in_slices(stored, "ours", "clahe", facts=["camera"])
    third = found[found.slice == "camera=third"].iloc[0]
    assert third.verdict == "too few" and math.isnan(third.p_holm)
    assert found[found.slice == "camera=second"].iloc[0].p_holm == pytest.approx(2 / 2**8)
    assert "3 slices were looked at, 2 of them" in how_many(found, "ours", "clahe")


def test_scenes_are_the_unit_of_a_slice(tmp_path):
    pairs = [f"000{scene}-{block}" for scene in range(2) for block in range(6)]
    rows = [
        row(pair, name, 20.0 + place + (name == "ours"))
        for place, pair in enumerate(pairs)
        for name in ("clahe", "ours")
    ]
    made = write_run(
        tmp_path, methods=(method("clahe"), method("ours")), rows=rows, protocols=["rgb/1"],
        task="denoise", benchmark__id="sidd",
    )  # fmt: skip
    made.write_pairs(pairs)
    for place, pair in enumerate(pairs):
        made.append_facts(pair, {"camera": "ab"[place % 2]})
    found = compare_in_slices(made, "ours", "clahe")
    assert [*found.scenes] == [2, 2] and {*found.verdict} == {"too few"}
    assert how_many(found, "ours", "clahe") == (
        "2 slices were looked at, and none has 5 scenes: that is too few for a verdict."
    )


def test_ids_tell_the_camera_of_an_older_run(tmp_path):
    pairs = [f"{camera}_iso{iso}_{n}" for camera in ("d600", "d800") for iso in (1600, 3200)
             for n in (1, 2)]  # fmt: skip
    rows = [row(pair, name, 30.0) for pair in pairs for name in ("identity", "ours")]
    made = write_run(
        tmp_path, rows=rows, methods=(method("identity"), method("ours")), protocols=["rgb/1"],
        task="denoise", benchmark__id="cc15",
    )  # fmt: skip
    made.write_pairs(pairs)
    names = [one.name for one in slices_of(made, scores_frame(made))]
    assert names == ["camera=d600", "camera=d800", "iso=1600", "iso=3200"]


def test_an_expression_that_a_run_brings_along_is_never_matched(tmp_path):
    photos = custom_benchmark(str(tmp_path), "denoise", degraded="in/*.png", target="out/*.png")
    source = photos.model_dump(mode="json") | {"facts": "(?P<camera>.).*"}
    pairs = ["a1", "a2", "b1", "b2"]
    rows = [row(pair, name, 30.0) for pair in pairs for name in ("clahe", "ours")]
    made = write_run(
        tmp_path, rows=rows, methods=(method("clahe"), method("ours")), protocols=["rgb/1"],
        task="denoise", benchmark__id=photos.id, benchmark__source=source,
    )  # fmt: skip
    made.write_pairs(pairs)
    assert slices_of(made, scores_frame(made)) == []


def test_one_slice_is_said_in_the_singular(stored):
    found = compare_in_slices(stored, "ours", "clahe", facts=["camera"]).iloc[:1]
    assert how_many(found, "ours", "clahe").startswith(
        "ours loses to clahe in 1 of 1 slice. 1 slice was looked at, 1 of them"
    )


@pytest.mark.parametrize(
    ("a", "b", "facts", "told"),
    [
        ("ours", "ours", (), "compared with itself"),
        ("nobody", "ours", (), "no method 'nobody'"),
        ("ours", "clahe", ("lens",), "No slices by 'lens': choose some of camera, brightness"),
    ],
)
def test_what_cannot_be_compared_is_told(a, b, facts, told, stored):
    with pytest.raises(InvalidRequest, match=told):
        compare_in_slices(stored, a, b, facts=facts)


def test_a_run_without_facts_says_how_to_get_them(tmp_path):
    rows = [row(pair, name, 30.0) for pair in IDS[:3] for name in ("clahe", "ours")]
    bare = write_run(tmp_path, pairs=3, rows=rows, methods=(method("clahe"), method("ours")))
    assert slices_of(bare, scores_frame(bare, "rgb/1")) == []
    with pytest.raises(InvalidRequest, match="eval describe RUN"):
        compare_in_slices(bare, "ours", "clahe")


def test_a_lower_score_is_a_gain_where_lower_is_better(stored):
    scores = scores_frame(stored).assign(flip=lambda table: table.psnr_db / 100)
    found = compared_slices(scores, slices_of(stored, scores), "ours", "clahe", "flip")
    assert found.iloc[0].difference > 0 and found.iloc[0].verdict == "worse"
