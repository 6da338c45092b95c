"""Loads the page's scripts, style sheets and HTML templates, which are files beside the code."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mirnet.number_format import counted

ASSETS = Path(__file__).parents[1] / "assets"
"""Style sheets and scripts of the page as a whole and of the tabs in `mirnet.app`."""


class Templates:
    """The jinja2 templates of one folder; every value is escaped unless it is `Markup`.

    Args:
        folder: Folder of the files `NAME.html.j2`.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["counted"] = counted

    def render(self, name: str, **values: Any) -> Markup:
        """Fill one template.

        Args:
            name: Name of the file without `.html.j2`.
            values: The template's variables; a missing one raises `jinja2.UndefinedError`.

        Returns:
            HTML that other templates insert without escaping.
        """
        return Markup(self._environment.get_template(f"{name}.html.j2").render(values).strip())


@lru_cache
def script(path: Path, **values: Any) -> str:
    """A JavaScript function from a file, as the `js` of a Gradio event takes it.

    Args:
        path: The file: one function expression, after comments.
        values: Hashable constants that replace `__NAME__` in the script.

    Returns:
        The source, with each constant as JSON.

    Raises:
        KeyError: The script does not name one of the values.
    """
    source = path.read_text(encoding="utf-8").strip().removesuffix(";")
    for name, value in values.items():
        if (mark := f"__{name.upper()}__") not in source:
            raise KeyError(f"{path.name} does not use {mark}")
        source = source.replace(mark, json.dumps(value))
    return source


def page_head() -> str:
    """HTML for the page's `<head>`: scripts, and styles that must apply to the whole page."""
    styles = (ASSETS / "head.css").read_text(encoding="utf-8")
    names = ("single_tab", "paste", "radio_groups", "slider_keys", "batch_rows", "inside_marks")
    scripts = [(ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in names]
    return f"<style>\n{styles}</style>\n" + "".join(
        f"<script>\n{one}</script>\n" for one in scripts
    )


def style_sheets() -> list[Path]:
    """Style sheets of the kit and of the tabs in `mirnet.app`, in the order in which they apply."""
    return [ASSETS / f"{name}.css" for name in ("kit", "restore", "inside", "about")]
