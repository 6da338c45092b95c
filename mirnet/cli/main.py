"""The command line: `python -m mirnet COMMAND`, for photos, weights, training and the machine.

Commands print results on stdout, progress and complaints on stderr. A wrong input ends with exit
code 2 and one sentence, Ctrl-C with 130. Nothing heavy is imported before a command needs it.
"""

import typer

from . import inspect, restore, space, system, train, weights
from .terminal import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Restore photos with MIRNet and MIRNet-v2: denoise, enlarge, brighten, retouch.",
)
app.command()(restore.restore)
app.command()(inspect.inspect)
app.add_typer(weights.app, name="weights")
app.command()(system.info)
app.command()(system.check)
app.add_typer(space.app, name="space")
app.command()(train.prepare)
app.command()(train.train)
app.command()(train.publish)


def main() -> None:
    """Run the command line; memory freed after a picture is kept for the next one."""
    from mirnet.memory import keep_freed_memory

    keep_freed_memory()
    app(prog_name="python -m mirnet")
