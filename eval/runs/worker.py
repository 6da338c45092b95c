"""The unit of work: one pair and one method to one stored row, the same in every executor."""

import contextlib
import statistics
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from eval.data.benchmarks import Benchmark
from eval.data.pair_facts import Fact
from eval.data.pairs import Item, Pair, PairUnusable, pixels_sha256
from eval.data.reader_factory import open_benchmark
from eval.methods.method import Method, Output, Restorer
from eval.methods.method_record import MethodRecord
from eval.methods.registry import get_method
from mirnet.device import choose_device
from mirnet.errors import MIRNetError
from mirnet.images.encode import encode_image
from mirnet.images.picture import Picture, to_eight_bits
from mirnet.memory import is_out_of_memory
from mirnet.metrics.protocols import Protocol, get_protocol

from .document import SampleResult, SampleScore
from .output_cache import OutputCache, OutputRecord, key_of
from .pair_measures import measure
from .peak_memory import PeakMemory
from .store import THUMB_PX, NotWritten

EARLIER = "an earlier run"
"""Name of the run that measured a cached time, where the cache does not record it."""
WARM_UP_PX = 32
"""Side of the picture that a method is warmed up on."""


@dataclass(frozen=True)
class WorkerSpec:
    """Specification of a run for its workers; can be sent to another process."""

    benchmark: Benchmark
    """Benchmark that the pairs come from."""
    folder: Path | None
    """Local folder with the pairs, in place of the benchmark's source."""
    offline: bool
    """Whether the Hub is never contacted."""
    task: str
    """Id of the task."""
    methods: tuple[MethodRecord, ...]
    """Methods of the run."""
    protocols: tuple[str, ...]
    """Ids of the protocols; the first is the one that ranks."""
    cache: OutputCache | None
    """The output cache; None computes every output anew."""
    allow_code: bool = False
    """Whether methods may be user-supplied code."""
    threads: int | None = None
    """Compute threads of each worker; None keeps the process's setting."""
    repeats: int = 1
    """Number of times that each method is timed on each picture."""
    run: str = ""
    """Id of the run, recorded in the output cache with the times it measured."""


@dataclass(frozen=True)
class Work:
    """Result of one pair and one method, before it is stored."""

    row: SampleResult
    """Line of `scores.jsonl`."""
    pictures: tuple[tuple[str, bytes], ...]
    """Name (SHA-256) and PNG content of output, input and ground truth."""
    thumbs: tuple[tuple[str, bytes], ...]
    """Name and JPEG content of their thumbnails."""
    facts: dict[str, Fact] = field(default_factory=dict)
    """Facts about the pair; see `eval.data.pair_facts`."""


def unusable(item: Item, method_id: str, error: PairUnusable) -> Work:
    """Result for a pair that cannot be scored: a row with the error."""
    return Work(SampleResult(pair=item.id, method=method_id, error=str(error)), (), ())


