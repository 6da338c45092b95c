"""Paths of this machine in what strangers may read: only the last part of the name is left."""

import re
from pathlib import PureWindowsPath

_START = r"""(?:
    (?:file:)?(?<![\w/.~-])/(?!/)            # /home, folder:/home; neither a/b nor https://
  | (?:file:|(?<![\w:/.~-]))/{2,}            # //server, file:///home
  | (?<!\w)[A-Za-z]:[\\/](?!/)               # C:\Users
  | (?<![\w\\])\\{2,}(?=\w)                  # \\server\share
  | (?<![\w/])~[\w.-]*[\\/]                  # ~anna/pairs
)"""
_PATH = re.compile(
    rf"""
    (?P<quote>['"])(?P<quoted>{_START}.*?)(?P=quote)
  | (?P<plain>{_START}\S*(?:\ [^\s/\\:]+[/\\]\S*)*)  # a space ends it, unless a slash follows
    """,
    re.VERBOSE,
)


def last_part(path: str) -> str:
    r"""Last part of a path of any system; "" for a root.

    >>> last_part("/home/anna/LoL"), last_part("C:\\Users\\anna\\net.onnx"), last_part("/")
    ('LoL', 'net.onnx', '')
    """
    return PureWindowsPath(path).name  # parts / and backslash


def without_paths(text: str) -> str:
    """Replace every absolute path in a text by its last part; addresses of the web stay.

    >>> without_paths("[Errno 2] No such file: '/home/anna/my pairs/a.png'")
    "[Errno 2] No such file: 'a.png'"
    >>> without_paths("There is no folder /home/anna/my pairs/LoL: see https://hf.co/docs/x.")
    'There is no folder LoL: see https://hf.co/docs/x.'
    """
    return _PATH.sub(_shortened, text)


def _shortened(found: re.Match[str]) -> str:
    if quoted := found["quoted"]:
        return f"{found['quote']}{last_part(quoted) or quoted}{found['quote']}"
    path = found["plain"].rstrip(".,:;!?)]}'\"…")
    return (last_part(path) or path) + found["plain"][len(path) :]
