"""`python -m mirnet info` and `check`: what is installed, and whether all is well."""

from typing import Annotated

import typer

from .terminal import print_line


def info() -> None:
    """Show versions, threads, devices, the cache folder and the weights on this machine."""
    import platform
    from importlib.metadata import version

    import torch

    from mirnet.files import cache_folder
    from mirnet.restoration.engines import available
    from mirnet.version import __version__
    from mirnet.weights.catalogue import load_catalogue
    from mirnet.weights.load import locate

    best = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    devices = ["cpu"]
    devices += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    facts = {
        "mirnet": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "pillow")},
        "threads": str(torch.get_num_threads()),
        "devices": ", ".join(devices),
        "engines": ", ".join(available(best)),
        "cache": str(cache_folder()),
        "weights": ", ".join(key for key in load_catalogue() if locate(key)) or "none",
    }
    for name, value in facts.items():
        print_line(f"{name:<8} {value}")


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print a document instead.")] = False,
) -> None:
    """Check weights, disk, memory, Hub and versions; exit code 1 where something is wrong."""
    import json

    from mirnet.app import health

    findings = health.check()
    if as_json:
        print_line(json.dumps(health.document(findings)))
    for finding in () if as_json else findings:
        print_line(f"{'ok ' if finding.ok else 'BAD'} {finding.what:<8} {finding.words}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
