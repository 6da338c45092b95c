"""What people use instead of a network, as a table of functions."""

from .table import BASELINES, Baseline

__all__ = ["BASELINES", "Baseline"]
