"""The Restore tab: one view a file, composed by `RestoreTab`; nothing here computes.

Every event that runs a network is a generator, so that Stop and a closed browser end it within one
tile. A photo goes from the uploaded file straight to `mirnet.images`, past Gradio's own decoder,
and the download is our own file. Torch is imported when the first photo is added, not before.
"""

from .tab import RestoreTab

__all__ = ["RestoreTab"]
