"""`app.py` as a Space with a shared GPU starts it: the real `spaces` package, but no GPU.

Only the two steps that need a GPU are replaced: claiming it, and moving what the app had placed on
"cuda" from the disk to it. Here it is moved to the processor's memory.
"""

import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

if torch.version.cuda is None:  # a build without CUDA lacks what is patched, but not called
    torch.version.cuda = "12.8"
    torch._C._cuda_init = None
    torch.cuda._is_in_bad_fork = bool

import spaces.zero.torch as gpu  # noqa: E402
from spaces.zero.torch import patching  # noqa: E402


def move(callback=None):
    for pack in patching.tensor_packs:
        content = Path(pack.path()).read_bytes()
        place = 0
        for batch in [*pack.batches, pack.big_tensors]:
            for tensor, size, aligned_size in batch:
                values = torch.frombuffer(
                    bytearray(content[place : place + size]), dtype=tensor.dtype
                )
                place += aligned_size
                placed = torch.as_strided(values, tensor.shape, tensor.stride())
                for fake in pack.fakes[tensor]:
                    fake.data = placed


gpu.init = lambda uuid: None
gpu.move = move

from mirnet.restoration.compute_lock import COMPUTE_LOCK, ComputeUsage  # noqa: E402
from mirnet.weights import load as weights  # noqa: E402

busy = Path(os.environ["BUSY"])


def hold_all_locks() -> None:
    """Hold all locks, as other threads may during a fork; the child must not block on them."""
    while not busy.exists():
        time.sleep(0.1)
    with COMPUTE_LOCK.hold(ComputeUsage()), weights._models_lock:
        busy.write_text("held")
        while busy.exists():
            time.sleep(0.1)


import app  # noqa: E402

threading.Thread(target=hold_all_locks, daemon=True).start()
app.main()
