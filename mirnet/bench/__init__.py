"""Measuring speed, memory and exactness of the networks: `python -m mirnet bench`."""
