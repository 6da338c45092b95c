"""Paths of this machine in what strangers may read: only the last part of the name is left."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

_NO_METHOD = "".join(
    rf"(?<!\b{method} )" for method in ["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"]
)
"""Nothing of HTTP stands before: `POST /call/restore` names an address."""
_STARTS = (
    rf"(?:file:)?(?<![\w/.~-]){_NO_METHOD}/(?!/|\s|(?<=</)[\w:-]+>)",  # folder:/home; not </b>
    r"(?:(?<=^-[A-Za-z])|(?<=\s-[A-Za-z]))/(?![/\s])",  # -I/home
    r"(?:file:|(?<![\w:/.~-]))/{2,}",  # //server, file:///home
    r"(?<!\w)[A-Za-z]:[\\/](?!/)",  # C:\Users
    r"(?<![\w\\])\\{2,}(?=\w)",  # \\server\share
    r"(?<![\w/])~[\w.-]*[\\/]",  # ~anna/pairs
)
_START = re.compile("|".join(_STARTS))
_END = re.compile(rf"[:;]\s|\n|\w+://|</[\w:-]+>|(?<=[\s(\[{{\"'<])(?:{_START.pattern})")
"""Ends of a path without quotes: a colon, a line, an address, a tag or another path."""
_WORD = re.compile(r"(?:(?!</)\S)*")


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
    text = _without_roots(text)
    kept, position = [], 0
    for start, end in _paths(text):
        path = text[start:end]
        kept += [text[position:start], last_part(path) or path]
        position = end
    return "".join([*kept, text[position:]])


def _paths(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each path, from left to right."""
    position = 0
    while found := _START.search(text, position):
        end = _quoted_end(text, found) or _plain_end(text, found)
        yield found.start(), end
        position = max(end, found.end())


def _quoted_end(text: str, start: re.Match[str]) -> int | None:
    """End of a path in quotes; None for a path without quotes, or with one of them."""
    quote = text[start.start() - 1 : start.start()]
    if quote not in ("'", '"'):
        return None
    closing = re.compile(rf"(?:\\.|[^\\\n]){{0,1000}}?(?={quote}(?!\w))")
    found = closing.match(text, start.end())
    return found.end() if found else None


def _plain_end(text: str, start: re.Match[str]) -> int:
    """End of a path without quotes: the word behind its last slash, without punctuation."""
    end = _END.search(text, start.end())
    limit = end.start() if end else len(text)
    last_slash = max(text.rfind("/", start.end(), limit), text.rfind("\\", start.end(), limit))
    word = _WORD.match(text, max(last_slash + 1, start.end()))
    assert word is not None  # it may be empty
    return start.start() + len(text[start.start() : word.end()].rstrip(".,:;!?)]}'\"…"))


def _without_roots(text: str) -> str:
    """Replace the folders of this process, whose names may hold what ends a path, by ``~``."""
    for root, alone in _roots():
        boundary = r"(?=[\\/]|$|['\":;,)\]]|\.(?:\s|$))" if alone else r"(?=[\\/])"
        for form in {root, root.replace("\\", "\\\\"), root.replace("\\", "/")}:
            pattern = rf"(?<![\w.~-]){_NO_METHOD}{re.escape(form)}{boundary}"
            text = re.sub(pattern, "~", text, flags=re.MULTILINE)
    return text


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
