"""The Look inside tab: one view a file, composed by `InsideTab`; nothing here computes.

One pass records everything (`mirnet.inside.trace`); choosing another block, stream or turn only
draws other records of it.
"""

from .tab import InsideTab

__all__ = ["InsideTab"]
