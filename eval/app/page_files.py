"""Scripts, style sheets and HTML templates of the tabs in `eval.app`."""

from pathlib import Path
from typing import Any

from mirnet.app.kit.assets import Templates, script

ASSETS = Path(__file__).parent / "assets"
"""Folder of the scripts and style sheets."""
TEMPLATES = Templates(Path(__file__).parent / "templates")
"""The jinja2 templates; every value is escaped unless it is `Markup`."""


def js(name: str, **values: Any) -> str:
    """A JavaScript function from assets/NAME.js, as the `js` of a Gradio event takes it.

    Args:
        name: Name of the file without its suffix.
        values: Constants for the script; see `mirnet.app.kit.assets.script`.
    """
    return script(ASSETS / f"{name}.js", **values)


def in_turn(first: str, *others: str) -> str:
    """A JavaScript function that gives the inputs of an event to functions one after another.

    Args:
        first: A function as `js` returns it, that takes the inputs and returns them as a list.
        others: Functions that take what the one before returned.
    """
    for other in others:
        first = f"(...given) => ({other}\n)(...({first}\n)(...given))"
    return first


def style_sheets() -> list[Path]:
    """Style sheets of the tabs, in the order in which they apply."""
    return [ASSETS / f"{name}.css" for name in ("evaluate", "review", "picture_zoom", "methods")]
