"""The comparison itself: the ratio of two sets of results, what it means for a limit, and what stands against it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.analysis.ratio import Decision, Ratio, decide
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.figures import as_known
from ai_energy_benchmarks.results.quotable import (
    FIGURES,
    J_PER_OUTPUT_TOKEN,
    Figure,
    checks,
    emitted_tokens,
    is_guess,
    level,
)
from ai_energy_benchmarks.study.comparison.cautions import cautions
from ai_energy_benchmarks.study.comparison.circumstances import circumstances
from ai_energy_benchmarks.study.comparison.sides import Sides, arm, headline, method
from ai_energy_benchmarks.study.likeness import Difference, Kind, unlike
from ai_energy_benchmarks.study.stored_runs import StoredRun


@frozen
class Side:
    """One side of a comparison.

    Attributes:
        processes: how many results it has.
        label: what its results are called.
        mean: of the figure over its processes.
        shown: the mean in as many digits as is known of it.
        cv: standard deviation between processes over their mean; None with a single process.
        output_tokens: mean output tokens of a request; None where they are not known.
        verdicts: the level of each run, of the component compared.
    """

    label: str
    processes: int
    mean: float
    shown: str
    cv: float | None
    output_tokens: float | None
    verdicts: tuple[str, ...]


@frozen
class Comparison:
    """B over A.

    Attributes:
        unit: of the figure.
        higher_is_better: of a throughput; of energy and latency the lower is.
        first, second: A and B.
        figure: name of the figure compared.
        component: whose energy it is.
        quotient: B over A.
        limit: by how much B may be worse, as a share; None where nothing was to be decided.
        decision: what the interval says of the limit; None without one.
        allowed: differences in the work that the user allowed.
        cautions: what the interval does not say.
        noted: circumstances that differed.
    """

    figure: str
    unit: str
    higher_is_better: bool
    component: str
    first: Side
    second: Side
    quotient: Ratio
    limit: float | None
    decision: Decision | None
    allowed: tuple[Difference, ...]
    cautions: tuple[str, ...]
    noted: tuple[str, ...]


def compare(
    first: Sequence[StoredRun],
    second: Sequence[StoredRun],
    *,
    figure: str = J_PER_OUTPUT_TOKEN.name,
    component: str | None = None,
    limit: float | None = None,
    allow: Collection[Kind] = (),
) -> Comparison:
    """Compare B, ``second``, with A, ``first``. The unit of replication is a process.

    Args:
        figure: a name of ``results.quotable.FIGURES``.
        component: ``gpu``, ``cpu``, ``dram`` or ``total``; the one that the verdicts are about by default.
        limit: by how much B may be worse, such as 0.05.
        allow: kinds of differences that do not refuse the comparison.

    Raises:
        ConfigError: the results are not of the same work, a figure is withheld, a verdict is FAIL, or the figure or
            the component is unknown. The message names every difference.
    """
    if figure not in FIGURES:
        raise ConfigError(f"there is no figure {figure!r}", remedy=f"choose one of {', '.join(FIGURES)}")
    compared = FIGURES[figure]
    sides = Sides(first, second, component or headline([*first, *second]))
    differences = (*unlike(first, second), *_methods(sides), *_failed(sides))
    refuse(differences, allow)
    quotient = sides.ratio(compared)
    decision = None
    if limit is not None:
        decision = decide(quotient.inverted() if compared.higher_is_better else quotient, limit)
    return Comparison(
        figure=compared.name,
        unit=compared.unit,
        higher_is_better=compared.higher_is_better,
        component=sides.component,
        first=_side(first, compared, sides.component),
        second=_side(second, compared, sides.component),
        quotient=quotient,
        limit=limit,
        decision=decision,
        allowed=differences,
        cautions=cautions(sides, compared, quotient),
        noted=circumstances(first, second),
    )


def refuse(differences: Iterable[Difference], allow: Collection[Kind], things: str = "results") -> None:
    """Refuse what differs in a kind that is not allowed.

    Args:
        things: what is compared, for the message.

    Raises:
        ConfigError: with every difference, and the options that would allow it.
    """
    refused = [difference for difference in differences if difference.kind not in allow]
    if refused:
        kinds = " ".join(f"--allow {kind}" for kind in dict.fromkeys(difference.kind for difference in refused))
        lines = "\n  ".join(map(str, refused))
        alike = all(difference.kind == "verdict" for difference in refused)
        measure = "measure again without what failed" if alike else "measure the same work"
        raise ConfigError(f"these {things} cannot be compared:\n  {lines}", remedy=f"{measure}, or {kinds}")


def _methods(sides: Sides) -> Iterator[Difference]:
    """A modelled figure against a measured one says how good the model is."""
    methods = [list(dict.fromkeys(method(run.document, sides.component) for run in side)) for side in sides.both]
    if methods[0] + methods[1] != 2 * methods[0][:1]:
        first, second = (" and ".join(side) for side in methods)
        yield Difference("method", f"the method of {sides.component.upper()} energy", first, second)


def _failed(sides: Sides) -> Iterator[Difference]:
    levels = [[level(run.document, sides.component) for run in side] for side in sides.both]
    if any("FAIL" in side for side in levels):
        first, second = (f"FAIL for {side.count('FAIL')} of {len(side)} runs" for side in levels)
        names = dict.fromkeys(check for side in sides.both for run in side for check in checks(run.document, "FAIL"))
        yield Difference("verdict", f"the verdict ({', '.join(names)})", first, second)


def _side(runs: Sequence[StoredRun], figure: Figure, component: str) -> Side:
    of = arm(runs, figure, component)
    tokens = [count for run in runs if (count := emitted_tokens(run.document)) is not None]
    mean, scatter = fmean(of.values), of.trial_deviation if of.cv is None else of.cv
    guessed = figure.kind == "energy" and any(is_guess(run.document, component) for run in runs)
    return Side(
        label=" and ".join(dict.fromkeys(str(run.document.get("name")) for run in runs)),
        processes=len(runs),
        mean=mean,
        shown=as_known(mean, scatter=None if scatter is None else scatter * mean, guessed=guessed),
        cv=of.cv,
        output_tokens=fmean(tokens) if tokens else None,
        verdicts=tuple(level(run.document, component) for run in runs),
    )
