"""The three streams in one drawing: where they start, and when they tell each other what they saw.

It shows what MIRNet (section 3, figure 1) and MIRNet-v2 have in common, one block of two turns. The
drawing takes its greys from the text around it, so it reads in light and dark.
"""

from .plots import COLOURS, STREAMS

INTRODUCTION = (
    "Your photo runs through the network in three streams side by side. <b>Full</b> keeps the "
    "exact place of every edge, but sees little around it. <b>Half</b> and <b>Quarter</b> are "
    "smaller, so the same filters see two and four times as far: enough to tell noise from "
    "texture. In each block the streams take two turns: each <b>looks</b> and weighs what matters, "
    "then they <b>talk</b>. So the result has the exactness of Full and the overview of Quarter."
)
"""What a stranger should know after a minute; HTML."""
DESCRIPTION = (
    "One block of the network: the photo enters three streams, Full, Half and Quarter. In each of "
    "two turns every stream looks, then the streams talk. Full leads to the result."
)
"""The drawing in words, for those who cannot see it."""

_ROWS = (34, 92, 138)
_SIDES = (44, 30, 20)
_LOOKS, _TALKS = (196, 352), (274, 430)


def diagram() -> str:
    """The drawing as inline SVG, as wide as there is room."""
    parts = [_word(28, 34 + 42, "photo"), _photo(6, 12), _photo(498, 12)]
    parts.append(_word(520, 34 + 42, "result"))
    for row, side, colour, name in zip(_ROWS, _SIDES, COLOURS, STREAMS, strict=True):
        end = 494 if row == _ROWS[0] else _TALKS[1]
        parts.append(f'<path d="M54 34 L84 {row} H{end}" stroke="{colour}" stroke-width="3"/>')
        parts.append(_word(126, row - 6, name))
        parts += [
            f'<rect x="{x - side / 2:g}" y="{row - side / 2:g}" width="{side}" height="{side}" '
            f'rx="4" fill="{colour}" stroke="none"/>'
            for x in _LOOKS
        ]
    for x in _TALKS:
        parts.append(f'<path d="M{x} {_ROWS[0]} V{_ROWS[-1]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{row}" r="6" stroke-width="2" fill="none"/>'
                  for row in _ROWS]  # fmt: skip
    for turn, look, talk in zip(("first", "second"), _LOOKS, _TALKS, strict=True):
        parts += [_word(look, 172, "look"), _word(talk, 172, "talk")]
        parts.append(f'<path d="M{look - 22} 180 v6 H{talk + 22} v-6"/>')
        parts.append(_word((look + talk) / 2, 203, f"{turn} turn"))
    return (
        f'<svg class="mir-diagram" viewBox="0 0 548 208" role="img" aria-label="{DESCRIPTION}" '
        f'fill="none" stroke="currentColor">{"".join(parts)}</svg>'
    )


def introduction() -> str:
    """Drawing and words beside each other."""
    return f'<div class="mir-intro">{diagram()}<p class="mir-small">{INTRODUCTION}</p></div>'


def _word(x: float, y: float, word: str) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" fill="currentColor" stroke="none">'
        f"{word}</text>"
    )


def _photo(x: int, y: int) -> str:
    """A little landscape in a frame, 44 wide."""
    return (
        f'<g transform="translate({x} {y})" stroke-width="1.5">'
        '<rect width="44" height="44" rx="4"/><circle cx="32" cy="12" r="4"/>'
        '<path d="M2 36 L14 20 L23 30 L30 23 L42 36"/></g>'
    )
