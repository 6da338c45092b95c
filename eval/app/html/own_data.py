"""HTML of a data set of one's own: what was found of it, and errors beside their fields."""

import base64

from markupsafe import Markup

from eval.app.page_files import TEMPLATES
from eval.data.own_pairs import PairsFound
from eval.runs.worker import thumbnail
from mirnet.app.kit import html as kit
from mirnet.number_format import counted

NAMED_FILES = 3
"""Files that were left out and are named."""


def field_error(words: str) -> Markup:
    """An error beside the field it is about, which screen readers say at once."""
    return Markup('<p class="mir-note mir-warn" role="alert">{}</p>').format(words)


def pairs_found(found: PairsFound) -> Markup:
    """Number of pairs, the first of them with its pictures, and what was left out."""
    pair = found.first
    pictures = [("Input", pair.degraded)]
    if pair.target is not None:
        pictures.append(("Target", pair.target))
    sizes = " and ".join(f"{picture.width} x {picture.height}" for _, picture in pictures)
    names = " with ".join(found.files) if found.files else pair.id
    count = counted(found.count, "pair")
    parts = [
        kit.state(f"{count} found in {found.title}.", "done"),
        kit.note(f"The first that can be read: {names} ({sizes})."),
    ]
    if found.left_out:
        some = ", ".join(found.left_out[:NAMED_FILES])
        more = ", …" if len(found.left_out) > NAMED_FILES else ""
        noun = (
            "file that is no picture" if len(found.left_out) == 1 else "files that are no pictures"
        )
        parts.append(kit.note(f"{len(found.left_out)} {noun} left out: {some}{more}."))
    parts += [kit.note(f"{words} It will be marked.", warn=True) for words in found.unreadable]
    thumbs = [
        (title, base64.b64encode(thumbnail(picture.pixels)).decode()) for title, picture in pictures
    ]
    return Markup("").join(parts) + TEMPLATES.render("thumbs", thumbs=thumbs, pair=pair.id)
