"""How many requests the server itself ran, by its own gauges, against those that were sent to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ServerLoad
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.verdict import Finding, Level

CHECK = "server load"
_RUNNING = (0.9, 0.5)
_OTHERS = 1.1
# So many readings of a gauge make a mean that one of them does not decide.
_READINGS = 10

_LIMITED = (
    "the figures are not those of {wanted} requests in flight; raise the server's own limit of requests, or lower "
    "load.concurrency"
)
# vLLM renews its gauge when a step ends: between requests that end together it shows 0 until the next prefill is over.
_UNSEEN = (
    "the others are in no queue that it reports, so its gauge lags or they wait elsewhere, and the figures may be "
    "those of fewer than {wanted} requests in flight"
)


@frozen
class _Ran:
    """What readings of a server's gauges say together.

    Attributes:
        running, waiting: requests on average.
        running_most: maximum number of requests at one reading.
    """

    readings: int
    running: float
    running_most: float
    waiting: float


def _together(parts: Sequence[_Ran]) -> _Ran:
    """The mean over all readings, each of which counts the same."""
    readings = sum(part.readings for part in parts)
    return _Ran(
        readings,
        add_up(part.readings * part.running for part in parts) / readings,
        max(part.running_most for part in parts),
        add_up(part.readings * part.waiting for part in parts) / readings,
    )


def _of_windows(loads: Iterable[ServerLoad | None]) -> list[_Ran]:
    """What each window's gauge showed, of those that have one; older results know no maximum."""
    return [
        _Ran(
            load.readings,
            load.running_mean,
            load.running_mean if load.running_most is None else load.running_most,
            load.waiting_mean or 0.0,
        )
        for load in loads
        if load is not None and load.running_mean is not None
    ]


def running_findings(trials: Sequence[Trial]) -> Iterator[Finding]:
    """What the server itself ran in the steady windows, whatever was sent to it; nothing of trials without one.

    A trial counts by itself only if its gauge was read often: one reading may fall between two requests.
    """
    windows = [trial.steady for trial in trials if trial.steady is not None]
    parts = _of_windows(window.server_load for window in windows)
    if not parts:
        if windows and _of_windows(trial.server_load for trial in trials):
            message = "no reading of the server's running requests fell into the steady window"
            message += "; lower load.watch_server_s"
            yield Finding("INFO", CHECK, message)
        return
    wanted, *_ = (window.concurrency for window in windows)
    cases = [_together(parts), *(part for part in parts if part.readings >= _READINGS)]
    most = max(case.running for case in cases)
    if most > _OTHERS * wanted:
        message = f"the server ran {most:.2f} requests on average over the steady window, of which {wanted} were"
        message += " sent here: something else uses it, or its gauge counts a request several times"
        yield Finding("WARN", CHECK, message)
        return
    yield _ran_finding(min(cases, key=lambda case: case.running), wanted)


def _ran_finding(ran: _Ran, wanted: int) -> Finding:
    """By few readings it is a FAIL only if each of them is that low."""
    share = (ran.running if ran.readings >= _READINGS else ran.running_most) / wanted
    level: Level = "PASS" if ran.running / wanted >= _RUNNING[0] else "FAIL" if share < _RUNNING[1] else "WARN"
    message = f"the server ran {ran.running:.2f} of {wanted} requests on average over the steady window"
    if level != "PASS" and ran.waiting:
        message += f", with {ran.waiting:.2f} waiting"
    message += f", by {ran.readings} reading{'s' if ran.readings != 1 else ''}"
    if level != "PASS":
        message += f" (at most {ran.running_most:g}): "
        why = _LIMITED if ran.waiting >= (wanted - ran.running) / 2 else _UNSEEN
        message += why.format(wanted=wanted)
    return Finding(level, CHECK, message)
