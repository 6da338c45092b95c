"""Rights of the sender of a request on runs."""

from typing import Any

from mirnet.app.auth import Access, Role, allows, visitor_of
from mirnet.errors import InvalidRequest

from .run_limits import RunPolicy


class Permissions:
    """Combines the roles of visitors (`mirnet.app.auth`) with the rights of roles (`RunPolicy`).

    Args:
        policy: Rights of each role on this machine.
        access: Roles of visitors; by default everybody has the policy's default role.
    """

    def __init__(self, policy: RunPolicy, access: Access | None = None):
        self.policy = policy
        self.access = access or Access(policy.capped())
        self.at_first = policy.capped(self.access.everyone)
        """Role of visitors who have not signed in."""
        self._owners: dict[str, str] = {}

    def role(self, request: Any = None) -> Role:
        """Role of the sender of a request; None means a visitor who has not signed in."""
        return self.policy.capped(self.access.role(request))

    def may(self, wanted: Role, request: Any = None) -> bool:
        """Whether the sender of a request has at least a role."""
        return allows(self.role(request), wanted)

    def note_owner(self, run_id: str, request: Any) -> None:
        """Remember until the program ends who started a run."""
        self._owners[run_id] = owner(request)

    def may_annotate(self, run_id: str | None, request: Any = None) -> bool:
        """Whether the sender may write tags, notes and selections: an admin, or who started it."""
        if self.may("admin", request):
            return True
        known = self._owners.get(run_id or "")
        return bool(known) and known == owner(request) and self.may("runner", request)

    def require_annotator(self, run_id: str | None, request: Any = None) -> None:
        """Check that the sender may write tags, notes and selections.

        Raises:
            InvalidRequest: Somebody else started the run, and the sender is no admin.
        """
        if not self.may_annotate(run_id, request):
            raise InvalidRequest(
                "Tags, notes and selections are written by the operator and by whoever started the "
                "run: everybody else reads them."
            )


def owner(request: Any) -> str:
    """Owner of a run: the browser or program that a request comes from."""
    return visitor_of(request)
