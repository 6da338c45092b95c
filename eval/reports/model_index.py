"""Scores of a run as the `model-index` of a model card on the Hub."""

import json
import math
from typing import TYPE_CHECKING, Any

from eval.runs.document import Run
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import Metric, metrics_in

if TYPE_CHECKING:
    import pandas as pd


def model_index(run: Run, board: "pd.DataFrame", protocol: str) -> str:
    """Write one YAML document with an entry for each method that has weights.

    Args:
        board: Leaderboard of the run under `protocol`.
        protocol: Name with version.

    Raises:
        InvalidRequest: No method with weights has a score.
    """
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index
    from huggingface_hub.utils import yaml_dump

    learned = board[board.kind == "weights"]
    entries: list[dict[str, Any]] = []
    for row in learned.to_dict("records"):
        args = {
            "protocol": protocol,
            "weights_sha256": row["weights_sha256"],
            "data_sha256": run.data_sha256,
            "run": run.id,
            "date": run.created.isoformat(),
            "scored": row["count"],
            "failed": row["failed"],
            "identical": row["identical"],
        }
        bench = run.benchmark
        results = [
            EvalResult(
                task_type="image-to-image",
                task_name=run.task,
                dataset_type=bench.id,
                dataset_name=bench.title,
                dataset_revision=bench.revision,
                dataset_args={
                    "pairs": bench.n,
                    "of": bench.of,
                    "seed": bench.seed,
                    "synthetic": bench.synthetic,
                },
                metric_type=metric.stem,
                metric_name=f"{_in_words(metric)}, protocol {protocol}",
                metric_value=round(row[metric.key], metric.decimals + 2),
                metric_args=args,
            )
            for metric in metrics_in(board.columns)
            if math.isfinite(row[metric.key])
        ]
        if results:
            entries += eval_results_to_model_index(str(row["method"]), results)
    if not entries:
        raise InvalidRequest(
            f"Run {run.id} has no scores of a method with weights, and a model card is about "
            "weights: export it as csv, parquet, markdown or latex."
        )
    # Values of numpy and of pydantic become plain ones on the way through JSON.
    return yaml_dump({"model-index": json.loads(json.dumps(entries))})


def _in_words(metric: Metric) -> str:
    return f"{metric.title} in {metric.unit}" if metric.unit else metric.title
