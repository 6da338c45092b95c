"""The frame of the page: theme, style sheets, head and a row of tabs; each tab builds itself."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from . import health
from .about import about, self_check
from .hub_login import space_owner
from .kit.assets import ASSETS, page_head, script, style_sheets

SWEEP_SECONDS = 600
"""Seconds between two removals of expired uploads and results."""
MAX_EVENTS = 500
"""Most waiting events of Gradio's queue; photos wait in `mirnet.app.queue` instead."""


class Tab(NamedTuple):
    """One tab of the page."""

    id: str
    """Name in links (?tab=ID)."""
    title: str
    """Label of the tab."""
    build: Callable[[gr.Blocks, gr.Tabs, gr.Tab], Any]
    """Builds the tab's widgets; called inside the tab with the page, all tabs and the tab."""
    elem_id: str | None = None
    """HTML id of the tab for style sheets; None for no id."""


def build_page(tabs: Sequence[Tab], keep_hours: float) -> gr.Blocks:
    """Build the page.

    Args:
        tabs: Tabs in the order in which they are shown.
        keep_hours: Age in hours at which uploads and results are deleted.

    Returns:
        The page with its queue, ready for `launch`.
    """
    keep_seconds = max(round(keep_hours * 3600), 1)
    with gr.Blocks(
        title="MIRNet Studio",
        delete_cache=(min(SWEEP_SECONDS, keep_seconds), keep_seconds),
        analytics_enabled=False,
    ) as page:
        gr.HTML(
            '<header class="mir-header"><h1>MIRNet Studio</h1>'
            "<p>Fix noisy, dark, small or dull photos at full resolution.</p></header>"
        )
        with gr.Tabs(elem_id="page-tabs") as row:
            for tab in tabs:
                with gr.Tab(tab.title, id=tab.id, elem_id=tab.elem_id) as here:
                    tab.build(page, row, here)
    # Calls that bypass the queue would evade all limits.
    return page.queue(max_size=MAX_EVENTS, default_concurrency_limit=4, api_open=False)


def about_tab(max_pixels: int, keep_hours: float) -> Tab:
    """The tab with facts, sources and the self-check.

    Args:
        max_pixels: Most pixels accepted in a photo.
        keep_hours: Age in hours at which uploads and results are deleted.
    """

    def build(page: gr.Blocks, row: gr.Tabs, tab: gr.Tab) -> None:
        found = gr.HTML(elem_id="self-check")
        gr.HTML(about(max_pixels, keep_hours))
        if space_owner():  # adds Gradio's routes of the Hub's sign-in
            gr.LoginButton("Operators: sign in with Hugging Face", size="sm", elem_id="hub-login")
        # No visit contacts the Hub; `python -m mirnet check` and monitors ask for it.
        opened = tab.select(
            lambda: self_check(health.check(hub=False)),
            None,
            found,
            api_visibility="private",
            show_progress="hidden",
        )
        opened.then(None, js=script(ASSETS / "about_address.js"), api_visibility="private")

    return Tab("about", "About", build)


def appearance(more_sheets: Sequence[Path] = ()) -> dict[str, Any]:
    """Theme, style sheets and head of the page, as `launch` takes them.

    Args:
        more_sheets: Style sheets in addition to those of `mirnet.app`.
    """
    fonts = ["Inter", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.zinc,
        radius_size=gr.themes.sizes.radius_md,
        font=fonts,
        font_mono=["ui-monospace", "Liberation Mono", "monospace"],
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_text_color_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        color_accent="*primary_700",
        color_accent_soft="*primary_50",
        color_accent_soft_dark="#12302d",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        slider_color="*primary_700",
        slider_color_dark="*primary_400",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_500",
        checkbox_border_color_selected="*primary_700",
    )
    sheets = [*style_sheets(), *more_sheets]
    return {"theme": theme, "css_paths": sheets, "head": page_head()}
