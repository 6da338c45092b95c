"""One running restoration: runs a plan, reports every tile, can be stopped, returns a result."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

from mirnet import memory
from mirnet.errors import Cancelled, InvalidRequest
from mirnet.images.network_input import NetworkInput, enlarge
from mirnet.images.picture import Picture
from mirnet.tasks import Task
from mirnet.weights.networks import count_parameters

from .blending import Blend, Blender
from .exact_tiles import ExactTiles
from .network import NamedNetwork
from .plan import MAX_RETRIES, RestorePlan
from .result import FirstStep, RestoreResult
from .runner import TileRunner, TileTooLarge
from .tiles import BlendedTiles, TilingReport


@dataclass(frozen=True)
class TileProgress:
    """One event of a `RestoreJob`."""

    tile: int
    """Number of finished tiles, from 1; every pass of exact tiles counts its tiles again."""
    tiles: int
    """Expected number of tiles, all passes counted."""
    seconds: float
    """Working time so far in seconds."""
    seconds_left: float | None
    """Remaining time in seconds, estimated from the speed so far; None if unknown."""


class RestoreJob:
    """A restoration under way: an iterator of one `TileProgress` per tile and pass, and its result.

    The work is done while iterating, in the thread that iterates. `mirnet.restore` makes these.

    >>> import mirnet, numpy as np
    >>> job = mirnet.restore(np.zeros((1, 1, 3), np.uint8), strength=0)
    >>> [event.tile for event in job], job.result().picture.pixels.tolist()
    ([], [[[0, 0, 0]]])

    Args:
        photo: The photo as the network and as people see it.
        task: The task.
        network: Network and its origin, for the result's facts.
        plan: Tiling and views.
        runner: Runs the network on a tile.
        strength: Share of the network's result, 0 to 1; at 0 the network does not run.
        smaller: Makes a plan with smaller tiles than the given one, for memory that proves too
            small; returns None if there is none.
        first: A step that is done before; its result takes the place of `photo.seen`, enlarged to
            the size of `photo.before`.
    """

    def __init__(
        self,
        photo: NetworkInput,
        task: Task,
        network: NamedNetwork,
        plan: RestorePlan,
        runner: TileRunner,
        strength: float,
        smaller: Callable[[RestorePlan], RestorePlan | None] = lambda plan: None,
        first: "RestoreJob | None" = None,
    ):
        self._photo, self._task, self._network = photo, task, network
        self._plan, self._runner, self._strength = plan, runner, strength
        self._smaller, self._first = smaller, first if strength else None
        self._first_facts: FirstStep | None = None
        self._waited_before = 0.0
        self._done, self._area, self._left = 0, 0, list(plan.areas) if strength else []
        self._seconds = 0.0
        self._full: Picture | None = None
        self._report = TilingReport(0, plan.tile_px, plan.overlap_px, passes=0)
        self._finished = strength == 0
        self._error: Exception | None = None
        self._work = self._run()

    @property
    def tiles(self) -> int:
        """Expected number of events: tiles of all passes; the number of passes is an estimate."""
        return self._done + len(self._left) + (len(self._first._left) if self._first else 0)

    def __iter__(self) -> Iterator[TileProgress]:
        return self

    def __next__(self) -> TileProgress:
        """Restore one more tile.

        Raises:
            StopIteration: All tiles are done, or the restoration was stopped.
            CheckpointRejected: The network made values that are not numbers.
            InvalidRequest: Memory is too small, or the network changes the size.
        """
        began = time.perf_counter()
        try:
            next(self._work)
        except StopIteration:
            raise
        except Cancelled:
            raise StopIteration from None
        except Exception as error:
            if memory.is_out_of_memory(error):  # outside the network: statistics, sums, pixels
                self._error = InvalidRequest(
                    "There is not enough memory to restore this photo: close other programs or "
                    "choose a smaller tile size."
                )
                raise self._error from error
            self._error = error
            raise
        finally:
            self._seconds += time.perf_counter() - began
        area_left = sum(self._left) + (sum(self._first._left) if self._first else 0)
        left = self._seconds * area_left / self._area
        return TileProgress(self._done, self.tiles, self._seconds, left)

    def cancel(self) -> None:
        """Stop before the next pass; safe from any thread, without effect on a finished job."""
        if (first := self._first) is not None:  # the thread that iterates may end it meanwhile
            first.cancel()
        self._runner.cancel()

    def close(self) -> None:
        """Stop, and discard the unfinished result."""
        self.cancel()
        with contextlib.suppress(ValueError):  # a thread that still iterates stops by itself
            self._work.close()

    def result(self) -> RestoreResult:
        """Finish the work and return the restored photo.

        Raises:
            Cancelled: The restoration was stopped.
            CheckpointRejected: See `__next__`.
            InvalidRequest: See `__next__`.
        """
        for _ in self:
            pass
        if self._error is not None:
            raise self._error
        if not self._finished:
            raise Cancelled("The restoration was stopped: start it again for a result.")
        plan, report, prepared = self._plan, self._report, self._runner.prepared
        mix, picture = Blend(self._strength), self._photo.before
        if self._full is not None:
            picture = Blender(self._photo.before, self._full).picture(mix)
        waited = self._runner.waited_seconds + self._waited_before
        return RestoreResult(
            picture=picture,
            before=self._photo.before,
            full=self._full,
            task=self._task.id,
            weights_id=self._network.id,
            weights_sha256=self._network.sha256,
            architecture=self._network.model.architecture,
            parameters=count_parameters(self._network.model),
            seconds=self._seconds - waited,
            waited_seconds=waited,
            tiles=report.tiles,
            tile_px=report.tile_px,
            overlap_px=report.overlap_px,
            mix=mix,
            ensemble=plan.views > 1,
            device=str(self._runner.device),
            tiling=plan.tiling if report.tiles else "whole",
            passes=report.passes,
            agreement_db=report.agreement_db,
            engine=prepared.engine,
            engine_note=prepared.note,
            noise_level=self._runner.noise_level,
            first=self._first_facts,
        )

    def _run_first(self, first: "RestoreJob") -> Generator[None]:
        """Do the step before, and see its result at the size of this one."""
        with contextlib.closing(first):
            for _ in first:
                self._done, self._area = self._done + 1, first._area
                yield
            result = first.result()
        self._first, self._first_facts = None, result.as_first()
        self._waited_before = result.waited_seconds
        seen, before = result.picture, self._photo.before
        scale = before.height // seen.height
        if scale > 1:  # to the size of `before`, which was accepted
            seen = enlarge(seen, scale, max_pixels=before.height * before.width)
        self._photo = replace(self._photo, seen=seen)

    def _run(self) -> Generator[None]:
        """Run the plan, one tile between two yields; begin anew with smaller tiles if need be."""
        if self._finished:
            return
        if self._first is not None:
            yield from self._run_first(self._first)
        for _ in range(MAX_RETRIES):
            try:
                yield from self._run_plan()
                return
            except TileTooLarge:
                plan = self._smaller(self._plan)
                if plan is None:
                    raise
                self._plan, self._left = plan, list(plan.areas)
        yield from self._run_plan()

    def _run_plan(self) -> Generator[None]:
        """Run the current plan, one tile between two yields."""
        kind = ExactTiles if self._plan.tiling in ("exact", "fast") else BlendedTiles
        work = kind(self._photo.seen, self._plan, self._runner)
        for step in work:
            self._done, self._area, self._left = self._done + 1, self._area + step.area, step.left
            self._report = work.report
            if work.picture:  # there is one after the last step
                self._full = self._photo.finish(work.picture)
            self._finished = not step.left
            yield
            if self._finished:
                return
