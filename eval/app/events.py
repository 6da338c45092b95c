"""Events of the Evaluate tab: open a view by its link, fill it, and open what was clicked in it."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr

from mirnet.app.kit.widgets import PRIVATE, Update

from .newest_requests import NewestRequests
from .page_files import in_turn, js
from .permissions import Permissions
from .view import Part, View
from .view_router import ViewRouter
from .view_state import VIEWS, ViewState


class ViewEvents:
    """Connects the events of views with their router.

    Args:
        router: Opens and fills the views.
        permissions: Roles of visitors.
    """

    def __init__(self, router: ViewRouter, permissions: Permissions):
        self.router = router
        self.permissions = permissions
        self._newest = NewestRequests()

    # ------------------------------------------------------------ connecting

    def connect(self, view: View, tab: gr.Tab, opener: gr.Button) -> None:
        """Fill a view when its tab is chosen, its link is opened, or a choice in it changes.

        Args:
            opener: Hidden button that the browser clicks to open a link of the view.
        """
        opened = opener.click(
            self.opening(view),
            self.router.link,
            [*self.router.open_outputs, *view.inputs.values()],
            js=js("read_link"),
            trigger_mode="always_last",
            **PRIVATE,
        )  # fmt: skip
        self.fill(view, opened, only_if_open=True)
        self.fill(view, tab.select, of_tab=True)
        for part in view.parts:
            if part.triggers:
                self.fill_part(view, part, part.triggers)
        for table, pick in view.rows:
            self.leads_on(
                table.select(
                    self.picking(view, pick), self.router.inputs(view), self.router.link, **PRIVATE
                )
            )

    def fill(
        self, view: View, event: Any, only_if_open: bool = False, of_tab: bool = False
    ) -> None:
        """Fill all parts of a view after an event; see `fill_part`."""
        for part in view.parts:
            self.fill_part(view, part, event, only_if_open, of_tab)

    def fill_part(
        self,
        view: View,
        part: Part,
        event: Any,
        only_if_open: bool = False,
        of_tab: bool = False,
    ) -> None:
        """Fill a part of a view after an event, and show the new address.

        Args:
            event: Event of a widget, or what follows one.
            only_if_open: Whether nothing is filled while another view is open.
            of_tab: Whether the event is that of the view's tab. Gradio selects the first tab itself
                when the page is opened: only a tab that a visitor chose fills its view.
        """
        router = self.router
        shared = [*router.outputs, view.body] if part is view else [router.address]
        scripts = [js("read_place")] if "across" in view.inputs else []
        if of_tab:
            scripts.append(js("chosen_tab", title=VIEWS[view.name], view=view.name))
        arguments: dict[str, Any] = {
            "fn": self.filling(view, part, only_if_open or of_tab, of_tab),
            "inputs": self.router.inputs(view),
            "outputs": [*shared, *part.outputs],
            "js": in_turn(*scripts) if scripts else None,
            **PRIVATE,
        }
        if isinstance(event, list):
            # Not "always_last": other parts are filled by the same event, which Gradio would then
            # repeat for all of them whenever one ends, without end. `NewestRequests` cancels.
            filled = gr.on(event, trigger_mode="multiple", **arguments)
        elif isinstance(event, gr.events.Dependency):
            filled = event.then(**arguments)
        else:
            filled = event(**arguments)
        filled.then(
            None, self.router.address, None, js=js("show_address"), api_visibility="private"
        )

    def leads_on(self, event: Any) -> None:
        """Open the link written by an event, if there is one."""
        event.then(None, self.router.link, None, js=js("open_link"), api_visibility="private")

    # ------------------------------------------------------------ handlers

    def opening(self, view: View) -> Callable[..., Update]:
        """Make the handler that opens links of a view."""

        def open_link(link: str, request: gr.Request) -> Update:
            query = parse_qsl((link or "").lstrip("?"), keep_blank_values=True)
            return self.router.open(view, dict(query), self.permissions.role(request))

        return open_link

    def filling(
        self, view: View, part: Part, only_if_open: bool = False, of_tab: bool = False
    ) -> Callable[..., Iterator[Update]]:
        """Make the handler that fills a part of a view.

        Args:
            part: One of the view's parts.
            only_if_open: Whether nothing is filled while another view is open, because the link did
                not lead to this view.
            of_tab: Whether a visitor has chosen the tab of the view: the message of a link that was
                opened before goes.
        """
        without_message = {self.router.message: ""} if of_tab and part is view else {}

        def fill(request: gr.Request, *values: Any) -> Iterator[Update]:
            if only_if_open and values[0] != view.name:
                yield self.router.unchanged()
                return
            state = self.router.state(values, view)
            role = self.permissions.role(request)
            may_annotate = self.permissions.may_annotate(state.run, request)
            shown = self.router.shown(view, part, state, role, may_annotate)
            updates = (without_message | update for update in shown)
            # The head of the run belongs to all views, so their requests displace each other.
            key = (request.session_hash, "" if part is view else type(part))
            yield from self._newest.only_newest(key, updates, self.router.unchanged())

        return fill

    def picking(self, view: View, pick: Callable[..., ViewState]) -> Callable[..., str]:
        """Make the handler of a table with clickable rows; it returns the link to open."""

        def picked(event: gr.SelectData, *values: Any) -> str:
            return pick(self.router.state(values, view), event.row_value).query()

        return picked
