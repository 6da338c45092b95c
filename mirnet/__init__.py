"""Image restoration with MIRNet and MIRNet-v2.

The public names below are loaded on first use, so that `import mirnet` alone stays quick and does
not bring in torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .models.mirnet import MIRNet
    from .models.mirnet_v2 import MIRNetV2
    from .restoration.api import restore
    from .restoration.inspection import inspect
    from .tasks import TASKS
    from .weights.networks import load_weights

__all__ = ["TASKS", "MIRNet", "MIRNetV2", "__version__", "inspect", "load_weights", "restore"]

# Where other programs want the cores too, a thread of torch may wait long for the others after each
# layer. GNU's OpenMP turns round 300,000 times there by default, on the very core that another
# needs: a small picture took 10 times as long. Read once, when torch is loaded.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_HOMES = {
    "MIRNet": "models.mirnet",
    "MIRNetV2": "models.mirnet_v2",
    "TASKS": "tasks",
    "inspect": "restoration.inspection",
    "load_weights": "weights.networks",
    "restore": "restoration.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
