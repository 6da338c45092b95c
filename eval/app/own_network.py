"""A network of the operator's own, as an ONNX file, for the Compare methods tab."""

from typing import Any

import gradio as gr

from eval.methods.onnx_method import new_settings
from mirnet.app.auth import Access, allows
from mirnet.app.kit.widgets import Update
from mirnet.errors import InvalidRequest

OPERATOR_ONLY = "Only the operator of this page adds networks."


class OwnNetwork:
    """Builds the place for the file inside the current layout.

    A foreign network may take any time and memory, so only the operator may add one: on one's own
    machine that is everybody.

    Args:
        access: Roles of visitors.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self.settings = gr.State(None)  # how the network is run; None without one
        self.file = gr.File(
            label="Or a network of your own, an ONNX file",
            file_types=[".onnx"],
            elem_id="methods-network",
            height=150,
            visible=allows(access.everyone, "admin"),
        )

    def offer(self, request: gr.Request) -> Update:
        """Show the place to who may add a network."""
        return {self.file: gr.update(visible=self._may(request))}

    def take(self, path: str | None, request: gr.Request) -> dict[str, Any] | None:
        """Find out how the network of a file is run; None after the file was removed.

        Raises:
            InvalidRequest: See `new_settings`; or the visitor is not the operator.
        """
        if path is None:
            return None
        self.require_operator(request)
        return new_settings(path, "The network")

    def require_operator(self, request: gr.Request) -> None:
        """Check that the visitor may use a network of their own, now and not at the upload alone.

        Raises:
            InvalidRequest: The visitor is not the operator, or has signed out.
        """
        if not self._may(request):
            raise InvalidRequest(OPERATOR_ONLY)

    def _may(self, request: gr.Request) -> bool:
        return allows(self.access.role(request), "admin")
