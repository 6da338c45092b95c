"""Slices of a benchmark: the pairs of one camera, one noise level, one range of brightness.

A slice is named by a text "fact=label", the same in links, in tables and on the command line. Facts
come from the run (`StoredRun.facts`), from the pairs' ids where the benchmark says how, and from
the scores of the untouched input.
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.data.benchmarks import get_benchmark
from eval.data.pair_facts import Fact, facts_of_name
from eval.runs.annotations import notes_of, selections_of, tags_of
from eval.runs.document import Run
from eval.runs.pair_measures import INPUT_PSNR
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.metrics.registry import PSNR, get_metric
from mirnet.number_format import counted

from . import statistics
from .score_tables import UNTOUCHED, paired_scores, scores_frame

if TYPE_CHECKING:
    import pandas as pd

MAX_GROUPS = 12
"""Different values up to which each is a slice of its own."""
MAX_DISCRETE = 6
"""Different numbers up to which each is a slice of its own; more are cut into `PARTS` ranges."""
CREDITS = ("licence", "license", "author", "source", "url", "credit", "caption")
"""Facts that say whose a picture is, and nothing about it."""
PARTS = ("low", "middle", "high")
"""Ranges of a number, each with a third of the pairs."""
NOISY = ("denoise", "lowlight")
"""Tasks whose inputs are noisy: elsewhere an estimate of noise measures texture."""
TAG, SELECTION = "tag", "selection"
"""Facts of what people wrote: the tags of a picture, and the saved selections it is in."""
FACT_TITLES = {
    INPUT_PSNR: "Input PSNR (dB)",
    "brightness": "Brightness of the input (0 to 255)",
    "texture": "Texture of the target",
    "noise_sigma": "Noise in the input (σ of 255)",
    "iso": "ISO",
}
"""Titles of facts whose names do not say enough."""


@dataclass(frozen=True)
class Slice:
    """Some pairs of a run that have something in common."""

    fact: str
    """Name of the fact."""
    label: str
    """Value of the fact, or the range of its values."""
    pairs: tuple[str, ...]
    """Ids of the pairs, in the run's order."""

    @property
    def name(self) -> str:
        """Name of the slice in links, tables and on the command line."""
        return f"{self.fact}={self.label}"

    @property
    def title(self) -> str:
        """Title of the slice in lists."""
        return f"{fact_title(self.fact)}: {self.label}"


def fact_title(fact: str) -> str:
    """Title of a fact: that of `FACT_TITLES`, or its name in words.

    >>> fact_title("iso"), fact_title("lens_maker")
    ('ISO', 'Lens maker')
    """
    words = fact.replace("_", " ")
    return FACT_TITLES.get(fact, words[:1].upper() + words[1:])


def facts_of_pairs(stored: StoredRun, scores: "pd.DataFrame") -> dict[str, dict[str, Fact]]:
    """Facts of every scored pair of a run by its id, in the run's order.

    A fact of the data set that is called "tag" or "selection" is named "source tag" or "source
    selection" here, as `TAG` and `SELECTION` are what people wrote.

    Args:
        scores: Result of `score_tables.scores_frame`.
    """
    pattern, known = _pattern(stored.header()), stored.facts()
    found = {
        pair: _renamed(facts_of_name(pair, pattern) | known.get(pair, {}))
        for pair in dict.fromkeys(scores.pair)
    }
    if PSNR.key in scores:
        own = scores[(scores.method == UNTOUCHED[0]) & np.isfinite(scores[PSNR.key])]
        for pair, value in zip(own.pair, own[PSNR.key], strict=True):
            found[pair].setdefault(INPUT_PSNR, float(value))
    return found


def _renamed(facts: dict[str, Fact]) -> dict[str, Fact]:
    """Facts of a data set under names that are neither `TAG` nor `SELECTION`, in any case.

    Different names stay different: one that is "source tag" already becomes "source source tag".

    >>> _renamed({"tag": "blur", "source tag": "b", "iso": 100.0})
    {'source tag': 'blur', 'source source tag': 'b', 'iso': 100.0}
    """
    taken = re.compile(rf"(source )*({TAG}|{SELECTION})", re.IGNORECASE)
    return {f"source {name}" if taken.fullmatch(name) else name: facts[name] for name in facts}


def _pattern(run: Run) -> str | None:
    """Regular expression by which a run's pair ids tell facts; None where they tell none.

    It is that of the catalogue. A run's document may come from anybody, and matching an expression
    of theirs could take for ever.
    """
    try:
        return get_benchmark(run.benchmark.id).facts
    except MIRNetError:  # of another version, or not in the catalogue
        return None


