"""Who may run evaluations here, and how large one run may be."""

from dataclasses import dataclass

from eval.runs.runner import RunConfig
from mirnet.app.auth import Role, allows
from mirnet.errors import InvalidRequest

from .estimate import megapixels_of


@dataclass(frozen=True)
class Limits:
    """Largest run, so that nobody occupies a machine for hours."""

    pairs: int = 5000
    """Most pairs of a run."""
    megapixels: float = 20_000.0
    """Most megapixels that all methods of a run make together."""
    queued: int = 20
    """Most runs that wait or are under way."""

    def words(self) -> str:
        """The limits as a sentence."""
        return (
            f"One run at a time; at most {self.pairs:,} pairs and {self.megapixels:,.0f} megapixels"
            f" of results a run, and {self.queued} runs waiting."
        )

    def check(self, config: RunConfig) -> None:
        """Check the size of a run, as far as it is known before its pairs are.

        Raises:
            InvalidRequest: It has too many pairs or megapixels.
        """
        pairs = config.n if config.n is not None else config.benchmark.pairs
        if pairs is not None and config.benchmark.pairs is not None:
            pairs = min(pairs, config.benchmark.pairs)
        if pairs is None:
            return
        self.check_pairs(pairs)
        size, known = megapixels_of(config.benchmark)
        total = pairs * size * len(config.methods)
        if known and total > self.megapixels:
            raise InvalidRequest(
                f"{pairs} pairs with {len(config.methods)} methods are {total:,.0f} megapixels, "
                f"and a run here may have {self.megapixels:,.0f}: choose fewer pairs or methods."
            )

    def check_pairs(self, pairs: int) -> None:
        """Check a number of pairs.

        Raises:
            InvalidRequest: There are too many.
        """
        if pairs > self.pairs:
            raise InvalidRequest(
                f"{pairs:,} pairs are too many for one run here: choose at most {self.pairs:,}."
            )


PUBLIC = Limits(pairs=25, megapixels=60.0, queued=4)
"""Limits where strangers can reach the page."""


class RunPolicy:
    """What a role may do with runs on this machine.

    Args:
        limits: Of every run; None for those of a private or public machine.
        read_only: Whether nobody may start, resume, verify or delete anything.
        local: Whether only this machine reaches the page: then whoever has no role is an admin,
            else a runner.
    """

    def __init__(self, limits: Limits | None = None, read_only: bool = False, local: bool = True):
        self.limits = limits or (Limits() if local else PUBLIC)
        self.read_only = read_only
        self.local = local

    def capped(self, role: Role | None = None) -> Role:
        """The role that somebody has here; on a read-only copy everybody is a viewer."""
        if self.read_only:
            return "viewer"
        return role or ("admin" if self.local else "runner")

    def is_admin(self, role: Role | None) -> bool:
        """Whether a role may delete runs and name folders of this machine."""
        return allows(self.capped(role), "admin")

    def limits_of(self, role: Role | None = None) -> Limits:
        """Limits of one run of somebody with this role."""
        return Limits() if not self.local and self.is_admin(role) else self.limits

    def require_runner(self, role: Role | None) -> None:
        """Check that a role may start runs.

        Raises:
            InvalidRequest: It may not.
        """
        if allows(self.capped(role), "runner"):
            return
        who = (
            "This copy only shows results"
            if self.read_only
            else "Only the operator starts evaluations here"
        )
        raise InvalidRequest(f"{who}: run MIRNet Studio on your own machine to make some.")
