"""What the interval of a comparison does not say, and a reader has to know."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from ai_energy_benchmarks.analysis.ratio import Ratio
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.quotable import (
    J_PER_OUTPUT_TOKEN,
    J_PER_REQUEST,
    Figure,
    checks,
    emitted_tokens,
    level,
)
from ai_energy_benchmarks.study.comparison.sides import Sides

# Mean output tokens of a request that differ by more than this are named: a tenth of a percent moves no sign.
_SAME_TOKENS = 0.001
_BY_METHOD = {
    "trials of one process": (
        "one process on each side: the interval is of repeated trials within it, which is no replication; another "
        "start of the same program may differ by more. Give several results on each side"
    ),
    "no interval": "one process on each side, without scatter over its trials: no interval. Give several results",
    "pooled": "one side has a single process; the interval assumes that it scatters as the other side does",
}


def cautions(sides: Sides, figure: Figure, quotient: Ratio) -> tuple[str, ...]:
    """One sentence each, the gravest first."""
    found = [*_tokens(sides)]
    if quotient.method in _BY_METHOD:
        found.append(_BY_METHOD[quotient.method])
    if figure.kind == "energy":
        found += _meters(sides)
    return (*found, *_verdicts(sides))


def _tokens(sides: Sides) -> Iterator[str]:
    """A side that emits less pays its prefill over fewer tokens, and less for each request."""
    tokens = [[count for run in side if (count := emitted_tokens(run.document))] for side in sides.both]
    if not all(tokens):
        return
    means = [fmean(side) for side in tokens]
    if abs(means[1] / means[0] - 1) <= _SAME_TOKENS:
        return
    text = f"emitted tokens differ: {means[0]:.4g} output tokens a request in A, {means[1]:.4g} in B"
    try:
        per_token, per_request = (sides.ratio(figure).best for figure in (J_PER_OUTPUT_TOKEN, J_PER_REQUEST))
    except ConfigError:  # one of them is withheld, or there is no energy: the counts differ all the same
        yield text
        return
    text += f"; B uses {per_token - 1:+.1%} J per output token and {per_request - 1:+.1%} J per request"
    yield text + (": the sign depends on which of the two is meant" if (per_token > 1) != (per_request > 1) else "")


def _meters(sides: Sides) -> Iterator[str]:
    name = sides.component.upper()
    if sides.modelled:
        yield f"{name} energy is modelled, not measured: the ratio is that of a model"
    if sides.gain_uncertainty is None:
        yield "the sides were measured by different devices, whose gains are not known"
    elif sides.gain_uncertainty:
        yield "the sides were measured by different devices: the interval includes the gain of both sensors"


def _verdicts(sides: Sides) -> Iterator[str]:
    for name, side in zip("AB", sides.both, strict=True):
        warned = [run for run in side if level(run.document, sides.component) == "WARN"]
        if warned:
            names = ", ".join(dict.fromkeys(check for run in warned for check in checks(run.document, "WARN")))
            yield f"the verdict is WARN in {len(warned)} of {len(side)} runs of {name}: {names}"
