"""The pieces of HTML that all tabs share: escaped, and readable without sight."""

import doctest

import pytest
from markupsafe import Markup

from mirnet.app.kit import html

EVIL = '<img src=x onerror=alert(1)>"'
PIECES = {
    "facts": html.facts,
    "small": html.small,
    "heading": html.heading,
    "note": html.note,
    "warning": lambda words: html.note(words, warn=True),
    "link": lambda words: html.link(words, words),
    "words without a link": lambda words: html.link(words, None),
    "empty": lambda words: html.empty(words, words),
    "state": lambda words: html.state(words, "failed"),
    "progress": lambda words: html.progress(words, 0.5),
    "table": lambda words: html.table([words, words], [[words, words]], words),
}


@pytest.mark.parametrize("piece", PIECES)
def test_what_comes_from_outside_is_escaped(piece):
    made = PIECES[piece](EVIL)
    assert isinstance(made, Markup)
    assert "<img" not in made and 'alert(1)>"' not in made
    assert "&lt;img" in made


@pytest.mark.parametrize("piece", PIECES)
def test_pieces_of_html_can_be_put_into_each_other(piece):
    assert "<b>bold</b>" in PIECES[piece](Markup("<b>bold</b>"))


def test_progress_tells_screen_readers_how_far_it_is():
    assert 'aria-valuenow="37"' in html.progress("Tile 3 of 8", 0.371)
    assert 'aria-valuenow="100"' in html.progress("Tile 9 of 8", 1.2)
    assert "aria-valuenow" not in html.progress("Waiting")
    assert 'role="status"' in html.state("Done.", "done")


def test_columns_of_numbers_are_marked():
    made = html.table(["Method", "Why", "PSNR"], [["a", "b", "31.42"]], text_columns=2)
    assert '<th scope="col" class="mir-number">PSNR</th>' in made
    assert '<td class="mir-number">31.42</td>' in made
    assert "<td>b</td>" in made and '<th scope="row">a</th>' in made
    assert "<caption>" not in made


def test_examples_of_the_pieces_hold():
    assert doctest.testmod(html).failed == 0
