"""Paths of this machine in what strangers may read: only the last part of the name is left."""

import os
import re
import tempfile
from pathlib import Path, PureWindowsPath

_VERBS = "".join(
    rf"(?<!\b{verb}\ )" for verb in ("GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
)
"""No method of HTTP stands before: `POST /call/restore` names an address."""
_START = rf"""(?:
    (?:file:)?(?<![\w/.~-]){_VERBS}/(?!/|\s|(?<=</)[\w:-]+>)  # folder:/home; not a/b, </b>
  | (?:(?<=^-[A-Za-z])|(?<=\s-[A-Za-z]))/(?![/\s])            # -I/home
  | (?:file:|(?<![\w:/.~-]))/{{2,}}                           # //server, file:///home
  | (?<!\w)[A-Za-z]:[\\/](?!/)                                # C:\Users
  | (?<![\w\\])\\{{2,}}(?=\w)                                 # \\server\share
  | (?<![\w/])~[\w.-]*[\\/]                                   # ~anna/pairs
)"""
_WITHIN = rf"""(?:(?!
    [:;]\s | \n | \w+:// | </[\w:-]+> | (?<=[\s(\[{{"'<]){_START}
).)"""
"""A character of a path that may hold spaces: a colon, another path or an address ends it."""
_PATH = re.compile(
    rf"""
    (?P<quote>['"])(?P<quoted>{_START}(?:\\.|[^\\\n]){{0,1000}}?)(?P=quote)(?!\w)
  | (?P<plain>{_START}(?:{_WITHIN}*(?<=[/\\]))?(?:(?!</)\S)*)  # to the last slash and one word more
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

    Folders may have spaces in their names, so a path without quotes reaches to the last slash
    before a colon or semicolon and a space, another path or an address: words between two slashes
    are lost rather than a folder shown. The home folder of this account becomes ``~``.

    >>> without_paths("[Errno 2] No such file: '/home/anna/my pairs/a.png'")
    "[Errno 2] No such file: 'a.png'"
    >>> without_paths("There is no folder /home/anna/my own pairs/LoL: see https://hf.co/docs/x.")
    'There is no folder LoL: see https://hf.co/docs/x.'
    """
    for root, alone in _roots():
        boundary = r"(?=[\\/]|$|['\":;,)\]]|\.(?:\s|$))" if alone else r"(?=[\\/])"
        for form in {root, root.replace("\\", "\\\\"), root.replace("\\", "/")}:
            pattern = rf"(?<![\w.~-]){_VERBS}{re.escape(form)}{boundary}"
            text = re.sub(pattern, "~", text, flags=re.MULTILINE)
    return _PATH.sub(_shortened, text)


def _roots() -> list[tuple[str, bool]]:
    """Folders of this process, longest first, and whether one is replaced without a slash too."""
    found: dict[str, bool] = {}
    for find, alone in ((tempfile.gettempdir, False), (os.getcwd, False), (Path.home, True)):
        try:
            root = str(find()).rstrip("/\\")
        except (OSError, RuntimeError):  # a folder that was deleted, an account without a home
            continue
        if len(PureWindowsPath(root).parts) > 1:
            found[root] = alone
    return sorted(found.items(), key=lambda item: -len(item[0]))


def _shortened(found: re.Match[str]) -> str:
    if quoted := found["quoted"]:
        return f"{found['quote']}{last_part(quoted) or quoted}{found['quote']}"
    path = found["plain"].rstrip(".,:;!?)]}'\"…")
    return (last_part(path) or path) + found["plain"][len(path) :]
