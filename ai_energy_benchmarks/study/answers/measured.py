"""The cells of a study as measured: figures over the cycles, with the process as the unit of replication."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal

from attrs import evolve, field, frozen

from ai_energy_benchmarks.domain.statistics import Estimate, estimate
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.figures import as_known
from ai_energy_benchmarks.results.no_score import number
from ai_energy_benchmarks.results.quotable import (
    FIGURES,
    OUTPUT_TOKENS_PER_S,
    Document,
    Figure,
    Quoted,
    block,
    checks,
    counted_devices,
    emitted_tokens,
    is_guess,
    level,
    quoted,
)
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document
from ai_energy_benchmarks.study.answers.hardware import hardware_of
from ai_energy_benchmarks.study.cells import Cell, read_cells
from ai_energy_benchmarks.study.likeness import work
from ai_energy_benchmarks.study.manifest import Manifest, read_manifest
from ai_energy_benchmarks.study.stored_runs import run_of

_ROOT_3 = math.sqrt(3)
_MOST_CHECKS = 3


@frozen
class MeasuredCell:
    """One cell over its cycles.

    Attributes:
        values: cycle → the figure compared, where it is not withheld.
        estimate: its mean with its intervals; None without a value.
        edge: relative distance from the mean to the farther mean bound of the meter.
        verdicts: cycle → level, of the completed ones.
        hardware: cycle → the kind of machine that it ran on, where there is a figure.
        failed_checks: check → in how many cycles it failed, of those with a verdict of FAIL; the most frequent first.
        warned_checks: check → in how many cycles it was WARN, of those with a verdict of WARN.
        withheld: cycle → why there is no figure: it did not complete, or the report withholds it.
        others: name of a latency or throughput → mean over the cycles.
        good_share: share of the requests that kept every service-level objective; None where none was set.
        output_tokens: mean output tokens of a request.
        devices: those that were counted in any cycle.
        modelled: whether the figure is an energy that a model gave in any cycle; it then has no interval.
        guessed: whether it is an energy that is good to an order of magnitude only.
        work: what was asked of the model, by its name, in the first completed cycle.
    """

    cell: Cell
    values: Mapping[int, float]
    estimate: Estimate | None
    edge: float
    verdicts: Mapping[int, str]
    withheld: Mapping[int, str]
    others: Mapping[str, float]
    good_share: float | None
    output_tokens: float | None
    work: Mapping[str, str] = field(repr=False, factory=dict)
    devices: frozenset[tuple[str, str]] = frozenset()
    modelled: bool = False
    guessed: bool = False
    failed_checks: Mapping[str, int] = field(factory=dict)
    warned_checks: Mapping[str, int] = field(factory=dict)
    hardware: Mapping[int, str] = field(factory=dict)

    @property
    def name(self) -> str:
        """What the cell is called."""
        return self.cell.label or self.cell.id

    @property
    def shown(self) -> str:
        """The mean with its interval, in as many digits as is known of it; empty without a value."""
        known = self.estimate
        if known is None:
            return ""
        width, scatter = known.leading_half_width, known.standard_deviation
        return as_known(known.mean, half_width=width, scatter=scatter, guessed=self.guessed)

    @property
    def doubt(self) -> str:
        """The verdict and its checks, to stand next to the figure; empty where no cycle is WARN or FAIL."""
        level, of = ("FAIL", self.failed_checks) if self.failed else ("WARN", self.warned_checks)
        if level not in self.verdicts.values():
            return ""
        named = ", ".join(list(of)[:_MOST_CHECKS])
        return f" (verdict {level}{f': {named}' if named else ''})"

    @property
    def failed(self) -> int:
        """How many cycles ended in the verdict FAIL."""
        return list(self.verdicts.values()).count("FAIL")


def measured_cells(study: Path, figure: Figure, component: str | None) -> tuple[str, tuple[MeasuredCell, ...]]:
    """Read every cell of a study.

    Args:
        component: whose energy; the one that the first verdict is about by default.

    Returns:
        The component, and the cells in the order in which they were declared.

    Raises:
        ConfigError: no cycle of any cell is complete.
    """
    manifest, cells = read_manifest(study), []
    for cell in read_cells(study):
        documents = dict(_completed(study, manifest, cell))  # those of one cell at a time: all may be gigabytes
        component = component or _headline(documents)
        cells.append(_measured(cell, documents, manifest, figure, component or "total"))
    if component is None:
        raise ConfigError(f"no cell of {study} is complete yet", remedy=f"ai-energy-benchmark study resume {study}")
    return component, tuple(cells)


def _headline(documents: Mapping[int, Document]) -> str | None:
    """The component that the verdict of the first completed cycle is about."""
    return next((str(block(of, "verdict").get("headline") or "total") for of in documents.values()), None)


def _completed(study: Path, manifest: Manifest, cell: Cell) -> Iterator[tuple[int, Document]]:
    for attempt in sorted(manifest.completed(cell.id), key=lambda attempt: attempt.cycle):
        yield attempt.cycle, load_document(study / attempt.directory / RESULT_FILE)


def _measured(
    cell: Cell, documents: Mapping[int, Document], manifest: Manifest, figure: Figure, component: str
) -> MeasuredCell:
    quotes = {cycle: quoted(document, figure, component) for cycle, document in documents.items()}
    figures = {cycle: value for cycle, value in quotes.items() if isinstance(value, Quoted)}
    withheld = {cycle: why for cycle, why in quotes.items() if isinstance(why, str)}
    for (name, cycle), attempt in manifest.latest.items():
        if name == cell.id and attempt.state != "completed":
            withheld[cycle] = f"{attempt.state or 'unfinished'}{f': {attempt.reason}' if attempt.reason else ''}"
    values = {cycle: value.value for cycle, value in figures.items()}
    return MeasuredCell(
        cell=cell,
        values=values,
        estimate=_estimate(list(figures.values()), documents, figure, component) if figures else None,
        edge=_edge(list(figures.values())),
        verdicts={cycle: level(document, component) for cycle, document in documents.items()},
        withheld=dict(sorted(withheld.items())),
        others=_others(list(documents.values()), component),
        good_share=_mean(number(block(document, "goodput").get("share")) for document in documents.values()),
        output_tokens=_mean(map(emitted_tokens, documents.values())),
        work=_work(documents),
        devices=counted_devices(documents.values(), component),
        modelled=_modelled(documents, figure, component),
        guessed=figure.kind == "energy" and any(is_guess(of, component) for of in documents.values()),
        failed_checks=_checks(documents.values(), component, "FAIL"),
        warned_checks=_checks(documents.values(), component, "WARN"),
        hardware={cycle: hardware_of(documents[cycle]) for cycle in values},
    )


def _checks(documents: Iterable[Document], component: str, verdict: Literal["WARN", "FAIL"]) -> dict[str, int]:
    of_level = (document for document in documents if level(document, component) == verdict)
    counts = Counter(name for document in of_level for name in dict.fromkeys(checks(document, verdict, component)))
    return dict(counts.most_common())


def _modelled(documents: Mapping[int, Document], figure: Figure, component: str) -> bool:
    sources = (block(of, "components", component).get("source") for of in documents.values())
    return figure.kind == "energy" and "modelled" in sources


def _estimate(figures: Sequence[Quoted], documents: Mapping[int, Document], figure: Figure, component: str) -> Estimate:
    """As of trials, but over processes: t·s/√n and the meter's part, with the sensor's gain in quadrature.

    Modelled energy has no interval: the error of the model is the same in every process, and is not known.
    """
    limits = [number(block(of, "components", component).get("sensor_gain_limit")) for of in documents.values()]
    known = [limit for limit in limits if limit is not None]
    gain = max(known) / _ROOT_3 if known and figure.kind == "energy" else None
    mean = estimate([of.value for of in figures], [(of.low, of.high) for of in figures], gain)
    return evolve(mean, half_width=None, half_width_with_gain=None) if _modelled(documents, figure, component) else mean


def _edge(figures: Sequence[Quoted]) -> float:
    if not figures:
        return 0.0
    mean = fmean(figure.value for figure in figures)
    return (
        max(0.0, mean - fmean(figure.low for figure in figures), fmean(figure.high for figure in figures) - mean) / mean
    )


def _work(documents: Mapping[int, Document]) -> dict[str, str]:
    first = next(iter(documents.values()), None)
    facts = work(run_of(first)) if first is not None else {}
    return {f"{kind}: {name}": str(value) for (kind, name), value in facts.items() if value is not None}


def _others(documents: Sequence[Document], component: str) -> dict[str, float]:
    means = {}
    for figure in (OUTPUT_TOKENS_PER_S, *(latency for latency in FIGURES.values() if latency.kind == "latency")):
        values = [value for document in documents if isinstance(value := quoted(document, figure, component), Quoted)]
        if values:
            means[figure.name] = fmean(value.value for value in values)
    return means


def _mean(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