class Worker:
    """Restores and scores pairs; keeps the last pair and every loaded method.

    Args:
        spec: Specification of the run.
    """

    def __init__(self, spec: WorkerSpec):
        self.spec = spec
        self.reader = open_benchmark(spec.benchmark, folder=spec.folder, offline=spec.offline)
        self.protocols: list[Protocol] = [get_protocol(name) for name in spec.protocols]
        self.cache = spec.cache
        self._infos = {info.id: info for info in spec.methods}
        self._restorers: dict[str, Restorer] = {}
        self._pair: Pair | None = None
        self._unusable: PairUnusable | None = None
        self._last = ""
        self._facts: dict[str, Fact] = {}
        self.threads = _limit_threads(spec.threads)

    def method(self, method_id: str) -> Method:
        """Make a method with its recorded settings.

        Raises:
            InvalidRequest: The method is unavailable on this machine.
        """
        return get_method(
            method_id,
            self.spec.task,
            settings=self._infos[method_id].settings,
            allow_code=self.spec.allow_code,
        )

    def restorer(self, method_id: str) -> Restorer:
        """Load a method once and warm it up on a few pixels, so that imports are not timed."""
        if method_id not in self._restorers:
            restorer = self.method(method_id).load()
            scale = self.spec.benchmark.scale
            few = Picture(np.full((WARM_UP_PX, WARM_UP_PX, 3), 128, np.uint8))
            with contextlib.suppress(Exception):  # what is wrong with it shows on the pictures
                restorer(few, (WARM_UP_PX * scale, WARM_UP_PX * scale))
            self._restorers[method_id] = restorer
        return self._restorers[method_id]

    def pair(self, item: Item) -> Pair:
        """Read a pair, or return the last one read.

        Raises:
            PairUnusable: The pair cannot be scored.
            BenchmarkUnavailable: See `eval.data.readers.base.PairReader.load`.
        """
        if self._last != item.id:
            self._pair, self._unusable, self._last = None, None, ""
            try:
                pair = self.reader.load(item)
                self.hold(replace(pair, facts=self.reader.facts_of(item)))
            except PairUnusable as error:
                self._unusable, self._last = error, item.id
        if self._pair is None:
            raise self._unusable or PairUnusable(f"Pair {item.id} cannot be read.")
        return self._pair

    def hold(self, pair: Pair) -> None:
        """Use a pair, which another machine may have read, when its item is asked for next.

        A pair that is held already, as one sent with each of its methods, is not measured again.
        """
        if self._pair is not None and self._last == pair.id:
            return
        self._facts = {**pair.facts, **measure(pair)}
        self._pair, self._unusable, self._last = pair, None, pair.id

    def work(self, item: Item, method_id: str) -> Work:
        """Restore one picture and score it.

        A method that fails, and a pair that cannot be scored, give a row with the error.

        Raises:
            BenchmarkUnavailable: The pair cannot be fetched.
            NotWritten: The cache is on a full disk.
        """
        try:
            pair = self.pair(item)
        except PairUnusable as error:
            return unusable(item, method_id, error)
        facts = {
            "pair": pair.id,
            "method": method_id,
            "degraded_sha256": pair.degraded_sha256,
            "target_sha256": pair.target_sha256,
        }
        try:
            pixels, made, cached = self._output(pair, method_id)
            scores = {
                protocol.name: found
                for protocol in self.protocols
                if (found := self.score(protocol, pixels, pair))
            }
            shown = [(made.output_sha256, pixels), (pair.degraded_sha256, pair.degraded.pixels)]
            if pair.target is not None and pair.target_sha256:
                shown.append((pair.target_sha256, pair.target.pixels))
            pictures = tuple((name, png(values)) for name, values in shown)
            thumbs = tuple((name, thumbnail(values)) for name, values in shown)
        except NotWritten:  # no picture's fault, and the next one would meet it too
            raise
        except MIRNetError as error:
            return Work(SampleResult(**facts, error=str(error)), (), ())
        except Exception as error:  # one picture's trouble must not end a run of hours
            reason = f"{type(error).__name__}: {error}"[:300]
            if is_out_of_memory(error):
                reason = (
                    "There is not enough memory for this picture: close other programs, then "
                    "resume the run, or give smaller pictures."
                )
            return Work(SampleResult(**facts, error=reason), (), ())
        height, width = pixels.shape[:2]
        row = SampleResult(
            **facts,
            scores=scores,
            seconds=made.seconds,
            megapixels=height * width / 1e6,
            repeats=made.repeats,
            seconds_low=made.seconds_low,
            seconds_high=made.seconds_high,
            peak_mb=made.peak_mb,
            own_peak_mb=made.own_peak_mb,
            tiles=made.tiles,
            width=width,
            height=height,
            output_sha256=made.output_sha256,
            cached=cached,
            threads=made.threads,
            timed_in=(made.run or EARLIER) if cached else None,
            file_sha256=made.file_sha256,
        )
        return Work(row, pictures, thumbs, self._facts)

    def score(self, protocol: Protocol, pixels: np.ndarray, pair: Pair) -> SampleScore:
        """Score an output by a protocol; without a target, by metrics that need no reference.

        Raises:
            InvalidRequest: See `Protocol.score`.
        """
        target = None if pair.target is None else pair.target.pixels
        return protocol.score(pixels, target, self.spec.benchmark.scale)

    def restore(self, pair: Pair, method_id: str) -> tuple[np.ndarray, OutputRecord]:
        """Restore a pair's degraded picture with a method.

        Returns:
            The output as it is stored and scored, (H, W, 3) uint8 or uint16, and how it was made.
        """
        restorer, size = self.restorer(method_id), self._size(pair)
        is_network = self._infos[method_id].kind == "weights"
        memory = PeakMemory(choose_device() if is_network else None)
        output, seconds = _timed(restorer, pair.degraded, size)
        process_mb, own_mb = memory.process_mb(), memory.own_mb()
        pixels = storable(output.pixels)
        if output.file_sha256 is not None:  # made elsewhere: reading it is no time of the method
            return pixels, OutputRecord(
                pixels_sha256(pixels), None, None, 1, file_sha256=output.file_sha256
            )
        again = (_timed(restorer, pair.degraded, size)[1] for _ in range(self.spec.repeats - 1))
        times = [seconds, *again]
        return pixels, OutputRecord(
            pixels_sha256(pixels),
            statistics.median(times),
            process_mb,
            output.tiles,
            self.spec.run,
            self.threads,
            repeats=len(times),
            seconds_low=min(times) if len(times) > 1 else None,
            seconds_high=max(times) if len(times) > 1 else None,
            own_peak_mb=own_mb,
        )

    def _output(self, pair: Pair, method_id: str) -> tuple[np.ndarray, OutputRecord, bool]:
        from mirnet.images.decode import read_image

        info = self._infos[method_id]
        if self.cache is None or info.kind in ("custom", "imported"):
            return *self.restore(pair, method_id), False
        device = choose_device().type
        key = key_of(info, pair.degraded_sha256, self.spec.task, self._size(pair), device)
        made = self.cache.get(key)
        if made is not None and made.repeats >= self.spec.repeats:
            with contextlib.suppress(MIRNetError):
                pixels = read_image(self.cache.picture(made.output_sha256)).pixels
                if pixels_sha256(pixels) == made.output_sha256:
                    return pixels, made, True
        pixels, made = self.restore(pair, method_id)
        self.cache.put(key, made, png(pixels))
        return pixels, made, False

    def _size(self, pair: Pair) -> tuple[int, int]:
        if pair.target is not None:
            return pair.target.height, pair.target.width
        scale = self.spec.benchmark.scale
        return pair.degraded.height * scale, pair.degraded.width * scale


