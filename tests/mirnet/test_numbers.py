"""Numbers as people read them."""

import doctest

from mirnet import numbers


def test_examples_in_the_docstrings_hold():
    outcome = doctest.testmod(numbers)
    assert outcome.attempted >= 3 and not outcome.failed
