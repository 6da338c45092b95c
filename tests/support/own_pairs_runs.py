"""Runs over a person's own pairs of pictures."""

from eval.data.benchmarks import custom_benchmark
from eval.runs.runner import RunConfig, create_run, execute_run


def own(folder, task="denoise"):
    return custom_benchmark(str(folder), task, degraded="input/*", target="target/*")


def ordered(folder, methods=("identity", "tv"), **more):
    return RunConfig(benchmark=own(folder), methods=tuple(methods), **more)


def facts(rows):
    """What must be the same however often a run was interrupted."""
    timeless = {
        "seconds": None,
        "peak_mb": None,
        "own_peak_mb": None,
        "cached": False,
        "timed_in": None,
    }
    timeless |= {"threads": None, "attempt": None}
    return {(row.pair, row.method): row.model_copy(update=timeless) for row in rows}


def finished(store, order, **options):
    stored = create_run(store, order)
    events = list(execute_run(stored, **options))
    return stored, events
