"""The sentences on the rests next to trials: one for each state that was seen, and one on the apparent delay."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.edge_checks import edge_findings
from ai_energy_benchmarks.domain.power import Device, EdgeState, Reading, WindowEdges
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import CPU, GPU, reading, trial
from tests.unit.gauges_by_hand import Line, lines

SETTLED = "it was at rest within"


def edges(
    state: EdgeState = "flat",
    delay_s: float = 0.025,
    idle_change_w: float = 0.0,
    rise_s: float | None = None,
    fall_s: float | None = None,
) -> WindowEdges:
    return WindowEdges(state, delay_s, 300.0, idle_change_w, rise_s, fall_s)


def seen(one: WindowEdges | None, device: Device = GPU, *, counted: bool = True) -> Reading:
    return evolve(reading(device, counted=counted), edges=one)


def found(*of_trials: WindowEdges | None) -> list[Line]:
    return lines(edge_findings([trial(number, seen(one)) for number, one in enumerate(of_trials, 1)]))


UNSETTLED = (
    "Test board 0: its power did not come to rest next to the trials, so their energy is known by its bounds only; "
    "fix: run nothing else on it"
)


def late(longest_ms: int) -> str:
    return (
        f"Test board 0: it showed power above that of its rest for up to {longest_ms} ms after the work: a slow fall, "
        "a late counter or a sensor that lags; the bounds allow for all three"
    )


def raised(change: str) -> str:
    return f"Test board 0: its rest after a trial drew up to {change} W against the one before; the bounds allow for it"


FLAT = f"Test board 0: {SETTLED} 55 ms next to the trials (3 of 3 trials)"


@pytest.mark.parametrize(
    ("of_trials", "expected"),
    [
        ((edges(), edges(delay_s=0.055), edges(delay_s=0.04)), [("PASS", FLAT)]),
        ((edges("unsettled"), edges("unsettled")), [("FAIL", f"{UNSETTLED} (2 of 2 trials)")]),
        ((edges(), edges("unsettled"), None), [("FAIL", f"{UNSETTLED} (1 of 2 trials)")]),
        ((edges("late", 0.125), edges("late", 0.375), edges(delay_s=0.5)), [("WARN", f"{late(375)} (2 of 3 trials)")]),
        (
            (edges("raised", 0.5, 1.25), edges("raised", 0.5, -2.5)),
            [("WARN", f"{raised('-2.5')} (2 of 2 trials)")],
        ),
        (
            (edges("raised", 0.5, 12.345), edges("raised", 0.5, -2.5), edges(idle_change_w=90.0)),
            [("WARN", f"{raised('+12.3')} (2 of 3 trials)")],
        ),
        (
            (edges("raised", 0.5, 3.0), edges("late", 0.25), edges("unsettled"), edges("late", 0.2), edges()),
            [
                ("FAIL", f"{UNSETTLED} (1 of 5 trials)"),
                ("WARN", f"{late(250)} (2 of 5 trials)"),
                ("WARN", f"{raised('+3')} (1 of 5 trials)"),
            ],
        ),
        ((None, None), []),
    ],
)
def test_each_state_that_was_seen_has_a_line_the_worst_first(
    of_trials: tuple[WindowEdges | None, ...], expected: list[tuple[str, str]]
) -> None:
    """With how many of the trials that were looked at; flat rests are said only where all of them are."""
    assert found(*of_trials) == [(level, "window edges", message, "gpu") for level, message in expected]


def test_each_counted_device_has_its_lines() -> None:
    """By name, or by id without one; of a trial that was not measured and of others there is nothing to say."""
    bare = Device("gpu", "GPU-7")
    trials = [
        trial(1, seen(edges(), counted=False), seen(edges(delay_s=0.5), bare), seen(edges(), CPU)),
        trial(2, measured=False),
        trial(3, seen(edges(delay_s=0.25), bare), seen(None, CPU), seen(edges(), counted=False)),
    ]
    assert lines(edge_findings(trials)) == [
        ("PASS", "window edges", f"GPU-7: {SETTLED} 500 ms next to the trials (2 of 2 trials)", "gpu"),
        ("PASS", "window edges", f"Test CPU: {SETTLED} 25 ms next to the trials (1 of 1 trials)", "cpu"),
    ]


def shown(edge: str, lag: str) -> str:
    return f"its counter seems to show the {edge} of the work {lag}"


def unknown(edge: str) -> str:
    return f"the delay at the {edge} is not known, since the power of the work was not even there"


@pytest.mark.parametrize(
    ("rises_s", "falls_s", "said"),
    [
        ((0.010, 0.030, 0.014), (0.05, 0.04, 0.09), [shown("begin", "14 ms late"), shown("end", "50 ms late")]),
        ((-0.010, -0.030, -0.014), (0.0, 0.0, -0.5), [shown("begin", "14 ms early"), shown("end", "0 ms late")]),
        ((-0.00075,) * 3, (0.00075,) * 3, [shown("begin", "1 ms early"), shown("end", "1 ms late")]),
        ((0.010, None, 0.020), (None, None, None), [shown("begin", "15 ms late")]),
        ((None, None, None), (None, -0.03, None), [shown("end", "30 ms early")]),
        ((-0.1, -0.1, -0.1), (0.3, 0.3, 0.3), [shown("begin", "100 ms early"), shown("end", "300 ms late")]),
        ((-0.125, -0.125, -0.125), (-0.2, -0.2, -0.2), [unknown("begin"), unknown("end")]),
    ],
)
def test_the_apparent_delay_is_the_median_of_each_edge(
    rises_s: tuple[float | None, ...], falls_s: tuple[float | None, ...], said: list[str]
) -> None:
    """Late or early in milliseconds; earlier than the longest tick of a counter is no delay."""
    seen_edges = [edges(rise_s=rise_s, fall_s=fall_s) for rise_s, fall_s in zip(rises_s, falls_s, strict=True)]
    message = f"Test board 0: {'; '.join(said)} (medians)"
    assert found(*seen_edges)[1:] == [("INFO", "apparent delay", message, "gpu")]


def test_the_apparent_delay_is_that_of_each_device() -> None:
    """And without any edge that was seen there is none."""
    one: Trial = trial(1, seen(edges(rise_s=0.02, fall_s=0.03)), seen(edges(), CPU))
    assert [each[2] for each in lines(edge_findings([one])) if each[1] == "apparent delay"] == [
        f"Test board 0: {shown('begin', '20 ms late')}; {shown('end', '30 ms late')} (medians)"
    ]
