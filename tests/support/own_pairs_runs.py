"""Runs over a person's own pairs of pictures."""

from collections.abc import Iterable

from eval.data.benchmarks import custom_benchmark
from eval.runs.document import SampleResult
from eval.runs.runner import RunConfig, create_run, execute_run


def own(folder, task="denoise"):
    return custom_benchmark(str(folder), task, degraded="input/*", target="target/*")


def ordered(folder, methods=("identity", "tv"), **more):
    return RunConfig(benchmark=own(folder), methods=tuple(methods), **more)


def facts(rows: Iterable[SampleResult]) -> dict[tuple[str, str], SampleResult]:
    """Rows by pair and method, without what an interruption may change."""
    timeless = dict.fromkeys(
        ("seconds", "peak_mb", "own_peak_mb", "timed_in", "threads", "attempt")
    )
    timeless |= {"cached": False}
    return {(row.pair, row.method): row.model_copy(update=timeless) for row in rows}


def finished(store, order, **options):
    stored = create_run(store, order)
    events = list(execute_run(stored, **options))
    return stored, events
