"""The Restore and Look-inside tabs, and web serving; shared with `eval.app`."""
