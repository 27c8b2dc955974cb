"""Whether a GPU was idle, busy or worked, from the power and the utilization of each window."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.gpu_use import GpuUse, Window, gpu_uses
from ai_energy_benchmarks.domain.power import Samples
from tests.factories import GPU, OTHER_GPU, reading, series, step, trial

REST = Window(100.0)


def use(trials: Sequence[Window], rests: Sequence[Window] = (), **known: float) -> GpuUse:
    """A GPU in these windows."""
    return GpuUse(GPU, "nvml", True, tuple(trials), tuple(rests), **known)


def percent(highest: float | None, mean: float | None = None) -> Window:
    """A window of which the power is not known."""
    return Window(None, highest if mean is None else mean, highest)


@pytest.mark.parametrize(
    ("trials", "rests", "idle"),
    [
        ([percent(0.0), percent(1.0)], [], True),
        ([percent(0.0), percent(1.1)], [], False),
        ([percent(0.0), percent(None)], [], None),
        ([percent(2.0), percent(None)], [], False),
        ([percent(None)], [], None),
        ([], [], None),
        ([], [REST], None),
        ([Window(101.9), Window(98.1)], [REST], True),
        ([Window(102.1), Window(100.0)], [REST], False),
        ([Window(100.0), Window(97.9)], [REST], False),
        ([Window(100.0), Window(None)], [REST], False),
        ([Window(100.0, 0.0, 0.0)], [Window(100.0, 0.0, 0.0)], True),
        ([Window(100.0, None, None)], [Window(100.0, 0.0, 0.0)], None),
        ([Window(100.0, None, None)], [Window(100.0, 0.0, 0.0), Window(100.0)], None),
        ([Window(102.0), Window(98.0)], [REST], True),
        ([Window(100.0, 0.0, 0.0), Window(100.0)], [Window(100.0, 0.0, 0.0)], None),
    ],
)
def test_idle_is_known_where_every_trial_is(
    trials: Sequence[Window], rests: Sequence[Window], idle: bool | None
) -> None:
    """At most 1 % of utilization, and the power of rest to within 2 %; a meter that reads both must have read both."""
    assert use(trials, rests).idle is idle


def test_noise_makes_more_room_for_idle() -> None:
    """Three standard deviations of 2 W are 6 W, where 2 % are 2 W."""
    assert use([Window(105.9)], [REST], deviation_w=2.0).idle is True
    assert use([Window(106.1)], [REST], deviation_w=2.0).idle is False


@pytest.mark.parametrize(
    ("trial", "rest", "stands_still"),
    [
        (Window(101.9, 99.0, 100.0), Window(100.0, 0.0, 0.0), True),
        (Window(102.1, 99.0, 100.0), Window(100.0, 0.0, 0.0), False),
        (Window(97.9, 99.0, 100.0), Window(100.0, 0.0, 0.0), False),
        (Window(98.0, 50.1, 100.0), Window(100.0, 5.0, 6.0), True),
        (Window(100.0, 50.0, 100.0), Window(100.0, 0.0, 0.0), False),
        (Window(100.0, 99.0, 100.0), Window(100.0, 5.1, 6.0), False),
        (Window(100.0, 99.0, 100.0), Window(100.0), False),
        (Window(100.0), Window(100.0, 0.0, 0.0), False),
        (Window(None, 99.0, 100.0), Window(100.0, 0.0, 0.0), False),
        (Window(100.0, 99.0, 100.0), Window(None, 0.0, 0.0), False),
    ],
)
def test_power_stands_still_where_work_does_not_change_it(trial: Window, rest: Window, stands_still: bool) -> None:
    """Only where utilization is known to differ, and the power of every trial is that at rest to within 2 %."""
    assert use([trial, trial], [rest]).power_stands_still is stands_still
    assert use([trial, trial], [rest, Window(200.0, 90.0, 90.0)]).power_stands_still is stands_still
    assert use([trial, Window(200.0, 99.0, 100.0)], [rest]).power_stands_still is False
    assert use([trial], []).power_stands_still is False
    assert use([], [rest]).power_stands_still is False


@pytest.mark.parametrize(
    ("trials", "rests", "busy", "worked"),
    [
        ([percent(5.1), percent(6.0)], [], True, None),
        ([percent(5.1), percent(6.0)], [percent(0.0)], True, True),
        ([percent(5.1), percent(6.0)], [percent(5.1)], True, False),
        ([percent(5.1), percent(5.0)], [percent(0.0)], False, False),
        ([percent(5.1)], [percent(0.0)], True, True),
        ([percent(None), percent(None)], [], None, None),
        ([percent(0.0), percent(None)], [], None, None),
        ([percent(0.0), percent(0.0)], [], False, False),
        ([], [], False, False),
        ([Window(161.0), Window(161.0)], [REST], True, True),
        ([Window(160.0), Window(160.0)], [REST], False, False),
        ([Window(161.0), Window(None)], [REST], False, False),
        ([Window(300.0), Window(300.0)], [REST, Window(201.0)], True, False),
        ([Window(300.0), Window(300.0)], [REST, Window(199.0)], True, True),
        ([Window(300.0), Window(300.0)], [REST, Window(None)], True, True),
        ([Window(300.0), Window(300.0)], [REST, Window(200.0)], True, True),
        ([Window(300.0), Window(340.0)], [REST, Window(209.0)], True, True),
        ([Window(300.0), Window(340.0)], [REST, Window(211.0)], True, False),
        # At work by its utilization; its power says too little of work to say that it went on.
        ([Window(110.0, 9.0, 9.0), Window(110.0, 9.0, 9.0)], [REST, Window(109.0)], True, True),
    ],
)
def test_worked_is_busy_in_the_trials_and_not_at_rest(
    trials: Sequence[Window], rests: Sequence[Window], busy: bool | None, worked: bool | None
) -> None:
    """Over 5 %, or over rest by a tenth of what is left to the limit of 700 W: in two trials, if there are as many."""
    found = use(trials, rests, limit_w=700.0)
    assert (found.busy, found.worked) == (busy, worked)


def test_without_a_limit_half_of_the_idle_power_stands_for_it() -> None:
    """From 150 W on where it rests at 100 W."""
    assert use([Window(151.0)], [REST]).busy is True
    assert use([Window(150.0)], [REST]).busy is False


def test_a_window_knows_its_power_and_what_the_utilization_was_from_its_second_second_on() -> None:
    """The first second may still show what was before: 10 s of 1,000 J, 9 s of which 4 s were at 60 and 5 s at 20 %."""
    told = series(GPU, "utilization_percent", (15.0, 20.0, 21.0, 25.0, 30.0, 35.0), (90, 90, 60, 20, 20, 99))
    told = evolve(told, after_s=told.before_s)
    power = series(GPU, "power_w", (0.0, 2.0, 4.0, 6.0, 10.0), (48.0, 52.0, 48.0, 52.0, 50.0))
    limit = series(GPU, "power_limit_w", (0.0, 30.0), (400.0, 350.0))
    steps = [step("resident idle", reading(energy_j=500)), step("load", reading(energy_j=9000))]
    (found,) = gpu_uses([trial(1, reading(energy_j=1000))], steps, Samples((told, power, limit)))
    (window,) = found.trials
    assert (window.power_w, window.highest_percent) == (100.0, 60)
    assert window.mean_percent == pytest.approx((4 * 60 + 5 * 20) / 9)
    assert (found.idle_w, found.limit_w) == (50.0, 350.0)
    assert found.deviation_w == pytest.approx(2.0, rel=0.2)
    assert [rest.power_w for rest in found.rests] == [50.0]


def test_a_window_shorter_than_the_driver_s_period_has_no_utilization() -> None:
    """What is read in it may be all from before."""
    sampled = series(GPU, "utilization_percent", (15.0, 20.25, 25.0), (90.0, 80.0, 0.0))
    for duration_s, highest in ((0.5, None), (1.0, None), (1.5, 80.0)):
        (found,) = gpu_uses([trial(1, reading(), duration_s=duration_s)], [], Samples((sampled,)))
        assert (found.trials[0].mean_percent, found.trials[0].highest_percent) == (highest, highest)
        assert found.trials[0].power_w == 100.0 / duration_s


def test_a_gpu_that_one_trial_did_not_see_has_a_window_of_which_nothing_is_known() -> None:
    """The others keep theirs; processors are no GPUs."""
    trials = [trial(1, reading(), reading(OTHER_GPU, 50.0, counted=False)), trial(2, reading())]
    first, second = gpu_uses(trials, [], Samples())
    assert [window.power_w for window in first.trials] == [10.0, 10.0]
    assert [window.power_w for window in second.trials] == [5.0, None]
    assert (first.counted, second.counted, first.limit_w, first.deviation_w) == (True, False, None, 0.0)
    unmeasured = gpu_uses(
        [trial(1, reading()), trial(2, measured=False), trial(3, reading(), duration_s=0.0)], [], Samples()
    )
    assert [window.power_w for window in unmeasured[0].trials] == [10.0, None, None]
