"""Restore the first example of every mode with our weights, for the page to show at first sight.

    python examples/restore_examples.py          # all of them
    python examples/restore_examples.py sr-x4    # those of new weights

The script writes NAME-restored.jpg or NAME-sharpened.jpg beside each example, and restored.json,
which says by which weights each was made; a test fails when the weights have changed since.
"""

import json
import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
QUALITY = 93
"""JPEG quality: these pictures are shown, not measured."""


def main() -> None:
    """Write the pictures and their list."""
    sys.path.insert(0, str(HERE.parent))
    import mirnet
    from mirnet.app.examples import examples_for
    from mirnet.app.restore_tab.modes import MODES
    from mirnet.weights import load as weights

    index = HERE / "restored.json"
    before = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    rows = {}
    for mode in MODES.values():
        if sys.argv[1:] and mode.id not in sys.argv[1:]:
            rows |= {mode.id: before[mode.id]} if mode.id in before else {}
            continue
        chosen = mode.weights or mirnet.TASKS[mode.task].default_weights
        if weights.locate(chosen) is None or not examples_for(mode.task):
            continue
        path = examples_for(mode.task)[0].path
        result = mirnet.restore(path, mode.task, weights=chosen, same_size=mode.same_size).result()
        restored = path.with_name(
            f"{path.stem}-{'sharpened' if mode.same_size else 'restored'}.jpg"
        )
        Image.fromarray(result.picture.pixels).save(restored, quality=QUALITY, subsampling=0)
        rows[mode.id] = {
            "file": path.relative_to(HERE).as_posix(),
            "restored": restored.relative_to(HERE).as_posix(),
            "weights": result.weights_id,
            "weights_sha256": result.weights_sha256,
        }
    index.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
