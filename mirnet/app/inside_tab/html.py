"""Pieces of HTML of the Look inside tab."""

from markupsafe import Markup

from mirnet.inside.plots import COLOURS, STREAMS, MapPicture, viridis
from mirnet.inside.trace import MAX_PX, Feature

from ..kit import html
from ..templates import render


def introduction() -> Markup:
    """Introduction for newcomers: a drawing of the three streams and a few sentences."""
    return render("inside_introduction", streams=list(zip(STREAMS, COLOURS, strict=True)))


def welcome() -> Markup:
    """Card shown while there is no photo."""
    return html.empty(
        "What the network sees appears here",
        Markup(
            "Add a photo or click an example, then press <b>Look inside</b>. One pass through the "
            "network, on a copy of at most {} pixels."
        ).format(MAX_PX),
    )


def map_title(feature: Feature) -> Markup:
    """Title of a map: its stream and number of values."""
    height, width = feature.on_picture.shape
    return render(
        "inside_map_title",
        stream=STREAMS[feature.stream],
        colour=COLOURS[feature.stream],
        width=width,
        height=height,
    )


def map_scale(drawn: MapPicture) -> Markup:
    """Colour scale of a map with the values at both ends."""
    stops = ["#{:02x}{:02x}{:02x}".format(*row) for row in viridis()[::51]]
    return render(
        "inside_map_scale",
        low=f"{drawn.low:.3g}",
        high=f"{drawn.high:.3g}",
        stops=", ".join(stops),
    )
