"""`python -m eval score`: two pictures or two folders, scored by a protocol."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mirnet.cli.terminal import console, print_line


def score(
    restored: Annotated[Path, typer.Argument(help="A restored picture, or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="The truth, or a folder with the same names.")],
    protocol: Annotated[str, typer.Option(help="Id from `protocols`.")] = "rgb",
    scale: Annotated[int, typer.Option(help="Factor of super-resolution.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score two pictures, or two folders by file name, and print PSNR in dB and SSIM."""
    from eval.analysis.statistics import summarise
    from eval.runs.scoring import pair_files, score_files
    from mirnet.metrics.protocols import get_protocol

    chosen = get_protocol(protocol)
    rows = [
        (ours.name, score_files(ours, theirs, chosen, scale))
        for ours, theirs in pair_files(restored, target)
    ]
    psnr = summarise([result.psnr_db for _, result in rows])
    ssim = summarise([result.ssim for _, result in rows])
    if as_json:
        content: dict[str, Any] = {
            "psnr": json_number(psnr.mean if psnr.infinite < psnr.count else math.inf),
            "ssim": ssim.mean,
            "protocol": chosen.name,
            "scale": scale,
            "images": len(rows),
            "identical": psnr.infinite,
        }
        if restored.is_dir():
            content["scores"] = [
                {"name": name, "psnr": json_number(result.psnr_db), "ssim": result.ssim}
                for name, result in rows
            ]
        typer.echo(json.dumps(content))
        return
    table = Table("picture", "PSNR dB", "SSIM", box=None)
    for name, result in rows:
        table.add_row(name, f"{result.psnr_db:.4f}", f"{result.ssim:.4f}")
    if len(rows) > 1:
        table.add_row("mean", f"{psnr.mean:.4f}", f"{ssim.mean:.4f}", style="bold")
    console().print(table)
    print_line(f"{chosen.name}: {chosen.meaning}")
    if psnr.infinite:
        print_line(
            f"{psnr.infinite} identical to the target: counted, and left out of the mean PSNR."
        )


def json_number(psnr_db: float) -> float | str:
    """JSON has no infinity."""
    return psnr_db if math.isfinite(psnr_db) else "identical"
