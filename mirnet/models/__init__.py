"""The networks of both papers, readable and trainable, and their building blocks."""
