"""Memory does not grow with the number of threads that restore."""

import errno
import os
import platform
import subprocess
import sys

import pytest
import torch

from mirnet.memory import is_out_of_memory
from tests.support.paths import ROOT

THREADS = """
import sys, threading
import numpy as np, psutil
from mirnet.memory import use_few_arenas
from mirnet import restore
if sys.argv[1] == "few":
    assert use_few_arenas()
photo = np.random.default_rng(0).integers(0, 256, (360, 480, 3)).astype(np.uint8)
stay = threading.Event()

def work(done):
    restore(photo).result()
    done.set()
    stay.wait()

for number in range(7):
    done = threading.Event()
    threading.Thread(target=work, args=(done,), daemon=True).start()
    done.wait()
    if number == 1:
        before = psutil.Process().memory_info().rss
print((psutil.Process().memory_info().rss - before) >> 20)
"""


def grown_mb(arenas):
    """Megabytes more after seven threads than after two."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS, arenas],
        cwd=ROOT,
        env=os.environ | {"MALLOC_ARENA_MAX": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_threads_share_memory():
    assert grown_mb("few") < 80


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_is_avoided_is_there():
    assert grown_mb("many") > 80


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (ImportError("cv2.abi3.so: failed to map segment from shared object"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for a convolution"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_a_lack_of_memory_is_recognised_by_whatever_says_it(error, said):
    assert is_out_of_memory(error) is said
