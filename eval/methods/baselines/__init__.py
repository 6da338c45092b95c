"""Baselines: restoration methods without MIRNet, as a table of functions."""

from .table import BASELINES, Baseline

__all__ = ["BASELINES", "Baseline"]
