"""Texts from outside in Markdown files."""


def markdown_text(text: object) -> str:
    r"""Write a text so that Markdown shows it as it is, in one line: no markup, link or table cell.

    >>> markdown_text("a|b\n# <i>*c*")
    'a\\|b \\# &lt;i>\\*c\\*'
    """
    flat = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#~" else letter for letter in flat)