def slices_of(stored: StoredRun, scores: "pd.DataFrame") -> list[Slice]:
    """Slices of a run by every fact that tells its pairs apart.

    A text with up to `MAX_GROUPS` different values gives a slice for each, a number with more than
    `MAX_DISCRETE` three ranges of about as many pairs. Pairs without the fact are in none of them.
    A fact that is another one for each pair, or the same for all, gives none. Each tag and each
    saved selection (`eval.runs.annotations`) is a slice too.

    Args:
        scores: Result of `score_tables.scores_frame`.
    """
    facts = facts_of_pairs(stored, scores)
    names = dict.fromkeys(name for known in facts.values() for name in known)
    left_out = {*CREDITS} if stored.header().task in NOISY else {*CREDITS, "noise_sigma"}
    found: list[Slice] = []
    for name in (name for name in names if name not in left_out):
        values = {pair: known[name] for pair, known in facts.items() if name in known}
        parts = _ranges(values) if _is_continuous(values) else _groups(values)
        tells = len(parts) > 1 or len(values) < len(facts)
        if tells and any(len(pairs) > 1 for pairs in parts.values()):
            found += [Slice(name, label, tuple(pairs)) for label, pairs in parts.items()]
    return found + _written_slices(stored, list(facts))


def _written_slices(stored: StoredRun, pairs: list[str]) -> list[Slice]:
    """Slices of the tags and selections that people wrote, with the scored pairs among `pairs`."""
    written = {TAG: tags_of(notes_of(stored)), SELECTION: selections_of(stored)}
    found = []
    for fact, groups in written.items():
        for label, members in groups.items():
            chosen = set(members)
            if inside := tuple(pair for pair in pairs if pair in chosen):
                found.append(Slice(fact, label, inside))
    return found


def _is_continuous(values: dict[str, Fact]) -> bool:
    different = set(values.values())
    return len(different) > MAX_DISCRETE and not any(isinstance(one, str) for one in different)


def _groups(values: dict[str, Fact]) -> dict[str, list[str]]:
    """Pairs of each value, in the order of the values; nothing where there are too many."""
    groups: dict[Fact, list[str]] = {}
    for pair, value in values.items():
        groups.setdefault(value, []).append(pair)
    if len(groups) > MAX_GROUPS:
        return {}
    order = sorted(groups, key=lambda value: (isinstance(value, str), value))
    labels = [_text(value) for value in order]
    if len(set(labels)) < len(labels):  # numbers that differ in their last digits
        labels = [
            value if isinstance(value, str) else repr(value).removesuffix(".0") for value in order
        ]
    return {label: groups[value] for label, value in zip(labels, order, strict=True)}


def _ranges(values: dict[str, Fact]) -> dict[str, list[str]]:
    """Pairs of each third of the values; equal values stay together."""
    numbers = {pair: float(value) for pair, value in values.items()}
    cuts = np.quantile(list(numbers.values()), [1 / 3, 2 / 3])
    groups: dict[int, list[str]] = {}
    for pair, value in numbers.items():
        groups.setdefault(int(np.searchsorted(cuts, value, "left")), []).append(pair)
    found = {}
    for place in sorted(groups):
        inside = [numbers[pair] for pair in groups[place]]
        found[f"{PARTS[place]}, {min(inside):.4g} to {max(inside):.4g}"] = groups[place]
    return found


def _text(value: Fact) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def pairs_in(slices: Sequence[Slice], names: Collection[str]) -> set[str] | None:
    """Ids of the pairs in chosen slices; None where none of the slices is known.

    Slices of one fact add up (ISO 3200 or 6400), those of several narrow down (ISO 3200, indoors).

    Args:
        names: Names of the chosen ones; unknown names, of an older link, are left out.
    """
    by_fact: dict[str, set[str]] = {}
    for one in slices:
        if one.name in names:
            by_fact.setdefault(one.fact, set()).update(one.pairs)
    return set.intersection(*by_fact.values()) if by_fact else None


