"""Two sides of a comparison as figures: their arms, the ratio of these, and whose meters they come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from attrs import frozen

from ai_energy_benchmarks.analysis.ratio import Arm, Ratio, ratio
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.no_score import number
from ai_energy_benchmarks.results.quotable import Document, Figure, Quoted, block, counted_devices, quoted
from ai_energy_benchmarks.study.stored_runs import StoredRun

_ROOT_3 = math.sqrt(3)


@frozen
class Sides:
    """A and B.

    Attributes:
        component: whose energy is compared.
    """

    first: Sequence[StoredRun]
    second: Sequence[StoredRun]
    component: str

    @property
    def both(self) -> tuple[Sequence[StoredRun], Sequence[StoredRun]]:
        return self.first, self.second

    @property
    def share_cycles(self) -> bool:
        """Whether both are cells of one study with the same cycles, in the same order."""
        studies = {run.study for side in self.both for run in side}
        first, second = ([run.cycle for run in side] for side in self.both)
        return None not in studies and len(studies) == 1 and first == second

    def ratio(self, figure: Figure) -> Ratio:
        """B over A. Raises ``ConfigError`` where the figure of a run is withheld."""
        gain = self.gain_uncertainty if figure.kind == "energy" else 0.0
        arms = [arm(side, figure, self.component) for side in self.both]
        return ratio(arms[0], arms[1], paired=self.share_cycles, gain_uncertainty=gain or 0.0)

    @property
    def gain_uncertainty(self) -> float | None:
        """Of the quotient of two sensors' gains: 0 for the same devices; None where a gain is not known.

        A limit on the gain is the half-width of a rectangular distribution (JCGM 100:2008, 4.3.7).
        """
        devices = [counted_devices([run.document for run in side], self.component) for side in self.both]
        if devices[0] == devices[1]:
            return 0.0
        blocks = [block(side[0].document, "components", self.component) for side in self.both]
        limits = [limit for of in blocks if (limit := number(of.get("sensor_gain_limit"))) is not None]
        return math.hypot(*limits) / _ROOT_3 if len(limits) == 2 else None

    @property
    def modelled(self) -> bool:
        """Whether a model takes the place of a meter."""
        return any(method(run.document, self.component) == "modelled" for side in self.both for run in side)


def headline(runs: Sequence[StoredRun]) -> str:
    """The component that the verdicts of all runs are about.

    Raises:
        ConfigError: they are about different ones.
    """
    components = dict.fromkeys(str(block(run.document, "verdict").get("headline") or "total") for run in runs)
    if len(components) > 1:
        names = " and ".join(components)
        raise ConfigError(f"the headlines are about different components: {names}", remedy="choose one: --component")
    return next(iter(components))


def arm(runs: Sequence[StoredRun], figure: Figure, component: str) -> Arm:
    """The figure of each run, with the meter's bounds as one part that they share.

    Raises:
        ConfigError: it is withheld; the message names every run and why.
    """
    figures = list(_quoted(runs, figure, component))
    mean = fmean(each.value for each in figures)
    edge = max(0.0, mean - fmean(each.low for each in figures), fmean(each.high for each in figures) - mean) / mean
    values = tuple(each.value for each in figures)
    if len(figures) > 1:
        return Arm(values, edge)
    return Arm(values, edge, figures[0].trial_deviation, figures[0].trials)


def _quoted(runs: Sequence[StoredRun], figure: Figure, component: str) -> Iterator[Quoted]:
    withheld = []
    for run in runs:
        value = quoted(run.document, figure, component)
        if isinstance(value, str):
            withheld.append(f"{run.directory or run.run_id or 'a run'}: {value}")
        else:
            yield value
    if withheld:
        lines = "\n  ".join(withheld)
        raise ConfigError(f"{figure.name} of {component.upper()} is withheld:\n  {lines}", remedy="compare other runs")


def method(document: Document, component: str) -> str:
    """Measured, integrated or modelled; ``absent`` without a figure."""
    return str(block(document, "components", component).get("source", "absent"))
