"""Blind review: people compare outputs of a stored run without knowing whose they are."""
