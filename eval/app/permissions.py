"""Rights of the sender of a request on runs."""

from typing import Any

from mirnet.app.auth import Access, Role, allows, visitor_of

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

    def role(self, request: Any = None) -> Role:
        """Role of the sender of a request; None means a visitor who has not signed in."""
        return self.policy.capped(self.access.role(request))

    def may(self, wanted: Role, request: Any = None) -> bool:
        """Whether the sender of a request has at least a role."""
        return allows(self.role(request), wanted)


def owner(request: Any) -> str:
    """Whose run it is: the browser's or program's that a request comes from."""
    return visitor_of(request)
