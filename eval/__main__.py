"""`python -m eval` runs the command line of `eval.cli`."""

from eval.cli.main import app

if __name__ == "__main__":
    app(prog_name="python -m eval")
