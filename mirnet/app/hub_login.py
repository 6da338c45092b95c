"""Sign-in with the Hugging Face Hub: the owner of a Space, or their organisation, operates it.

Gradio's login button leads to the Hub and keeps what the Hub says about the visitor in a signed
cookie. This module reads it; the Hub alone says who belongs to an organisation.
"""

import os
import time
from collections.abc import Mapping
from typing import Any

SESSION_KEY = "oauth_info"
"""Key under which Gradio keeps the Hub's answer in a session."""
MAX_ORGANISATIONS = 500
"""Most organisations of a visitor that are looked at."""


def space_owner() -> str | None:
    """User or organisation that owns this Space, where the Hub's sign-in is on; None elsewhere.

    The Hub sets these variables for a Space whose README has `hf_oauth: true`.
    """
    given = (
        os.environ.get("OAUTH_CLIENT_ID"),
        os.environ.get("OAUTH_CLIENT_SECRET"),
        os.environ.get("OAUTH_SCOPES"),
        os.environ.get("OPENID_PROVIDER_URL"),
    )
    if os.environ.get("SYSTEM") != "spaces" or not all(given):
        return None
    return os.environ.get("SPACE_ID", "").partition("/")[0] or None


def is_owner(request: Any, owner: str | None) -> bool:
    """Whether the sender of a request signed in as the owner, or as a member of that organisation.

    Args:
        request: Anything with a `session`, such as a `gradio.Request`.
        owner: Result of `space_owner`.
    """
    if not owner:
        return False
    try:
        session = request.session
    except (AttributeError, AssertionError, KeyError):  # of Starlette, without a session
        return False
    answer = session.get(SESSION_KEY) if isinstance(session, Mapping) else None
    if not isinstance(answer, Mapping) or not _is_valid(answer):
        return False
    info = answer.get("userinfo")
    if not isinstance(info, Mapping):
        return False
    organisations = info.get("orgs")
    listed = organisations[:MAX_ORGANISATIONS] if isinstance(organisations, list) else []
    names = [info.get("preferred_username")]
    names += [one.get("preferred_username") for one in listed if isinstance(one, Mapping)]
    return owner.casefold() in {name.casefold() for name in names if isinstance(name, str)}


def _is_valid(answer: Mapping[str, Any]) -> bool:
    """Whether the Hub's answer has an end that has not come."""
    expires = answer.get("expires_at")
    return isinstance(expires, int | float) and expires > time.time()
