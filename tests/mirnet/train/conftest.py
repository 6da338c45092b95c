"""Made-up photographs that training reads as if `prepare` had fetched them."""

import numpy as np
import pytest

from mirnet.train.manifest import read_manifest


@pytest.fixture(scope="package")
def prepared(tmp_path_factory):
    """A folder that looks as `prepare` leaves it, with noise for photographs.

    Only some of the manifest are used, except by processes of their own.
    """
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    packages, photos = read_manifest()
    for photo in photos:
        pixels = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8).repeat(40, 0).repeat(40, 1)
        np.save(folder / photo.key, pixels)
    some = [photo for photo in photos if photo.split == "dev"][:2] + photos[:6]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mirnet.train.batches.read_manifest", lambda: (packages, some))
        yield folder
