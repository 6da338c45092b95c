"""What whoever sends a request may do with runs; see `mirnet.app.auth` and `service.RunQueue`."""

from typing import Any

from mirnet.app.auth import Access, Role, allows

from .run_queue import RunQueue


class Permissions:
    """Asks both: who somebody is, and what may be done here at all.

    Args:
        service: What may be done.
        access: Who is who; by default everybody may do what the service allows.
    """

    def __init__(self, service: RunQueue, access: Access | None = None):
        self.service = service
        self.access = access or Access(service.capped())
        self.at_first = service.capped(self.access.everyone)

    def role(self, request: Any = None) -> Role:
        """What the sender of a request may do; nobody in particular without one."""
        return self.service.capped(self.access.role(request))

    def may(self, wanted: Role, request: Any = None) -> bool:
        """Whether that is enough."""
        return allows(self.role(request), wanted)


def owner(request: Any) -> str:
    """Who may stop what a request starts: the sender's window."""
    return str(getattr(request, "session_hash", "") or "")
