"""HTML of the tabs in `mirnet.app`, as jinja2 templates."""

from pathlib import Path

from ..kit.assets import Templates

render = Templates(Path(__file__).parent).render
"""Fills one of the templates in this folder, see `Templates.render`."""
