"""The Evaluate tab in a browser: steps that several tests take."""

from urllib.parse import urlencode


def open_link(page, **query: str) -> None:
    """Follow a link of the Evaluate tab as its own links do, in the loaded page."""
    page.wait_for_function("!!window.evOpen")
    page.evaluate("link => window.evOpen(link)", urlencode({"tab": "evaluate"} | query))


def follow(page, **query: str) -> None:
    """Follow a link and wait until the page's address names what it asked for."""
    open_link(page, **query)
    page.wait_for_function(
        """asked => Object.entries(asked).every(
            ([name, value]) => new URLSearchParams(location.search).get(name) === value)""",
        arg=query,
    )
