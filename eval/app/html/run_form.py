"""HTML beside the form of a new run: benchmark facts, missing methods, estimated duration."""

from markupsafe import Markup

from eval.app.estimate import Estimate
from eval.app.page_files import TEMPLATES
from eval.data.benchmarks import Benchmark
from eval.methods.registry import Choice
from mirnet.app.kit import html as kit
from mirnet.metrics.protocols import get_protocol
from mirnet.number_format import counted


def viewer_only(read_only: bool, can_sign_in: bool) -> Markup:
    """The card shown in place of the form to visitors who may not start runs.

    Args:
        read_only: Whether starting runs is off for everybody.
        can_sign_in: Whether an operator can sign in on this page.
    """
    return TEMPLATES.render("viewer_only", read_only=read_only, can_sign_in=can_sign_in)


def benchmark_facts(benchmark: Benchmark, *, local: bool) -> Markup:
    """Size, download, licence and protocol of a benchmark, before any file is fetched.

    Args:
        benchmark: The benchmark.
        local: Whether the visitor may use folders of this machine.
    """
    if benchmark.source.folder is not None:
        fetch = "nothing to download"
    elif benchmark.manual_download:
        fetch = "you bring the files"
    elif benchmark.megabytes is None:
        fetch = "download of unmeasured size"
    else:
        fetch = f"{benchmark.megabytes:g} MB to download for all"
    pairs = benchmark.pairs
    return TEMPLATES.render(
        "benchmark_facts",
        benchmark=benchmark,
        fetch=fetch,
        pairs="any number of pairs" if pairs is None else counted(pairs, "pair"),
        meaning=get_protocol(benchmark.protocols[0]).meaning,
        local=local,
    )


def missing_methods(choices: list[Choice]) -> Markup:
    """Methods that cannot be used here, each with its remedy; empty if there is none."""
    missing = [choice for choice in choices if not choice.available]
    return TEMPLATES.render("missing_methods", missing=missing) if missing else Markup("")


def estimate_words(estimate: Estimate, pairs: int, limits: str) -> Markup:
    """Estimated duration of a run, its guessed parts, and the limits of a run."""
    text = f"{counted(pairs, 'pair')} · about {kit.duration(estimate.seconds)} on this machine"
    if estimate.guessed:
        text += f" (a guess for {', '.join(estimate.guessed)}: not timed here yet)"
    if not estimate.size_known:
        text += " (a guess: its pictures vary in size)"
    return Markup('<p class="ev-estimate">{}</p>').format(text) + kit.note(limits)
