"""What About says: weights, licences, scores with where they are from."""

from markupsafe import escape

from mirnet.app.about import about as about_text
from mirnet.app.about import self_check
from mirnet.app.health import Finding
from mirnet.weights import catalogue


def test_about_tells_every_weight_and_licence():
    about = about_text(50_000_000, 2)
    for entry in catalogue.load_catalogue().values():
        assert entry.licence_url in about
    assert "50 megapixels" in " ".join(about.split())


def test_about_shows_no_number_without_where_it_is_from():
    about = about_text(50_000_000, 2)
    for entry in catalogue.load_catalogue().values():
        for score in entry.published:
            assert score.psnr_db is None or escape(score.source) in about
        card = catalogue.read_card(entry)
        for own in card.scores if card else ():
            row = next(row for row in about.split("<br>") if f"data {own.data_sha256[:8]}" in row)
            assert f"{own.psnr_db:.2f} dB" in row
            assert f"weights {card.sha256[:8]}" in row
            assert escape(own.protocol) in row


def test_a_failed_check_stands_out_and_is_escaped():
    found = self_check([Finding("disk", False, "Full."), Finding("hub", True, "<b>")])
    assert "disk</b> — wrong: Full." in found
    assert "hub</b>: &lt;b&gt;" in found
