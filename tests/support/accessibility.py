"""Accessibility violations that axe-core finds in a page."""

from pathlib import Path

import pytest

STILL = """() => new Promise((resolve) => {
  const moves = document.getAnimations().filter((one) => one instanceof CSSTransition);
  for (const one of moves) one.finish();
  requestAnimationFrame(() => requestAnimationFrame(resolve));
})"""
"""Ends what is on its way from one colour to another: half way, contrasts are nobody's choice."""


def faults(page) -> list[tuple[str, list[str]]]:
    """Find seriously broken accessibility rules, and the elements that break them."""
    axe = pytest.importorskip("axe_playwright_python")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    page.evaluate(STILL)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        (fault["id"], [node["html"] for node in fault["nodes"]])
        for fault in found
        if fault["impact"] in ("moderate", "serious", "critical")
    ]
