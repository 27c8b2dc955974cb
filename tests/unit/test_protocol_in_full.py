"""What of the protocol was less than whole, in words, at each limit, and what a whole one was."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.verdict import Planned
from tests.factories import verdict
from tests.unit.test_verdict_in_full import five, lines

PLANS: list[tuple[Planned, bool, bool, tuple[str, ...]]] = [
    (Planned(), True, True, ()),
    (Planned(5, 10.0, 10.0, 10, thermal_gate=True), True, True, ()),
    (Planned(6, 10.5, 10.5, 11), True, True, ()),
    # Trials: five, or ten runs of AI Energy Score over a thousand prompts.
    (Planned(4), True, True, ("4 of 5 trials",)),
    (Planned(4, cycles=True), True, True, ()),
    (Planned(5, cycles=True), True, True, ()),
    (Planned(10, score_prompts=1000), True, True, ()),
    (Planned(11, score_prompts=1001), True, True, ()),
    (Planned(9, score_prompts=1000), True, True, ("9 of AI Energy Score's 10 runs",)),
    (Planned(10, score_prompts=999), True, True, ("999 of its 1,000 prompts",)),
    (Planned(4, score_prompts=0), True, True, ("4 of AI Energy Score's 10 runs", "0 of its 1,000 prompts")),
    # The warm-up: ten requests, or as many as it takes.
    (Planned(warmup_requests=None), True, True, ()),
    (Planned(warmup_requests=9), True, True, ("9 of 10 warm-up requests",)),
    (Planned(warmup_requests=1), True, True, ("1 of 10 warm-up requests",)),
    (Planned(warmup_requests=0), True, True, ("no warm-up",)),
    # Rests matter to meters, a thermal gate to GPUs.
    (Planned(bare_idle_s=9.5), True, True, ("9.5 of 10 s bare idle",)),
    (Planned(bare_idle_s=0.0), True, True, ("no bare idle",)),
    (Planned(resident_idle_s=0.5), True, True, ("0.5 of 10 s resident idle",)),
    (Planned(resident_idle_s=0), True, True, ("no resident idle",)),
    (Planned(5, 0.0, 0.0), False, True, ()),
    (Planned(thermal_gate=False), True, True, ("no thermal gate",)),
    (Planned(thermal_gate=False), False, True, ("no thermal gate",)),
    (Planned(thermal_gate=False), True, False, ()),
    (
        Planned(1, 1.0, 2.0, 3, thermal_gate=False),
        True,
        True,
        (
            "1 of 5 trials",
            "3 of 10 warm-up requests",
            "1 of 10 s bare idle",
            "2 of 10 s resident idle",
            "no thermal gate",
        ),
    ),
]


@pytest.mark.parametrize(("planned", "metrics", "gpu", "shortened"), PLANS)
def test_what_is_less_than_the_whole_protocol(
    planned: Planned, metrics: bool, gpu: bool, shortened: tuple[str, ...]
) -> None:
    """In words, and as one line of the verdict."""
    assert tuple(planned.shortened(metrics=metrics, gpu=gpu)) == shortened
    found = lines(verdict(five(), planned=planned, gpu=gpu, metrics_enabled=metrics), "protocol")
    assert [level for level, _ in found] == ["WARN" if shortened else "PASS"]
    if shortened:
        assert found[0][1] == f"shortened protocol: {', '.join(shortened)}"


@pytest.mark.parametrize(
    ("planned", "metrics", "message"),
    [
        (Planned(), True, "5 trials, 10 warm-up requests, idle before and after"),
        (Planned(), False, "5 trials, 10 warm-up requests"),
        (Planned(7, warmup_requests=12), False, "7 trials, 12 warm-up requests"),
        (Planned(warmup_requests=None), True, "5 trials, a warm-up until the speed is steady, idle before and after"),
        (Planned(1, cycles=True), False, "1 trial, repeated by the cycles of a study, 10 warm-up requests"),
        (Planned(2, cycles=True), False, "2 trials, repeated by the cycles of a study, 10 warm-up requests"),
    ],
)
def test_a_whole_protocol_is_named(planned: Planned, metrics: bool, message: str) -> None:
    """With the number of trials, the warm-up, and the rests that meters need."""
    assert lines(verdict(five(), planned=planned, metrics_enabled=metrics), "protocol") == [("PASS", message)]
