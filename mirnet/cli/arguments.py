"""Arguments that several commands take."""

from pathlib import Path

from mirnet.errors import InvalidRequest


def named_folders(pairs: list[str]) -> dict[str, Path]:
    """Read NAME=FOLDER arguments.

    Raises:
        InvalidRequest: An argument does not have the form NAME=FOLDER.
    """
    named = [pair.partition("=") for pair in pairs]
    if not all(name and place for name, _, place in named):
        raise InvalidRequest("--pairs wants NAME=FOLDER, such as --pairs CC15=pairs/cc15.")
    return {name: Path(place) for name, _, place in named}
