"""The figures of a report document that other tools are given, each with its verdict or why it is withheld."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from ai_energy_benchmarks.results.quotable import (
    FIGURES,
    J_PER_OUTPUT_TOKEN,
    J_PER_REQUEST,
    OUTPUT_TOKENS_PER_S,
    Document,
    Figure,
    Quoted,
    block,
    has_bounds,
    level,
    quoted,
)

ENERGIES = (FIGURES["energy_j"], J_PER_OUTPUT_TOKEN, J_PER_REQUEST, FIGURES["average_power_w"])
SPEEDS = (OUTPUT_TOKENS_PER_S, *(figure for figure in FIGURES.values() if figure.kind == "latency"))


@frozen
class Exported:
    """One figure.

    Attributes:
        component: whose energy it is; empty of a speed or a latency.
        value: None where it is withheld.
        withheld: why; empty where there is a value.
        method: measured, integrated or modelled; empty of a speed or a latency.
        bounded: whether the low and the high end of the value are bounds of a meter, as those of a model are not.
        verdict: the level of its component, of the run for a speed or a latency.
    """

    figure: Figure
    component: str
    value: Quoted | None
    withheld: str
    method: str
    meter: str
    verdict: str
    bounded: bool = False

    @property
    def name(self) -> str:
        """Such as ``gpu.j_per_output_token``."""
        return f"{self.component}.{self.figure.name}" if self.component else self.figure.name


def exported(document: Document) -> tuple[Exported, ...]:
    """Every energy of every component, then speeds and latencies that are known."""
    return (*_energies(document), *_speeds(document))


def _energies(document: Document) -> Iterator[Exported]:
    for component, described in block(document, "components").items():
        for figure in ENERGIES:
            value = quoted(document, figure, component)
            known = described if isinstance(described, dict) else {}
            yield Exported(
                figure,
                component,
                None if isinstance(value, str) else value,
                value if isinstance(value, str) else "",
                str(known.get("source", "")),
                str(known.get("meter", "")),
                level(document, component),
                has_bounds(document, component),
            )


def _speeds(document: Document) -> Iterator[Exported]:
    component = str(block(document, "verdict").get("headline") or "total")
    verdict = str(block(document, "verdict").get("level") or "unknown")
    for figure in SPEEDS:
        value = quoted(document, figure, component)
        if not isinstance(value, str):
            yield Exported(figure, "", value, "", "", "", verdict)
        elif figure is OUTPUT_TOKENS_PER_S:
            yield Exported(figure, "", None, value, "", "", verdict)


def reasons(figures: Sequence[Exported]) -> dict[str, str]:
    """Name → why it is withheld."""
    return {figure.name: figure.withheld for figure in figures if figure.value is None}


def verdict_of(document: Document) -> str:
    """The level of the run."""
    return str(block(document, "verdict").get("level") or "unknown")
