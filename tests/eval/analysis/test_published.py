"""Published numbers: whose they are, and beside which runs they may stand."""

import pytest

from eval.analysis.published import (
    DATASETS,
    SOURCE_KINDS,
    caveats,
    published_beside,
    published_for,
    read_published,
)
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import write_run


def test_the_published_table_reads_and_says_what_is_verified():
    table = read_published()
    assert len(table) == 193 and set(table.evidence) == set(SOURCE_KINDS.values())
    assert set(DATASETS.values()) < set(table.dataset)
    counts = table.source_kind.value_counts()
    assert (counts["primary"], counts["unverified"], (~table.verified).sum()) == (54, 35, 35)
    assert table.quote[table.verified].str.len().min() > 0  # the text that was read


def number(table, dataset: str, name: str) -> tuple[float, float]:
    """PSNR and SSIM of the only row of a method on a data set."""
    found = table[(table.dataset == dataset) & (table.method == name)]
    assert len(found) == 1
    return found.psnr_db.iloc[0], found.ssim.iloc[0]


def test_numbers_that_were_wrong_are_those_of_their_sources():
    table = read_published()
    assert number(table, "LoL-v2-real", "SNR-Aware") == (21.48, 0.849)
    assert number(table, "LoL-v1", "SNR-Aware") == (24.61, 0.842)
    assert number(table, "LoL-v1", "LLFormer") == (23.6491, 0.8163)


def test_numbers_of_different_pictures_and_conventions_have_different_settings():
    table = read_published()
    sidd = table[table.dataset == "SIDD"]
    assert set(sidd.setting) == {"server", "validation"}
    classical = sidd[sidd.method.isin(["DnCNN", "BM3D"])]
    assert set(classical.setting) == {"server"}
    lol = table[table.dataset == "LoL-v1"]
    assert lol[lol.setting == "no GT-mean"].protocol.str.contains("no GT-mean").all()
    assert len(lol[lol.setting == "GT-mean"]) == 5


def test_each_data_set_has_its_caveats():
    for dataset in read_published().dataset.unique():
        assert caveats(dataset) or dataset in ("LoL-v2-real",) or "RealSR-V2" in dataset
    assert "server" in caveats("SIDD")[0] and "GT-mean" in caveats("LoL-v1")[0]
    assert "csjcai/RealSR#24" in caveats("RealSR-V1 x2")[1]
    assert "one table only" in caveats("MIT-Adobe FiveK")[0]


def test_published_numbers_by_task_and_benchmark():
    assert set(published_for("denoise").dataset) == {"SIDD", "DND"}
    assert set(published_for("lol").dataset) == {"LoL-v1"}
    assert set(published_for("realsr-x3").dataset) == {"RealSR-V1 x3"}
    assert set(published_for("sr-x4").dataset) == {f"RealSR-V{n} x4" for n in (1, 2, 3)}
    assert published_for("kodak24").empty


def test_only_numbers_of_the_same_pictures_stand_beside_a_run(tmp_path):
    official = write_run(tmp_path / "a", benchmark__n=7, benchmark__of=15).header()
    beside = published_beside(official)
    assert set(beside.dataset) == {"LoL-v1"} and set(beside.measured_protocol) == {"rgb/1"}
    assert set(beside.measured_pictures) == {"7 of 15"} and beside.protocol.str.len().min() > 0
    own = write_run(tmp_path / "b", benchmark__source={"kind": "pictures"}).header()
    assert published_beside(own).empty
    other = write_run(tmp_path / "c", benchmark__id="mini-lowlight").header()
    assert published_beside(other).empty


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("t,d,m,2020,400,0.9,g,p,s,read-primary,primary,q", "psnr = '400'"),
        ("t,d,m,2020,nan,0.9,g,p,s,read-primary,primary,q", "psnr = 'nan'"),
        ("t,d,m,2020,30,0.9,g,p,s,sure,primary,q", "verified = 'sure'"),
        ("t,d,m,2020,30,0.9,g,p,s,read-primary,hearsay,q", "source_kind = 'hearsay'"),
        ("t,d,m,2020,30,0.9,g,p,s,memory-unverified,primary,q", "only a number that was read"),
        ("t,d,m,2020,30,0.9,g,p,s,read-primary,unverified,q", "only a number that was read"),
        ("t,d,m,2020,30,0.9,g,,s,read-primary,primary,q", "no protocol"),
        ("t,d,m,2020,30,0.9,,p,s,read-primary,primary,q", "no setting"),
        ("t,d,m,2020,30,0.9,g,p,s", "must have the columns"),
        ("t,d,m,soon,30,0.9,g,p,s,read-primary,primary,q", "no year in 'soon'"),
    ],
)
def test_a_wrong_line_of_the_table_is_named(tmp_path, line, message):
    path = tmp_path / "published.csv"
    heads = "task,dataset,method,year,psnr,ssim,setting,protocol,source,verified,source_kind,quote"
    path.write_text(f"{heads}\n{line}\n")
    with pytest.raises(InvalidRequest, match=f"Line 2 of published.csv.*{message}"):
        read_published(path)
