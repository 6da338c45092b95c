"""`python -m eval score`: two pictures or two folders, scored by a protocol."""

import json
import math
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mirnet.cli.terminal import console, print_line
from mirnet.number_format import counted


def score(
    restored: Annotated[Path, typer.Argument(help="A restored picture, or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="The truth, or a folder with the same names.")],
    protocol: Annotated[str, typer.Option(help="Id from `protocols`.")] = "rgb",
    scale: Annotated[int, typer.Option(min=1, help="Factor of super-resolution.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score two pictures, or two folders by file name: PSNR in dB, SSIM and the other metrics.

    A picture that cannot be scored is named, and the others are scored; the exit code is then 1.
    """
    from eval.analysis.statistics import summarise
    from eval.runs.scoring import pair_files, score_files
    from mirnet.errors import InvalidRequest
    from mirnet.metrics.protocols import get_protocol

    chosen = get_protocol(protocol)
    rows, failed = [], []
    restored, target = (Path(os.path.expanduser(path)) for path in (restored, target))
    for ours, theirs in pair_files(restored, target):  # ~nobody stays as it is
        try:
            rows.append((ours.name, score_files(ours, theirs, chosen, scale)))
        except InvalidRequest as error:
            failed.append((ours.name, error))
    if not rows:
        raise failed[0][1]
    means = {
        metric: summarise([scores[metric.key] for _, scores in rows]) for metric in chosen.metrics
    }
    shown = {
        metric: mean.mean if mean.infinite < mean.count else math.inf
        for metric, mean in means.items()
    }
    identical = max(summary.infinite for summary in means.values())
    if as_json:
        content: dict[str, Any] = {
            **{metric.stem: json_number(mean) for metric, mean in shown.items()},
            "protocol": chosen.name,
            "scale": scale,
            "images": len(rows),
            "identical": identical,
        }
        if restored.is_dir():
            content["scores"] = [
                {"name": name}
                | {metric.stem: json_number(scores[metric.key]) for metric in chosen.metrics}
                for name, scores in rows
            ]
            content["failed"] = [{"name": name, "error": str(reason)} for name, reason in failed]
        typer.echo(json.dumps(content))
        raise typer.Exit(1 if failed else 0)
    heads = (f"{metric.title} {metric.unit}".strip() for metric in chosen.metrics)
    table = Table("picture", *heads, box=None)
    for name, scores in rows:
        table.add_row(name, *(f"{scores[metric.key]:.4f}" for metric in chosen.metrics))
    if len(rows) > 1:
        table.add_row("mean", *(f"{mean:.4f}" for mean in shown.values()), style="bold")
    console().print(table)
    print_line(f"{chosen.name}: {chosen.meaning}")
    if identical:
        left_out = ", and left out of the mean PSNR" if identical < len(rows) else ""
        print_line(f"{identical} identical to the target: counted{left_out}.")
    for _, reason in failed:
        print_line(f"Not scored: {reason}")
    if failed:
        print_line(f"{counted(len(failed), 'picture')} of {len(rows) + len(failed)} not scored.")
        raise typer.Exit(1)


def json_number(value: float) -> float | str:
    """Convert a score for JSON, which has no infinity."""
    return value if math.isfinite(value) else "identical"
