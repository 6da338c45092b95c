"""Benchmarks and their picture pairs: definitions, readers, the Hub, packing."""
