"""Ranking from votes: Bradley-Terry strengths with intervals, beside the run's PSNR and SSIM.

A method of strength s is preferred to one of strength t with probability 1 / (1 + exp(t - s))
(Bradley & Terry, Rank Analysis of Incomplete Block Designs, Biometrika 1952). A tie counts as half
a win for each side; Davidson (JASA 1970) gives ties a parameter of their own instead, which few
votes cannot support. `choix` finds the maximum of the likelihood (Maystre & Grossglauser, NeurIPS
2015).

That maximum exists only if no group of methods wins every vote against the others (Ford 1957).
So every two methods start with one tie that weighs `PRIOR_VOTES` of a vote: strengths stay finite,
and methods that no chain of votes connects are placed around one mean, which `Ranking.words` says.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.analysis.statistics import CONFIDENCE
from eval.runs.store import StoredRun, finite
from mirnet.metrics.protocols import shown_metrics
from mirnet.number_format import counted

from .agreement import Agreement, measure_agreement
from .vote_bootstrap import MIN_CLUSTERS, RESAMPLES, vote_weights
from .votes import Vote, all_votes

if TYPE_CHECKING:
    import pandas as pd

PRIOR_VOTES = 0.2
"""Weight of the tie that every two methods start with."""


@dataclass(frozen=True)
class Ranking:
    """Ranking of a run's methods by all votes on it."""

    run: str
    """Id of the run."""
    protocol: str
    """Protocol, with version, of PSNR and SSIM in the table."""
    table: "pd.DataFrame"
    """A row for each method, the strongest first: `method`, `title`, `strength` (log-odds against
    the mean of all methods with votes), `low` and `high` (95 % interval), `wins`, `ties`, `losses`,
    `comparisons`, and the run's mean of every metric by its key. Strength is not a number
    without votes; the interval is not without anything to resample, and for a method that won or
    lost every vote, to which the votes set no bound."""
    votes: int
    """Number of votes, without skipped questions."""
    skipped: int
    """Number of skipped questions."""
    reviewers: int
    """Number of reviewers with votes."""
    pictures: int
    """Number of pictures with votes."""
    resampled: tuple[str, ...]
    """Clusters resampled for the intervals: "pictures", "reviewers", both or none."""
    groups: tuple[tuple[str, ...], ...]
    """Ids of methods connected by chains of votes; with one group all methods are comparable."""
    agreement: Agreement
    """Consistency of reviewers with themselves and with each other."""

    @property
    def words(self) -> str:
        """Caption: number of votes, model, how intervals were made, and which methods compare."""
        if not self.votes:
            if not self.skipped:
                return "Nobody has voted yet."
            were = "was" if self.skipped == 1 else "were"
            skipped = f"{counted(self.skipped, 'question')} {were} skipped."
            return f"Nobody has given an answer yet: {skipped}"
        parts = [
            f"{counted(self.votes, 'vote')} of {counted(self.reviewers, 'reviewer')} on "
            f"{counted(self.pictures, 'picture')}, {self.skipped} skipped.",
            "Strength: Bradley-Terry log-odds against the mean, a tie is half a win for each; every"
            f" two methods start with a tie of weight {PRIOR_VOTES:g}.",
        ]
        if self.resampled:
            parts.append(
                f"{100 * CONFIDENCE:g} % intervals: bootstrap over {' and '.join(self.resampled)}, "
                f"{RESAMPLES} times; none where a method won or lost every vote."
            )
        else:
            parts.append(
                f"No intervals: they need {MIN_CLUSTERS} pictures or {MIN_CLUSTERS} reviewers."
            )
        if len(self.groups) > 1:
            names = "; ".join(", ".join(group) for group in self.groups)
            parts.append(f"No vote connects these groups, so compare within them only: {names}.")
        parts += [self.agreement.words] if self.agreement.words else []
        return " ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """All fields as plain values for JSON; NaN becomes None."""
        methods = [
            {
                name: finite(value) if isinstance(value, float) else value
                for name, value in row.items()
            }
            for row in self.table.to_dict("records")
        ]
        return {
            "run": self.run,
            "protocol": self.protocol,
            "votes": self.votes,
            "skipped": self.skipped,
            "reviewers": self.reviewers,
            "pictures": self.pictures,
            "resampled": list(self.resampled),
            "groups": [list(group) for group in self.groups],
            "agreement": asdict(self.agreement),
            "words": self.words,
            "methods": methods,
        }


def rank_methods(stored: StoredRun) -> Ranking:
    """Rank the methods of a run by all stored votes.

    Raises:
        InvalidRequest: The run or a file of votes is damaged.
    """
    import pandas as pd

    run = stored.header()
    ids = [method.id for method in run.methods]
    known = [vote for vote in all_votes(stored) if vote.a in ids and vote.b in ids]
    all_cast = [vote for vote in known if not vote.repeat]  # one person's opinion counts once
    votes = [vote for vote in all_cast if vote.outcome != "skip"]
    frame, resampled = fit_strengths(votes, ids)
    frame.insert(1, "title", [method.title for method in run.methods])
    means = {summary.method: summary.scores for summary in run.summary}
    for metric in shown_metrics(run.protocol):
        frame[metric.key] = [means.get(name, {}).get(metric.key, math.nan) for name in ids]
    frame = frame.sort_values("strength", ascending=False, kind="stable", ignore_index=True)
    return Ranking(
        run=run.id,
        protocol=run.protocol,
        table=pd.DataFrame(frame),
        votes=len(votes),
        skipped=len(all_cast) - len(votes),
        reviewers=len({vote.reviewer.casefold() for vote in votes}),
        pictures=len({vote.pair for vote in votes}),
        resampled=resampled,
        groups=_groups(votes, ids),
        agreement=measure_agreement(known),
    )


def fit_strengths(
    votes: Sequence[Vote], methods: list[str], seed: int = 0
) -> tuple["pd.DataFrame", tuple[str, ...]]:
    """Fit strengths and their intervals.

    The bootstrap draws pictures and reviewers; see `vote_bootstrap.vote_weights`.

    Args:
        votes: Votes without skipped ones; both methods of each must be in `methods`.

    Returns:
        The columns `method` to `comparisons` of `Ranking.table`, in the order of `methods`, and
        what was resampled.
    """
    import pandas as pd

    place = {name: number for number, name in enumerate(methods)}
    n = len(methods)
    credit = np.zeros((len(votes), n, n))  # credit[v, i, j]: what vote v gives i against j
    tied = np.zeros((len(votes), n), bool)
    for number, vote in enumerate(votes):
        a, b = place[vote.a], place[vote.b]
        share = {"a": 1.0, "b": 0.0, "tie": 0.5}[vote.outcome]
        credit[number, a, b], credit[number, b, a] = share, 1 - share
        tied[number, [a, b]] = vote.outcome == "tie"
    wins = (credit == 1).sum(axis=(0, 2))
    losses = (credit == 1).sum(axis=(0, 1))
    ties = tied.sum(axis=0)
    used = np.flatnonzero(wins + ties + losses)
    strength, low, high = np.full((3, n), math.nan)
    resampled: tuple[str, ...] = ()
    if used.size:
        credit = credit[:, used][:, :, used]
        strength[used] = _strengths(credit.sum(axis=0))
        clusters = {
            "pictures": [vote.pair for vote in votes],
            "reviewers": [vote.reviewer.casefold() for vote in votes],
        }
        weights, resampled = vote_weights(clusters, seed)
        if resampled:
            fits = [
                _strengths(np.tensordot(resample, credit, axes=1), strength[used])
                for resample in weights
            ]
            ends = (1 - CONFIDENCE) / 2
            low[used], high[used] = np.quantile(fits, [ends, 1 - ends], axis=0)
            unbounded = (wins + ties == 0) | (losses + ties == 0)
            low[unbounded], high[unbounded] = math.nan, math.nan
    frame = pd.DataFrame(
        {
            "method": methods,
            "strength": strength,
            "low": low,
            "high": high,
            "wins": wins,
            "ties": ties,
            "losses": losses,
            "comparisons": wins + ties + losses,
        }
    )
    return frame, resampled


def _strengths(wins: np.ndarray, begin: np.ndarray | None = None) -> np.ndarray:
    """Strengths as log-odds against the mean, from (n, n) wins of row against column."""
    from choix import ilsr_pairwise_dense

    prior = PRIOR_VOTES / 2 * (1 - np.eye(len(wins)))
    return ilsr_pairwise_dense(wins + prior, initial_params=begin, max_iter=1000, tol=1e-6)


def _groups(votes: Sequence[Vote], methods: list[str]) -> tuple[tuple[str, ...], ...]:
    """Methods with votes, grouped by chains of votes that connect them."""
    from scipy.sparse.csgraph import connected_components

    used = [name for name in methods if any(name in (vote.a, vote.b) for vote in votes)]
    if not used:
        return ()
    links = np.zeros((len(used), len(used)))
    for vote in votes:
        links[used.index(vote.a), used.index(vote.b)] = 1
    count, group = connected_components(links, directed=False)
    return tuple(
        tuple(name for name, own in zip(used, group, strict=True) if own == number)
        for number in range(count)
    )
