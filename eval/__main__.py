"""The command line: `python -m eval score|protocols`.

Commands print results on stdout and complaints on stderr; a wrong input ends with exit code 2 and
one sentence. Nothing heavy is imported before a command needs it.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mirnet.terminal import Commands, console, say

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Score restored pictures under the exact protocols of the papers.",
)


@app.command()
def score(
    restored: Annotated[Path, typer.Argument(help="A restored picture, or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="The truth, or a folder with the same names.")],
    protocol: Annotated[str, typer.Option(help="Id from `protocols`.")] = "rgb",
    scale: Annotated[int, typer.Option(help="Factor of super-resolution.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score two pictures, or two folders by file name, and print PSNR in dB and SSIM."""
    from .protocols import get_protocol
    from .scoring import pair_files, score_files
    from .stats import summarise

    chosen = get_protocol(protocol)
    rows = [
        (ours.name, score_files(ours, theirs, chosen, scale))
        for ours, theirs in pair_files(restored, target)
    ]
    psnr = summarise([result.psnr_db for _, result in rows])
    ssim = summarise([result.ssim for _, result in rows])
    if as_json:
        content: dict[str, Any] = {
            "psnr": _number(psnr.mean if psnr.infinite < psnr.count else math.inf),
            "ssim": ssim.mean,
            "protocol": chosen.name,
            "scale": scale,
            "images": len(rows),
            "identical": psnr.infinite,
        }
        if restored.is_dir():
            content["scores"] = [
                {"name": name, "psnr": _number(result.psnr_db), "ssim": result.ssim}
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
    say(f"{chosen.name}: {chosen.meaning}")
    if psnr.infinite:
        say(f"{psnr.infinite} identical to the target: counted, and left out of the mean PSNR.")


def _number(psnr_db: float) -> float | str:
    """JSON has no infinity."""
    return psnr_db if math.isfinite(psnr_db) else "identical"


@app.command()
def protocols() -> None:
    """List the protocols and what their numbers mean."""
    from .protocols import PROTOCOLS

    for entry in PROTOCOLS.values():
        say(f"{entry.name}: {entry.title}\n  {entry.meaning}\n  After {entry.follows}.")


if __name__ == "__main__":
    app(prog_name="python -m eval")
