"""What About says: weights, licences, scores with where they are from."""

import re

from markupsafe import escape

from mirnet.app.about import about as about_text
from mirnet.app.about import measured, self_check
from mirnet.app.health import Finding
from mirnet.weights import catalogue


def test_about_tells_every_weight_and_licence():
    about = about_text(50_000_000, 2)
    for entry in catalogue.load_catalogue().values():
        assert entry.licence_url in about
    assert "50 megapixels" in " ".join(about.split())


def test_about_shows_no_number_without_where_it_is_from():
    about = about_text(50_000_000, 2)
    assert "SIDD 39.84 dB, 0.959 SSIM" in about
    for entry in catalogue.load_catalogue().values():
        for score in entry.published:
            assert escape(score.source) in about
        card = catalogue.read_card(entry)
        for own in card.scores if card else ():
            row = next(row for row in re.split("<br>|<tr>", about) if own.benchmark in row)
            assert f"<b>{own.psnr_db:.2f} dB</b>" in row
            assert f"data {own.data_sha256[:8]}" in row
            mark = re.search(r'aria-label="protocol (\w)"', row).group(1)
            assert f"<sup>{mark}</sup> {escape(own.protocol.rstrip('.'))}. " in about
            assert f"sha256 {card.sha256[:8]}" in about


def test_about_has_one_row_for_each_network_of_ours():
    files = {catalogue.read_card(e).sha256 for e in catalogue.load_catalogue().values()
             if e.kind == "embedded"}  # fmt: skip
    rows = measured()
    assert {row.card.sha256 for row in rows} == files and len(rows) == len(files)
    assert "Enlarge x2, Enlarge x3, Enlarge x4" in about_text(10**8, 2)


def test_a_failed_check_stands_out_and_is_escaped():
    found = self_check([Finding("disk", False, "Full."), Finding("hub", True, "<b>")])
    assert "disk</b> — wrong: Full." in found
    assert "hub</b>: &lt;b&gt;" in found
    assert "Self-check: disk wrong" in found
    assert "all is well" in self_check([Finding("disk", True, "Fine.")])
