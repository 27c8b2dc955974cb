"""What the rests next to the trials showed: whether each GPU came to rest in time, and how late its counter seems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from ai_energy_benchmarks.domain.power import Device, EdgeState, WindowEdges
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding, Level

CHECK = "window edges"
# Ticks of 20 ms (A100) to 100 ms (H200) have been recorded: "Recordings of real GPUs" in docs/validation.md.
_LONGEST_TICK_MS = 100.0
_BY_STATE: Mapping[EdgeState, Level] = {"unsettled": "FAIL", "late": "WARN", "raised": "WARN", "flat": "PASS"}


def edge_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """One line on the rests of each counted device, and one on the delay that its edges suggest."""
    found: dict[Device, list[WindowEdges]] = {}
    for trial in trials:
        for reading in () if trial.measurement is None else trial.measurement.readings:
            if reading.counted and reading.edges is not None:
                found.setdefault(reading.device, []).append(reading.edges)
    for device, seen in found.items():
        name = device.label or device.id
        states: list[EdgeState] = [edge.state for edge in seen]
        for state, level in _BY_STATE.items():
            number = states.count(state)
            if number and (state != "flat" or number == len(seen)):
                those = [edge for edge in seen if edge.state == state]
                message = f"{name}: {_message(state, those)} ({number} of {len(seen)} trials)"
                yield Finding(level, CHECK, message, device.component)
        yield from _apparent(name, device, seen)


def _lag(edge: str, milliseconds: float) -> str:
    """How late or early; by more than the longest known tick a counter cannot be early, so the work was uneven."""
    if milliseconds < -_LONGEST_TICK_MS:
        return f"the delay at the {edge} is not known, since the power of the work was not even there"
    return f"its counter seems to show the {edge} of the work {abs(milliseconds):.0f} ms " + (
        "late" if milliseconds >= 0 else "early"
    )


def _message(state: EdgeState, seen: Sequence[WindowEdges]) -> str:
    longest_ms = 1e3 * max(edge.delay_high_s for edge in seen)
    if state == "unsettled":
        return (
            "its power did not come to rest next to the trials, so their energy is known by its bounds only; "
            "fix: run nothing else on it"
        )
    if state == "late":
        return (
            f"it showed power above that of its rest for up to {longest_ms:.0f} ms after the work: a slow fall, a late "
            "counter or a sensor that lags; the bounds allow for all three"
        )
    if state == "raised":
        change_w = max((edge.idle_change_w for edge in seen), key=abs)
        return f"its rest after a trial drew up to {change_w:+.3g} W against the one before; the bounds allow for it"
    return f"it was at rest within {longest_ms:.0f} ms next to the trials"


def _apparent(name: str, device: Device, seen: Sequence[WindowEdges]) -> Iterator[Finding]:
    medians_ms = {"begin": _median_ms(edge.rise_s for edge in seen), "end": _median_ms(edge.fall_s for edge in seen)}
    lags = [_lag(edge, median_ms) for edge, median_ms in medians_ms.items() if median_ms is not None]
    if lags:
        yield Finding("INFO", "apparent delay", f"{name}: {'; '.join(lags)} (medians)", device.component)


def _median_ms(values: Iterable[float | None]) -> float | None:
    known = [1e3 * value for value in values if value is not None]
    return median(known) if known else None
