"""Evaluation of restoration models over benchmark subsets, on `mirnet`'s public API alone."""
