"""Readings of gauges and counters whose times are exact, for tests that compute a finding by hand."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from ai_energy_benchmarks.domain.power import Device, Quantity, Series
from ai_energy_benchmarks.domain.verdict import Finding
from tests.factories import GPU

Line = tuple[str, str, str, str | None]


def gauge(
    quantity: Quantity, *rows: tuple[float, float], device: Device = GPU, call_s: float = 0.0, meter: str = "nvml"
) -> Series:
    """Values by the time at which each call returned; the call began ``call_s`` before."""
    return Series(
        device,
        quantity,
        meter,
        array("d", (time_s - call_s for time_s, _ in rows)),
        array("d", (time_s for time_s, _ in rows)),
        array("d", (value for _, value in rows)),
    )


def lines(findings: Iterable[Finding]) -> list[Line]:
    """All that a reader sees of findings: level, check, sentence and component."""
    return [(each.level, each.check, each.message, each.component) for each in findings]
