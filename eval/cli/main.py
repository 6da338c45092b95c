"""The command line: `python -m eval run|resume|list|show|compare|verify|report|export|...`.

Commands print results on stdout and complaints on stderr; a wrong input ends with exit code 2 and
one sentence. Nothing heavy is imported before a command needs it.
"""

import typer

from mirnet.cli.terminal import Commands

from . import compare, exports, listings, record, review, runs, score, slices

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run restoration methods over benchmarks, and score, store, check and report the results.",
)
app.command()(runs.run)
app.command()(runs.resume)
app.command("list")(runs.list_runs)
app.command()(runs.show)
app.command()(compare.compare)
app.command()(slices.slices)
app.command()(slices.describe)
app.command()(runs.verify)
app.command()(runs.delete)
app.command()(exports.export)
app.command()(exports.report)
app.command()(exports.crop)
app.command("hub-results")(exports.hub_results)
app.command()(exports.submit)
app.command()(exports.publish)
app.command()(exports.pack)
app.command()(listings.benchmarks)
app.command()(listings.methods)
app.command()(listings.protocols)
app.command()(listings.metrics)
app.command()(score.score)
app.command()(review.invite)
app.command()(review.review_keys)
app.command()(review.votes)
app.command()(record.record)
