"""Makes untrusted file names safe for files, pages and messages."""

import os
import re
import unicodedata

MAX_NAME_CHARACTERS = 80
"""Longest clean name; at 3 bytes a character still within the 255 bytes of file systems."""


def clean_name(name: str) -> str:
    """Make a stem that is safe as a file name, in a page and on a command line.

    Letters, marks and digits of every script stay, as do space and ``-_.,+()@=~``; everything else
    (separators, control and direction characters, quotes, markup) becomes one underscore.

    >>> clean_name("<b>IMG_1234</b>")
    '_b_IMG_1234_b_'
    >>> clean_name("..")
    'image'
    """
    name = unicodedata.normalize("NFC", name)
    kept = "".join(
        character
        if character in " -_.,+()@=~" or unicodedata.category(character)[0] in "LMN"
        else "\x00"
        for character in name
    )
    kept = re.sub("\x00+", "_", re.sub(" +", " ", kept))
    return kept[:MAX_NAME_CHARACTERS].strip(" .-~") or "image"


def stem_and_label(path: str | os.PathLike | None) -> tuple[str, str]:
    """Split a path into the clean stem and the label for messages (stem and suffix).

    >>> stem_and_label("photos/<me>.jpg"), stem_and_label(None)
    (('_me_', '_me_.jpg'), ('image', 'The picture'))
    """
    last = re.split(r"[/\\]", os.fspath(path))[-1] if path else ""
    stem, suffix = os.path.splitext(last)
    if not stem.strip(". "):
        return "image", "The picture"
    suffix = re.sub(r"[^.\w]", "", suffix)[:10]
    return clean_name(stem), clean_name(stem) + suffix


def name_of(source: object) -> tuple[str, str]:
    """Clean stem and label (see `stem_and_label`) of a path, stream or Pillow image.

    Streams have a `name`, Pillow images a `filename`; others give "image" and "The picture".
    """
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "filename", None) or getattr(source, "name", None)
    return stem_and_label(source if isinstance(source, (str, os.PathLike)) else None)
