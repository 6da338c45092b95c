"""Stored runs as HTML reports and as files for papers."""