def _timed(restorer: Restorer, picture: Picture, size: tuple[int, int]) -> tuple[Output, float]:
    """Restore a picture; returns the output and the seconds of computing, without waiting."""
    began = time.perf_counter()
    output = restorer(picture, size)
    return output, time.perf_counter() - began - output.waited_seconds


def _limit_threads(count: int | None) -> int:
    """Set the number of compute threads of this process, None for no change; return the number."""
    import cv2
    import torch

    if count:
        torch.set_num_threads(count)
        cv2.setNumThreads(count)
    return torch.get_num_threads()


def storable(pixels: np.ndarray) -> np.ndarray:
    """Round floating-point outputs to 16 bits, which moves no PSNR below 90 dB; keep whole numbers.

    Args:
        pixels: (H, W, 3) uint8, uint16, or floating point in [0, 1]; values outside are clipped.
    """
    if pixels.dtype.kind != "u":
        pixels = np.rint(np.clip(pixels, 0, 1) * np.float32(65535)).astype(np.uint16)
    return np.ascontiguousarray(pixels)  # what a method has turned or cut out is stored too


def png(pixels: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 or uint16 without loss."""
    return encode_image(Picture(pixels), "PNG")


def thumbnail(pixels: np.ndarray) -> bytes:
    """Encode a small JPEG of (H, W, 3) uint8 or uint16."""
    from PIL import Image

    image = Image.fromarray(to_eight_bits(pixels))
    image.thumbnail((THUMB_PX, THUMB_PX), Image.Resampling.LANCZOS)
    return encode_image(Picture(np.asarray(image)), "JPEG", quality=88)
