"""The public function `mirnet.restore`: checks settings, reads the photo, plans the work."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from mirnet.device import choose_device
from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.limits import MAX_PIXELS
from mirnet.images.network_input import deepened, prepare_photo
from mirnet.images.picture import Picture
from mirnet.tasks import Task, get_task
from mirnet.weights.load import LoadedWeights

from . import engines
from .blending import check_share
from .choices import TILINGS
from .job import RestoreJob
from .network import NamedNetwork, check_noise_level, find_network
from .plan import VIEWS, PlanSettings, make_plan, smaller_plan
from .runner import TileRunner


def restore(
    image: "str | Path | bytes | Image.Image | np.ndarray | Picture",
    task: str = "denoise",
    *,
    weights: "str | Path | LoadedWeights | nn.Module | None" = None,
    strength: float = 1.0,
    ensemble: bool = False,
    tile_px: int | None = None,
    overlap_px: int | None = None,
    same_size: bool = False,
    max_pixels: int = MAX_PIXELS,
    device: "str | torch.device | None" = None,
    tiling: str = "auto",
    engine: str = "auto",
    noise_level: float | None = None,
    then: str | None = None,
    then_weights: "str | Path | LoadedWeights | nn.Module | None" = None,
) -> RestoreJob:
    """Start restoring a photo of any size from 1x1 up.

    - Settings are checked, the photo is read and the weights are loaded here; the network runs
      while the returned `RestoreJob` is iterated.
    - The network sees sRGB values in [0, 1] as (1, 3, h, w) float32; a photo with another colour
      profile is converted for it, and the result back. Each side is padded to the
      network's multiple by reflection and cropped back; the output is clamped to [0, 1] and rounded
      to the depth of the source.
    - The result has the source's size and depth (uint8, uint16, or float32 for arrays of floats).
      Alpha, colour profile and metadata are kept; a grey photo stays grey (mean of the
      three channels). Fully transparent pixels take the colours around them first.
    - For super-resolution the photo is first enlarged (bicubic): the networks keep the size.
    - Two tasks can be done after each other (`then`). Between them the photo keeps 16 bits or
      float in the network's colours; colours, depth, alpha and metadata are handled once. A
      strength is the share of the change that both make together.

    Args:
        image: Source for `read_image`: path, bytes, Pillow image, array, `Picture`.
        weights: None for the task's own; an id of the catalogue; a path of a weights file or folder
            (for untrusted input, pass the result of `weights.load` instead of a string); a network
            as an `nn.Module` that maps (B, 3, H, W) to the same shape.
        strength: 0 returns the input bit for bit, 1 the network's result, values between a blend.
        ensemble: Average over the 8 flips and rotations of each tile: 8 times slower.
        tile_px: Longest side of a tile; None for a size with which the network needs about 0.5 GB,
            or half of the free memory if that is less or a GPU's. If memory proves too small for
            it, the restoration begins again with smaller tiles.
        overlap_px: Shortest overlap of naive tiles in pixels; a value makes "naive" the default of
            `tiling`. None for an eighth of a tile, at most 32.
        same_size: The photo already has its target size: do not enlarge it for super-resolution.
        max_pixels: Largest accepted number of pixels, of the photo and of the result.
        device: "cpu", "cuda", "cuda:1", "mps"; None for $MIRNET_DEVICE, or else CUDA where there is
            a GPU, else the CPU.
        tiling: Way to make the tiles of a large photo agree: a key of `TILINGS`. Only "naive" is
            possible for a network that is no `RestorationNetwork`.
        engine: A key of `ENGINES` in `mirnet.restoration.choices`; "auto" is the quickest one with
            float32, timed once per machine. If the engine fails, "torch" replaces it, and
            `RestoreResult.engine_note` gives the reason.
        noise_level: Standard deviation of the noise in 8-bit levels, 0 to 100, for networks that
            take one; None for an estimate from the photo. More removes more. With `then`, for the
            step whose network takes one.
        then: Id of a task that follows on the result of `task`, such as "sr-x2" after "denoise";
            None for one step.

    Returns:
        An iterator of `TileProgress` with `.result()` and `.cancel()`.

    Raises:
        ImageRejected: The photo cannot be read or it, or its result, is too large.
        InvalidRequest: A setting is outside its range, or the weights are for another task.
        WeightsUnavailable: The weights are unknown or not on this machine.
        CheckpointRejected: The weights file fits no network of ours.

    >>> photo = np.full((30, 40, 3), 128, np.uint8)
    >>> restore(photo).result().picture.pixels.shape
    (30, 40, 3)
    """
    chosen = get_task(task)
    check_share("Strength", strength)
    if tiling not in TILINGS:
        raise InvalidRequest(
            f"There is no tiling {str(tiling)[:40]!r}: choose from {', '.join(TILINGS)}."
        )
    if tiling == "auto" and overlap_px is not None:
        tiling = "naive"
    place = choose_device(device)
    engines.check_choice(engine, place)
    exact_engine = engines.is_exact(engine)
    if tiling == "exact" and not exact_engine:
        raise InvalidRequest(
            f"Tiles cannot agree exactly with the engine {engine!r}, which rounds more: choose the "
            'tiling "fast", or the engine "auto".'
        )
    network, following, second = find_network(weights, chosen), None, None
    if then is not None:
        following = get_task(then)
        second = find_network(then_weights, following)
    elif then_weights is not None:
        raise InvalidRequest("There are weights for a second step, but no task: name it in `then`.")
    only_second = second is not None and not network.model.takes_noise_level
    check_noise_level(noise_level, second if second and only_second else network)
    picture = read_image(image, max_pixels=max_pixels)

    def start(
        task: Task, network: NamedNetwork, scale: int, ahead: bool, first: RestoreJob | None
    ) -> RestoreJob:
        photo = prepare_photo(
            picture,
            scale,
            colours=strength > 0,
            convert=first is None,  # otherwise the first step's result is what this one sees
            max_pixels=max_pixels,
        )
        size = photo.before.height, photo.before.width
        free = network.free_bytes(engine, place) if tile_px is None else None
        views, gpu = VIEWS if ensemble else 1, place.type in ("cuda", "mps")
        settings = PlanSettings(tiling, tile_px, overlap_px, views, exact_engine, free, gpu)
        return RestoreJob(
            deepened(photo) if ahead else photo,
            task,
            network,
            make_plan(*size, network.traits, settings),
            TileRunner(network.model, engine, place, noise_level),
            1.0 if ahead else float(strength),
            lambda failed: smaller_plan(failed, *size, network.traits, settings),
            first,
        )

    first, scale = None, 1 if same_size else chosen.scale
    if following is not None and second is not None:
        first = start(chosen, network, scale, ahead=True, first=None)
        chosen, network = following, second
        scale *= 1 if same_size else following.scale
    return start(chosen, network, scale, ahead=False, first=first)
