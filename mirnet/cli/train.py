"""`python -m mirnet prepare`, `train` and `publish`: from photographs to shipped weights."""

from pathlib import Path
from typing import Annotated

import typer

from .arguments import named_folders
from .terminal import print_line


def prepare(
    folder: Annotated[Path, typer.Option(help="Where the photographs go.")] = Path("data/photos"),
    local: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="Folder searched for the files, by hash, before the network is asked; repeatable.",
        ),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(help="Also write all photographs into this zip file of at most 30 MB."),
    ] = None,
) -> None:
    """Fetch the freely licensed photographs that training uses."""
    from mirnet.train.fetch import prepare as start

    for line in start(folder, local or ()):
        print_line(line)
    if pack is not None:
        from mirnet.train.pack import write_pack

        for line in write_pack(folder, pack):
            print_line(line)


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="A training recipe.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where the run lives. Default: runs/train/ID.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many steps in all.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the run's last state.")] = True,
    minutes: Annotated[
        float | None, typer.Option(min=0.05, help="Stretch the schedule to this time.")
    ] = None,
    next_cycle: Annotated[
        bool, typer.Option("--continue", help="Begin the next cycle from the run's weights.")
    ] = False,
    keep_every: Annotated[
        int | None,
        typer.Option(
            min=0, help="Keep the weights of every n-th step, for checkpoint curves. 0: none."
        ),
    ] = None,
) -> None:
    """Train weights as a recipe says; stop at any time, and the same command goes on."""
    from mirnet.train.run import train as start

    for report in start(config, folder, steps, resume, minutes, next_cycle, keep_every):
        parts = [
            f"step {report.step}/{report.steps}",
            f"loss {report.loss:.5f}",
            f"rate {report.learning_rate:.2e}",
            f"{report.seconds_per_step:.3f} s/step",
            f"{report.samples_per_second:.1f} patches/s",
            f"{report.data_share:.0%} on data",
        ]
        if report.dev_psnr_db is not None:
            parts.append(f"dev {report.dev_psnr_db:.2f} dB")
        print_line(" · ".join(parts))


def publish(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    pairs: Annotated[
        list[str],
        typer.Option(help="NAME=FOLDER, with FOLDER/input and FOLDER/target; repeatable."),
    ],
    folder: Annotated[
        Path | None, typer.Option(help="Where weights and card go. Default: mirnet/weights.")
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Ship the last step, not the best dev score.")
    ] = False,
) -> None:
    """Measure a run's weights on pairs it never saw, and ship them with their card."""
    from mirnet.train.card import readme_rows
    from mirnet.train.publish import publish as start
    from mirnet.weights.catalogue import EMBEDDED_FOLDER

    card = start(run, named_folders(pairs), folder or EMBEDDED_FOLDER, last)
    for score in card["scores"]:
        print_line(
            f"{score['benchmark']}: {score['input_psnr_db']:.2f} dB / {score['input_ssim']:.4f} -> "
            f"{score['psnr_db']:.2f} dB / {score['ssim']:.4f} over {score['pairs']} pairs"
        )
    for row in readme_rows(card):
        print_line(row)
