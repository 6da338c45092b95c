"""Numbers as people read them."""

import doctest

from mirnet import number_format


def test_examples_in_the_docstrings_hold():
    outcome = doctest.testmod(number_format)
    assert outcome.attempted >= 3 and not outcome.failed