def compared_slices(
    scores: "pd.DataFrame", slices: Sequence[Slice], a: str, b: str, metric: str = PSNR.key
) -> "pd.DataFrame":
    """Compare two methods in each slice: where does A lose to B?

    p-values are corrected by Holm's method for the number of slices that have
    `statistics.MIN_FOR_VERDICT` scenes; smaller ones are shown, and nothing is concluded from them.
    Clusters are scenes, as everywhere (`statistics`).

    Args:
        scores: Result of `score_tables.scores_frame`.
        a: Id of the first method, A.
        b: Id of the method that A is compared with, B.

    Returns:
        A row for each slice in which both methods have a finite score, where A loses most first:
        `slice` (its name), `fact`, `label`, `pairs`, `scenes`, `a` and `b` (means over the same
        pictures), `difference` (A minus B), `low`, `high`, `p_value`, `p_holm`, `effect`,
        `win_rate` of A and `verdict` on A.

    Raises:
        InvalidRequest: The run has no such method or metric, or both are one method.
    """
    import pandas as pd

    if a == b:
        raise InvalidRequest("A method is compared with itself: choose two.")
    better = get_metric(metric).higher_is_better
    if metric not in scores:
        raise InvalidRequest(f"This run has no {get_metric(metric).title}: choose another score.")
    both = paired_scores(scores, a, b, metric)
    scene = dict(zip(scores.pair, scores.scene, strict=True))
    rows: list[dict[str, Any]] = []
    compared = []
    for one in slices:
        part = both[both.pair.isin(one.pairs)]
        finite = part[np.isfinite(part[["a", "b"]]).all(axis=1)]
        if finite.empty:
            continue
        paired = statistics.compare(
            part.a, part.b, [scene[pair] for pair in part.pair], higher_is_better=better
        )
        compared.append(paired)
        facts: dict[str, Any] = {"slice": one.name, "fact": one.fact, "label": one.label}
        facts |= {"pairs": paired.pairs, "scenes": paired.clusters}
        rows.append(facts | {"a": float(finite.a.mean()), "b": float(finite.b.mean())})
    tested = [paired for paired in compared if paired.clusters >= statistics.MIN_FOR_VERDICT]
    corrected = iter(statistics.corrected(tested))
    for row, paired in zip(rows, compared, strict=True):
        small = paired.clusters < statistics.MIN_FOR_VERDICT
        row |= statistics.facts_of(replace(paired, p_holm=math.nan) if small else next(corrected))
    columns = ["slice", "fact", "label", "pairs", "scenes", "a", "b"]
    columns += list(statistics.facts_of(None))
    found = pd.DataFrame(rows, columns=columns)
    order = found.difference.sort_values(ascending=better, kind="stable").index
    return found.loc[order].reset_index(drop=True)


def how_many(found: "pd.DataFrame", a: str, b: str) -> str:
    """Say how many slices were looked at, and what that does to the findings.

    Args:
        found: Result of `compared_slices`.
        a: Id or title of the first method.
        b: Id or title of the second one.
    """
    count, worse = len(found), int((found.verdict == "worse").sum())
    tested = count - int((found.verdict == "too few").sum())
    looked = f"{counted(count, 'slice')} {'was' if count == 1 else 'were'}"
    least = statistics.MIN_FOR_VERDICT
    if not tested:
        return f"{looked} looked at, and none has {least} scenes: that is too few for a verdict."
    first = f"{a} loses to {b} in {worse} of {counted(tested, 'slice')}"
    if not worse:
        first = f"No slice shows that {a} loses to {b}"
    return (
        f"{first}. {looked} looked at, {tested} of them with {least} scenes or more, and p is "
        f"corrected for {tested} (Holm). Slices overlap, and one that was chosen because it looks "
        "bad needs new pictures to confirm it."
    )


def compare_in_slices(
    stored: StoredRun,
    a: str,
    b: str,
    metric: str = PSNR.key,
    protocol: str | None = None,
    facts: Collection[str] = (),
) -> "pd.DataFrame":
    """Compare two methods of a stored run in its slices; see `compared_slices`.

    Args:
        a: Id of the first method, A.
        b: Id of the method that A is compared with, B.
        protocol: See `score_tables.chosen_protocol`.
        facts: Names of the facts to look at; all by default. Fewer need less correction.

    Raises:
        InvalidRequest: The run has no slices, or see `compared_slices`.
    """
    scores = scores_frame(stored, protocol)
    slices = slices_of(stored, scores)
    known = list(dict.fromkeys(one.fact for one in slices))
    unknown = [name for name in facts if name not in known]
    if unknown:
        raise InvalidRequest(
            f"No slices by {unknown[0][:80]!r}: choose some of {', '.join(known) or 'none'}."
        )
    chosen = [one for one in slices if not facts or one.fact in facts]
    if not chosen:
        raise InvalidRequest(
            f"Run {stored.id} has no slices: nothing tells its pairs apart. Runs made before facts "
            "were stored get them by `python -m eval describe RUN`."
        )
    return compared_slices(scores, chosen, a, b, metric)
