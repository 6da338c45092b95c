"""Rights to run evaluations on this machine, and the size limits of a run."""

from dataclasses import dataclass

from eval.data.benchmarks import NOT_LOCAL, OWN_DATA, Benchmark
from eval.data.own_pairs import VISITOR_BYTES, require_public, require_small
from eval.data.pairs import BenchmarkUnavailable
from eval.data.reader_factory import open_benchmark
from eval.runs.document import Run
from eval.runs.runner import MAX_REPEATS, RunConfig
from mirnet.app.auth import Role, allows
from mirnet.errors import InvalidRequest
from mirnet.number_format import counted

from .estimate import megapixels_of


@dataclass(frozen=True)
class RunLimits:
    """Size limits of a run, so that nobody occupies a machine for hours."""

    pairs: int = 5000
    """Most pairs of a run."""
    megapixels: float = 20_000.0
    """Most megapixels of the results of all methods of a run together."""
    repeats: int = MAX_REPEATS
    """Most times that a picture is restored for its time, which no stop interrupts."""
    queued: int = 20
    """Most runs in the queue, waiting or running."""

    def words(self) -> str:
        """The limits as a sentence."""
        return (
            f"One run at a time; at most {self.pairs:,} pairs and {self.megapixels:,.0f} megapixels"
            f" of results a run, each restored at most {counted(self.repeats, 'time')}, and "
            f"{self.queued} runs waiting."
        )

    def check(self, config: RunConfig) -> None:
        """Check the size of a run, as far as it is known before its pairs are loaded.

        Raises:
            InvalidRequest: The run has too many pairs, megapixels or repeats.
        """
        self._check_repeats(config.repeats)
        pairs = config.n if config.n is not None else config.benchmark.pairs
        if pairs is not None and config.benchmark.pairs is not None:
            pairs = min(pairs, config.benchmark.pairs)
        if pairs is None:
            return
        self._check_pairs(pairs)
        size, known = megapixels_of(config.benchmark)
        total = pairs * size * len(config.methods) * config.repeats
        if known and total > self.megapixels:
            raise InvalidRequest(
                f"{counted(pairs, 'pair')} with {counted(len(config.methods), 'method')}"
                f"{f', {config.repeats} times each,' if config.repeats > 1 else ''} are "
                f"{total:,.0f} megapixels, and a run here may have {self.megapixels:,.0f}: choose "
                "fewer pairs, methods or repeats."
            )

    def check_size(self, run: Run) -> None:
        """Check the size of a stored run before it is started or resumed.

        A run may come from elsewhere, with more than this machine allows.

        Raises:
            InvalidRequest: The run has too many pairs or repeats.
        """
        self._check_repeats(run.repeats)
        self._check_pairs(run.benchmark.n)

    def _check_repeats(self, repeats: int) -> None:
        if repeats > self.repeats:
            raise InvalidRequest(
                f"{repeats} repeats are too many here: choose at most {self.repeats}."
            )

    def _check_pairs(self, pairs: int) -> None:
        if pairs > self.pairs:
            raise InvalidRequest(
                f"{pairs:,} pairs are too many for one run here: choose at most {self.pairs:,}."
            )


PUBLIC_LIMITS = RunLimits(pairs=25, megapixels=60.0, repeats=5, queued=4)
"""Limits of a page that the public can reach."""


class RunPolicy:
    """Rights of each role on the runs of this machine.

    Args:
        limits: Limits of every run; by default those for a private machine, or `PUBLIC_LIMITS`.
        read_only: Whether starting, resuming, verifying and deleting are off for everybody.
        local: Whether only this machine reaches the page. A visitor without a role is then an
            admin, else a runner.
    """

    def __init__(
        self, limits: RunLimits | None = None, read_only: bool = False, local: bool = True
    ):
        self.limits = limits or (RunLimits() if local else PUBLIC_LIMITS)
        self.read_only = read_only
        self.local = local

    def capped(self, role: Role | None = None) -> Role:
        """Effective role of a visitor with `role`, if any; on a read-only copy always viewer."""
        if self.read_only:
            return "viewer"
        return role or ("admin" if self.local else "runner")

    def is_admin(self, role: Role | None) -> bool:
        """Whether a role may delete runs and use folders of this machine."""
        return allows(self.capped(role), "admin")

    def check_source(self, benchmark: Benchmark, role: Role | None) -> None:
        """Check that a role may evaluate a data set that is not in the catalogue.

        Visitors may name what everybody can read on the Hub; folders, and data sets that only the
        owner of this machine sees, are for an admin.

        Raises:
            InvalidRequest: The role may start no runs.
            BenchmarkUnavailable: The role may not read this data set, or much of it would have to
                be fetched first.
        """
        self.require_runner(role)
        if self.is_admin(role) or not benchmark.id.startswith(OWN_DATA):
            return
        if benchmark.source.repo is None:
            raise BenchmarkUnavailable(NOT_LOCAL)
        require_public(benchmark.source.repo)
        require_small(open_benchmark(benchmark), VISITOR_BYTES)

    def limits_of(self, role: Role | None = None) -> RunLimits:
        """Limits of a run started with this role."""
        return RunLimits() if not self.local and self.is_admin(role) else self.limits

    def require_runner(self, role: Role | None) -> None:
        """Check that a role may start runs.

        Raises:
            InvalidRequest: The role may not start runs.
        """
        if allows(self.capped(role), "runner"):
            return
        who = (
            "This copy only shows results"
            if self.read_only
            else "Only the operator starts evaluations here"
        )
        raise InvalidRequest(f"{who}: run MIRNet Studio on your own machine to make some.")
