"""`python -m mirnet` inside the process of a test."""

from dataclasses import dataclass

from typer.testing import CliRunner

from mirnet.cli.main import app


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def run(*arguments: object) -> Outcome:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def run_restore(*arguments: object, task: str = "denoise") -> Outcome:
    return run("restore", "--task", task, *arguments)
