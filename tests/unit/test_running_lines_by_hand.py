"""The sentences on how many requests a server ran, by hand, for ten in flight."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.running_checks import running_findings
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.serving import ServerLoad
from ai_energy_benchmarks.domain.steady import SteadyWindow
from tests.factories import trial
from tests.unit.gauges_by_hand import Line, lines


def load(readings: int, mean: float | None, most: float | None = None, waiting: float | None = None) -> ServerLoad:
    return ServerLoad(readings, running_mean=mean, running_most=most, waiting_mean=waiting)


def steady(number: int, of_window: ServerLoad | None, of_trial: ServerLoad | None = None) -> Trial:
    window = SteadyWindow(22.0, 28.0, 10, server_load=of_window)
    return evolve(trial(number), steady=window, server_load=of_trial)


def found(*loads: ServerLoad | None) -> list[Line]:
    return lines(running_findings([steady(number, each) for number, each in enumerate(loads, 1)]))


LIMITED = (
    "the figures are not those of 10 requests in flight; raise the server's own limit of requests, or lower "
    "load.concurrency"
)
UNSEEN = (
    "the others are in no queue that it reports, so its gauge lags or they wait elsewhere, and the figures may be "
    "those of fewer than 10 requests in flight"
)
OTHERS = "sent here: something else uses it, or its gauge counts a request several times"


def ran(mean: str, by: str) -> str:
    return f"the server ran {mean} of 10 requests on average over the steady window, {by}"


@pytest.mark.parametrize(
    ("loads", "level", "message"),
    [
        ([load(12, 9.0, 10.0)], "PASS", ran("9.00", "by 12 readings")),
        ([load(1, 9.5, 9.5, 3.0)], "PASS", ran("9.50", "by 1 reading")),
        ([load(12, 8.99, 10.0)], "WARN", ran("8.99", f"by 12 readings (at most 10): {UNSEEN}")),
        ([load(12, 5.0, 10.0)], "WARN", ran("5.00", f"by 12 readings (at most 10): {UNSEEN}")),
        ([load(12, 4.99, 10.0)], "FAIL", ran("4.99", f"by 12 readings (at most 10): {UNSEEN}")),
        # By fewer than ten readings the highest decides between the two.
        ([load(10, 4.5, 10.0)], "FAIL", ran("4.50", f"by 10 readings (at most 10): {UNSEEN}")),
        ([load(9, 4.5, 5.0)], "WARN", ran("4.50", f"by 9 readings (at most 5): {UNSEEN}")),
        ([load(9, 4.5, 4.75)], "FAIL", ran("4.50", f"by 9 readings (at most 4.75): {UNSEEN}")),
        ([load(1, 4.5)], "FAIL", ran("4.50", f"by 1 reading (at most 4.5): {UNSEEN}")),
        # Who waits: half of those that do not run are enough for a limit of the server's own.
        ([load(12, 6.0, 6.0, 2.0)], "WARN", ran("6.00", f"with 2.00 waiting, by 12 readings (at most 6): {LIMITED}")),
        ([load(12, 6.0, 6.0, 1.99)], "WARN", ran("6.00", f"with 1.99 waiting, by 12 readings (at most 6): {UNSEEN}")),
        ([load(12, 4.0, 6.0, 0.25)], "FAIL", ran("4.00", f"with 0.25 waiting, by 12 readings (at most 6): {UNSEEN}")),
        # Trials together, each reading the same: 3 of 8 and 9 of 9.5 are 9.125; waiting 3 of 1 and 9 of 0.
        ([load(3, 8.0, 9.0, 1.0), load(9, 9.5, 10.0)], "PASS", ran("9.12", "by 12 readings")),
        ([load(3, 4.0, 9.0, 1.0), load(9, 8.0, 8.5)], "WARN",
         ran("7.00", f"with 0.25 waiting, by 12 readings (at most 9): {UNSEEN}")),
        ([load(6, 4.0, None, 1.0), load(6, 5.0, 5.0, 4.0)], "FAIL",
         ran("4.50", f"with 2.50 waiting, by 12 readings (at most 5): {UNSEEN}")),
        # One that was read often stands for itself, where it is lower than all together.
        ([load(30, 10.0, 10.0), load(10, 7.0, 8.0)], "WARN", ran("7.00", f"by 10 readings (at most 8): {UNSEEN}")),
        ([load(30, 10.0, 10.0), load(9, 7.0, 8.0)], "PASS", ran("9.31", "by 39 readings")),
        ([load(2, 2.0, 2.0), load(30, 9.5, 10.0)], "PASS", ran("9.03", "by 32 readings")),
        # Those without a gauge count for nothing.
        ([None, load(12, 9.0, 10.0), load(5, None, None, 9.0)], "PASS", ran("9.00", "by 12 readings")),
        # More than were sent, together or in a trial that was read often.
        ([load(12, 11.0, 12.0)], "PASS", ran("11.00", "by 12 readings")),
        ([load(3, 11.25, 12.0)], "WARN",
         f"the server ran 11.25 requests on average over the steady window, of which 10 were {OTHERS}"),
        ([load(30, 9.0, 9.0), load(10, 12.0, 12.0)], "WARN",
         f"the server ran 12.00 requests on average over the steady window, of which 10 were {OTHERS}"),
        ([load(30, 9.0, 9.0), load(9, 12.0, 12.0)], "PASS", ran("9.00", "by 30 readings")),
        ([load(2, 20.0, 20.0), load(10, 2.0, 3.0)], "FAIL", ran("2.00", f"by 10 readings (at most 3): {UNSEEN}")),
    ],
)  # fmt: skip
def test_what_a_server_ran_is_one_line(loads: Sequence[ServerLoad | None], level: str, message: str) -> None:
    """About the run: 90 % of the requests in flight pass, half of them fail, and a tenth more are others'."""
    assert found(*loads) == [(level, "server load", message, None)]


def test_a_gauge_that_no_steady_window_holds_is_said_where_there_is_one() -> None:
    """Of a server that reports its running requests, in a trial of which there is a steady window."""
    outside = (
        "INFO",
        "server load",
        "no reading of the server's running requests fell into the steady window; lower load.watch_server_s",
        None,
    )
    read, queue = load(4, 8.0), load(4, None, waiting=2.0)
    for trials, expected in (
        ([steady(1, None, read)], [outside]),
        ([steady(1, queue, None), steady(2, None, read)], [outside]),
        ([steady(1, None, None), evolve(trial(2), server_load=read)], [outside]),
        ([steady(1, queue, queue)], []),
        ([steady(1, None, None)], []),
        ([evolve(trial(1), server_load=read)], []),
        ([], []),
    ):
        assert lines(running_findings(trials)) == expected
