"""Provenance of a run's numbers; no export is made without it."""

from eval.runs.document import Run
from mirnet.errors import InvalidRequest


def provenance(run: Run, protocol: str) -> dict[str, str]:
    """List the facts that a run's numbers depend on, as (label, value) for a caption.

    Args:
        protocol: Name with version.
    """
    bench = run.benchmark
    kind = ", synthetic degradation" if bench.synthetic else ""
    return {
        "Run": run.id,
        "Date": f"{run.created:%Y-%m-%d %H:%M} UTC",
        "Status": run.status,
        "Protocol": protocol,
        "Benchmark": f"{bench.title} ({bench.id}){kind}",
        "Pictures": bench.pictures,
        "Pairs": f"{bench.n} of {bench.of}, seed {bench.seed}",
        "Benchmark revision": bench.revision,
        "Data fingerprint": run.data_sha256 or "none yet",
    }


def require_provenance(run: Run) -> None:
    """Refuse a run whose provenance is incomplete.

    Raises:
        InvalidRequest: The run lacks the data fingerprint, or the hash of some weights.
    """
    if run.data_sha256 is None:
        raise InvalidRequest(
            f"Run {run.id} has no data fingerprint yet, and numbers are not written without it: "
            "let the run end, or resume it."
        )
    for method in run.methods:
        if method.kind == "weights" and method.weights_sha256 is None:
            raise InvalidRequest(
                f"Run {run.id} does not say which weights {method.id!r} had, and numbers are not "
                "written without their hash: run it again."
            )
