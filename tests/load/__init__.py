"""Many visitors at once: `python -m tests.load`, and `python -m tests.load soak` for hours.

Everything goes to an app of its own on this machine.
"""
