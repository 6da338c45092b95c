"""Reviewers of a blind review: their names, and the names of their files."""

import hashlib

from mirnet.errors import InvalidRequest
from mirnet.images.file_names import clean_name

MAX_NAME_READ = 1000
"""Number of characters read from a name in a link; the rest is ignored."""


def clean_reviewer(name: str) -> str:
    """Make a name or token from a link safe to store and show.

    Returns:
        The cleaned name, at most 80 characters.

    Raises:
        InvalidRequest: The name has no letter and no digit.
    """
    if not any(letter.isalnum() for letter in name[:MAX_NAME_READ]):
        raise InvalidRequest("A reviewer needs a name of letters or digits: enter one.")
    return clean_name(name[:MAX_NAME_READ])


def file_stem(reviewer: str) -> str:
    """Name, without suffix, of the file with a reviewer's votes: a hash, so no name is a path.

    Upper and lower case make no difference: "Anna" and "anna" are one reviewer.

    Raises:
        InvalidRequest: See `clean_reviewer`.
    """
    return sha256_text(clean_reviewer(reviewer).casefold())[:32]


def sha256_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
