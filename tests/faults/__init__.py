"""Faults injected for real: `python -m tests.faults` prints what happened as a table.

Everything happens on this machine, in folders of its own.
"""
