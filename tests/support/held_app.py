"""`app.py` whose evaluations wait while a file named "held" lies in MIRNET_STATE_DIR.

A test of a run under way puts the file there, so that the run cannot end before it is looked at.
Each result waits; a run that is stopped meanwhile ends after the result that it waits with.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from eval.runs import executors  # noqa: E402

HELD = Path(os.environ["MIRNET_STATE_DIR"]) / "held"


class HeldWorker(executors.Worker):
    """A worker that gives no result while the file is there."""

    def work(self, *job):
        found = super().work(*job)
        while HELD.exists():
            time.sleep(0.05)
        return found


executors.Worker = HeldWorker

import app  # noqa: E402

app.main()
