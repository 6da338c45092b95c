"""Evaluation runs: documents, storage, execution, verification, publication."""
