"""Roles of visitors, each of which includes the ones before."""

from typing import Literal, get_args

Role = Literal["viewer", "runner", "admin"]
"""Role of a visitor. "viewer": restore, see stored runs, vote. "runner": start, stop, resume and
verify evaluations within limits. "admin": also without these limits, delete runs, name folders of
this machine, download weights."""


def allows(role: Role, wanted: Role) -> bool:
    """Whether a role includes another.

    >>> allows("runner", "admin"), allows("admin", "runner")
    (False, True)
    """
    return get_args(Role).index(role) >= get_args(Role).index(wanted)
