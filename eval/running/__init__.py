"""Ordering a run from the page, and following it."""
