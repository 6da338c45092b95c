"""The look that all figures share: transparent, on white and on black, legend below, grey grid."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

TEXT = "#767676"
"""Colour of axes and titles, which reads on white and on black."""
GRID = "rgba(128, 128, 128, 0.25)"
"""Colour of grid lines and axes."""


def blank_figure(title: str) -> "go.Figure":
    """A figure without traces in the common look; rooms change what they need differently."""
    import plotly.graph_objects as go

    axis = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8},
    }
    return go.Figure(
        layout={
            "template": "none",
            "title": {"text": title, "x": 0.02, "xref": "container", "font": {"size": 15}},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": TEXT, "size": 13},
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 0,
                "yref": "container",
                "xanchor": "left",
                "yanchor": "bottom",
            },
            "xaxis": axis,
            "yaxis": axis,
        }
    )
