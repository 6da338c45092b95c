"""Weights: the catalogue, safe reading of checkpoint files, downloads, and loading by id."""
