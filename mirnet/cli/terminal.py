"""Output shared by all commands: plain text, colours, progress, errors as one sentence."""

import io
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text
from typer.core import TyperGroup

from mirnet.errors import MIRNetError
from mirnet.memory import is_out_of_memory

NO_TERMINAL_COLUMNS = 200
"""Width in characters of tables that go into a file or pipe."""

_KEPT = "\n\t\u200c\u200d"
"""Characters of the classes that `harmless` replaces which it keeps."""


class Commands(TyperGroup):
    """Turns `MIRNetError`s, and a lack of memory, into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # names that the console cannot show
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except MIRNetError as error:
            print_error(str(error))
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            print_error("Stopped: what was finished before stays.")
            raise typer.Exit(130) from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            print_error("There is not enough memory for this: close other programs and try again.")
            raise typer.Exit(2) from error


def harmless(text: str) -> str:
    r"""A text without characters that command a terminal or hide the order of letters.

    Tabs, ends of lines and the joiners U+200C and U+200D, which Persian words and families of emoji
    need, stay; others of Unicode's classes Cc, Cf, Zl and Zp become U+FFFD.

    >>> harmless("a\x1b[31m\u202eb")
    'a\ufffd[31m\ufffdb'
    """
    commands = ("Cc", "Cf", "Zl", "Zp")
    return "".join(
        "\ufffd" if letter not in _KEPT and unicodedata.category(letter) in commands else letter
        for letter in text
    )


class HarmlessConsole(Console):
    """A console that shows texts as they are: no markup, and no commands to the terminal in them.

    Titles, names and errors come out of runs that others may have made.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text ready for printing; tables and `print` come here with every string."""
        return super().render_str(harmless(text), **options | {"markup": False})


def console(stderr: bool = False) -> Console:
    """Console on stdout or stderr, wide enough for tables if it is not a terminal."""
    target = HarmlessConsole(stderr=stderr, highlight=False, emoji=False)
    if not target.is_terminal:
        target.width = NO_TERMINAL_COLUMNS
    return target


def print_line(text: str, stderr: bool = False) -> None:
    """Print text without wrapping; see `HarmlessConsole`."""
    console(stderr).print(text, soft_wrap=True)


def print_error(text: str) -> None:
    """Print an error message on stderr; see `HarmlessConsole`."""
    console(stderr=True).print(text, soft_wrap=True, style="red")


@contextmanager
def progress(*columns: ProgressColumn) -> Iterator[Progress]:
    """A transient progress bar on stderr; silent if stderr is not a terminal."""
    target = console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        console=target,
        transient=True,
        disable=not target.is_terminal,
    ) as bar:
        yield bar
