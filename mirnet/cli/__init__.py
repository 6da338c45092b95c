"""The command line: python -m mirnet."""
