"""What held a GPU's clocks down, by hand: the reasons by bit and by time, and the growth of violation counters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.throttling import share, throttling_findings, unseen_brakes
from ai_energy_benchmarks.domain.power import Quantity, Series
from ai_energy_benchmarks.domain.result import Trial
from tests.factories import reading, trial
from tests.unit.gauges_by_hand import gauge

# Ten seconds each from 20 and from 40 s on.
TRIALS = [trial(1, reading()), trial(2, reading())]
TIMES_S = (15.0, 22.5, 35.0, 42.0, 55.0)
CLEAR_SEEN = ("PASS", "X: no thermal limit or hardware brake was seen in readings twice a second")
CLEAR_COUNTED = ("PASS", "X: no thermal limit or hardware brake was seen by its violation counters")


def found(*series: Series, trials: Sequence[Trial] = TRIALS) -> list[tuple[str, str]]:
    """Levels and sentences of the findings on a GPU called X."""
    findings = list(throttling_findings("X", {each.quantity: each for each in series}, trials))
    assert {(each.check, each.component) for each in findings} <= {("throttling", None)}
    return [(each.level, each.message) for each in findings]


def reasons(*values: float) -> Series:
    return gauge("throttle_reasons", *zip(TIMES_S, values, strict=True))


@pytest.mark.parametrize(
    ("bit", "level", "reason"),
    [
        # The NVML API reference, nvmlClocksThrottleReasons: idle, application clocks, power, hardware slowdown, sync
        # boost, software heat, hardware heat, power brake, display clocks.
        (0x01, None, ""),
        (0x02, None, ""),
        (0x04, "INFO", "the power limit"),
        (0x08, "FAIL", "a hardware slowdown"),
        (0x10, None, ""),
        (0x20, "FAIL", "the driver's thermal limit"),
        (0x40, "FAIL", "the hardware's thermal limit"),
        (0x80, "FAIL", "the hardware's power brake"),
        (0x100, None, ""),
    ],
)
def test_each_reason_has_its_bit_its_words_and_its_share(bit: int, level: str | None, reason: str) -> None:
    """From one reading until the next, whatever lies between the trials."""
    passed = [] if level == "FAIL" else [CLEAR_SEEN]
    for values, part in (
        # From 22.5 s until 42 s, and from 55 s on: 7.5 s and 2 s of the 20 s in trials.
        ((0, bit, bit, 0, bit), "47.5%"),
        # From 15 s until 22.5 s, and from 35 s until 42 s.
        ((bit, 0, bit | 1, 0, 0), "22.5%"),
        # The last value holds until the end of the last trial.
        ((0, 0, 0, bit, bit), "40.0%"),
    ):
        held = (level or "", f"X: {reason} held its clocks down for {part} of the trials")
        assert found(reasons(*values)) == [held] * (level is not None) + passed


def test_a_reading_holds_to_the_end_where_it_was_the_last_one() -> None:
    """From 45 s until 50 s, a quarter of the trials; that no other brake was seen is then not claimed."""
    short = gauge("throttle_reasons", (15.0, 0.0), (45.0, 8.0))
    assert found(short) == [("FAIL", "X: a hardware slowdown held its clocks down for 25.0% of the trials")]
    assert found(gauge("throttle_reasons", (15.0, 0.0), (45.0, 4.0))) == [
        ("INFO", "X: the power limit held its clocks down for 25.0% of the trials")
    ]


def test_a_brake_of_half_a_second_shows_and_a_trial_without_length_has_no_share() -> None:
    """Of twenty seconds, or of half a second that it held in whole; there is no part of nothing."""
    brief = gauge("throttle_reasons", (15.0, 0.0), (22.0, 8.0), (22.5, 0.0), (55.0, 0.0))
    assert found(brief) == [("FAIL", "X: a hardware slowdown held its clocks down for 2.5% of the trials")]
    assert share(brief, [evolve(TRIALS[0], start_s=22.0, stop_s=22.5)], 8) == 1.0
    assert share(brief, [evolve(TRIALS[0], start_s=22.0, stop_s=22.0)], 8) == 0.0


def test_a_millisecond_of_a_counter_is_nothing() -> None:
    """It is what counters are off by themselves, within a trial and at its edges."""
    for time_s in (19.25, 21.0):
        shown = gauge("thermal_violation_s", (10.0, 0.0), (time_s, 0.0), (21.5, 0.001), (55.0, 0.001))
        assert found(shown) == [CLEAR_COUNTED]


def test_a_limit_of_power_and_a_brake_have_a_line_each() -> None:
    """In the order of the bits, the brakes first; the brake leaves no pass."""
    assert found(reasons(0x44, 0x44, 0x04, 0, 0)) == [
        ("FAIL", "X: the hardware's thermal limit held its clocks down for 50.0% of the trials"),
        ("INFO", "X: the power limit held its clocks down for 60.0% of the trials"),
    ]


def counter(quantity: Quantity, *rows: tuple[float, float]) -> Series:
    """A violation counter that grew by so many seconds up to each reading, having stood at 3 s."""
    return gauge(quantity, *((time_s, 3.0 + grown_s) for time_s, grown_s in rows), call_s=0.25)


# Read from 19 to 19.25 s and so on: the whole of the first trial lies between the second and the fifth reading.
READ_S = (10.0, 19.25, 21.0, 29.0, 31.0, 39.0, 41.0, 49.0, 51.0)
WORDS: dict[Quantity, str] = {
    "thermal_violation_s": "a thermal limit",
    "board_violation_s": "a limit of the whole GPU card",
    "power_violation_s": "the power limit",
}
SURE: dict[Quantity, str] = {"thermal_violation_s": "FAIL", "board_violation_s": "WARN", "power_violation_s": "INFO"}


@pytest.mark.parametrize("quantity", list(WORDS))
@pytest.mark.parametrize(
    ("grown_s", "sure", "part", "edge_ms"),
    [
        # Within the first trial; at the begin of the first and the end of the second alone; in both ways.
        ((0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5), True, "2.50%", ""),
        ((0, 0, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.5), False, "2.50%", "500"),
        ((0, 0, 0.25, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75), True, "3.75%", ""),
        ((0, 0, 0, 0, 0.75, 0.75, 1.0, 1.0, 1.0), False, "5.00%", "1e+03"),
        # Before the first, between them, and after the last.
        ((0, 4, 4, 4, 4, 4, 4, 4, 4), None, "", ""),
        ((0, 0, 0, 0, 0, 4, 4, 4, 4), None, "", ""),
        # A millisecond is what the counters are off by themselves.
        ((0, 0, 0, 1 / 1024, 1 / 1024, 1 / 1024, 1 / 1024, 1 / 1024, 1 / 1024), None, "", ""),
        ((0, 0, 0, 3 / 2048, 3 / 2048, 3 / 2048, 3 / 2048, 3 / 2048, 3 / 2048), True, "0.01%", ""),
        ((0, 0, 1 / 1024, 1 / 1024, 1 / 1024, 1 / 1024, 1 / 1024, 1 / 1024, 1 / 1024), None, "", ""),
        ((0, 0, 3 / 2048, 3 / 2048, 3 / 2048, 3 / 2048, 3 / 2048, 3 / 2048, 3 / 2048), False, "0.01%", "1.46"),
        # A counter never says more than all; one that fell, as after a new load of the driver, says nothing of then.
        ((0, 0, 0, 30, 30, 30, 30, 30, 30), True, "100.00%", ""),
        ((0, 0, 0, -2, -2, -2, -2, -1.5, -1.5), True, "2.50%", ""),
        ((0, 0, -2, -2, -2, -2, -2, -2, -1.5), False, "2.50%", "500"),
    ],
)
def test_growth_within_a_trial_is_sure_and_at_its_edges_it_is_possible(
    quantity: Quantity, grown_s: Sequence[float], sure: bool | None, part: str, edge_ms: str
) -> None:
    """Sure by the readings within, possible by those around; a limit of power is a fact in both cases."""
    shown = counter(quantity, *zip(READ_S, grown_s, strict=True))
    of_trials = (
        SURE[quantity],
        f"X: {WORDS[quantity]} held its clocks down for {part} of the trials (violation counter)",
    )
    at_edges = f"X: {WORDS[quantity]} held its clocks down for {edge_ms} ms at the edges of trials (violation counter)"
    expected = [] if sure is None else [of_trials if sure or quantity == "power_violation_s" else ("WARN", at_edges)]
    passes = quantity == "thermal_violation_s" and sure is None
    assert found(shown) == expected + [CLEAR_COUNTED] * passes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        # Not read before the trial, or not after it: what was read first or last stands for that.
        (((22.0, 0.0), (25.0, 0.5), (31.0, 1.0)), ("FAIL", "10.00% of the trials")),
        (((15.0, 0.0), (22.0, 0.25), (28.0, 1.0)), ("FAIL", "10.00% of the trials")),
        # Not read within the trial, so nothing is sure.
        (((15.0, 0.0), (31.0, 1.0)), ("WARN", "1e+03 ms at the edges of trials")),
        (((12.0, 0.0), (15.0, 1.0), (31.0, 1.0)), None),
        (((12.0, 0.0), (15.0, 1.0)), None),
        (((31.0, 0.0), (35.0, 1.0)), None),
        # A call that began before the trial or ended after it may have read either.
        (((15.0, 0.0), (20.125, 0.5), (29.0, 0.5), (31.0, 0.5)), ("WARN", "500 ms at the edges of trials")),
        (((15.0, 0.0), (21.0, 0.0), (30.125, 0.5), (31.0, 0.5)), ("WARN", "500 ms at the edges of trials")),
        # Those that ended with the begin, and began with the end, are before and after.
        (((15.0, 0.0), (20.0, 0.5), (30.25, 0.5), (31.0, 1.0)), None),
    ],
)
def test_what_the_readings_around_a_trial_can_show(
    rows: Sequence[tuple[float, float]], message: tuple[str, str] | None
) -> None:
    """One trial of ten seconds; the calls last a quarter of a second."""
    shown = found(counter("thermal_violation_s", *rows), trials=TRIALS[:1])
    expected = [] if message is None else [
        (message[0], f"X: a thermal limit held its clocks down for {message[1]} (violation counter)")
    ]  # fmt: skip
    assert [each for each in shown if each[0] != "PASS"] == expected


@pytest.mark.parametrize(
    ("quantity", "bits", "levels"),
    [
        # The limit of power that its counter has counted is said once, a brake in the readings next to it too.
        ("power_violation_s", 0x04, ["INFO", "PASS"]),
        ("power_violation_s", 0x0C, ["INFO", "FAIL"]),
        ("power_violation_s", 0x00, ["INFO", "PASS"]),
        # That of another counter is another reason.
        ("thermal_violation_s", 0x04, ["FAIL", "INFO"]),
        ("board_violation_s", 0x04, ["WARN", "INFO"]),
        ("board_violation_s", 0x24, ["WARN", "FAIL", "INFO"]),
    ],
)
def test_readings_add_to_counters_what_these_did_not_count(quantity: Quantity, bits: int, levels: list[str]) -> None:
    """Counters first; half a second of a limit within the first trial."""
    grown = counter(quantity, (10.0, 0.0), (21.0, 0.0), (29.0, 0.5), (55.0, 0.5))
    shown = found(grown, reasons(bits, bits, bits, bits, bits))
    assert [level for level, _ in shown] == levels
    assert shown[0][1] == f"X: {WORDS[quantity]} held its clocks down for 2.50% of the trials (violation counter)"


MOVED = counter("thermal_violation_s", (10.0, 0.0), (60.0, 0.0))
STILL = gauge("thermal_violation_s", (10.0, 0.0), (60.0, 0.0))
SHORT = gauge("thermal_violation_s", (10.0, 3.0), (35.0, 3.0))
QUIET = reasons(0, 0, 0, 0, 0)
NEVER = "its driver reports no throttle reasons, and its violation counters have never moved"
UNREPORTED = "neither the GPU's driver nor the meter reports it"


def supported(*values: float) -> Series:
    return gauge("supported_throttle_reasons", *zip(TIMES_S, values, strict=False))


@pytest.mark.parametrize(
    ("series", "why"),
    [
        ((MOVED,), None),
        ((gauge("thermal_violation_s", (10.0, 0.0), (12.0, 2.0), (60.0, 2.0)),), None),
        ((STILL,), NEVER),
        ((STILL, QUIET), None),
        ((STILL, gauge("throttle_reasons", (15.0, 0.0), (35.0, 0.0))), "no readings cover all of trial 2"),
        # One that moved and is not read to the end has other reasons.
        ((SHORT,), "no readings cover all of trial 2"),
        ((gauge("thermal_violation_s", (10.0, 0.0), (35.0, 0.0)),), "no readings cover all of trial 2"),
        # The counter of heat may stand at 0 where another one shows that the driver serves them.
        ((STILL, gauge("power_violation_s", (10.0, 1.0), (60.0, 1.0))), None),
        ((SHORT, gauge("power_violation_s", (10.0, 1.0), (60.0, 1.0))), "no readings cover all of trial 2"),
        ((gauge("power_violation_s", (10.0, 1.0), (60.0, 1.0)),), UNREPORTED),
        ((gauge("board_violation_s", (10.0, 0.0), (60.0, 0.0)), STILL), NEVER),
        ((), UNREPORTED),
        ((QUIET,), None),
        ((QUIET, supported(0, 0, 0xE8)), None),
        ((QUIET, supported(0xFF, 0xFF, 0x104)), "its driver does not report a hardware slowdown, the driver's thermal "
         "limit, the hardware's thermal limit, the hardware's power brake"),
        ((QUIET, supported(0xFF, 0x0C, 0x68)), "its driver does not report the hardware's power brake"),
        ((QUIET, supported(0, 0xFF, 0xD8)), "its driver does not report the driver's thermal limit"),
        ((QUIET, supported(0xB7)), "its driver does not report a hardware slowdown, the hardware's thermal limit"),
        ((MOVED, supported(0x04)), None),
    ],
)  # fmt: skip
def test_why_a_brake_would_not_have_been_seen(series: Sequence[Series], why: str | None) -> None:
    """Counters that count need nothing else; the reasons must be read, and be ones that the driver has."""
    by_quantity = {each.quantity: each for each in series}
    assert unseen_brakes(by_quantity, TRIALS) == why
    clear = (
        CLEAR_COUNTED
        if MOVED in series or any(any(each.values) for each in series if "viol" in each.quantity)
        else CLEAR_SEEN
    )
    assert found(*series) == ([clear] if why is None else [])


def test_a_gpu_of_which_neither_is_read_has_no_line() -> None:
    """Whatever else is."""
    assert found(supported(0xFF), gauge("power_w", (10.0, 5.0), (60.0, 5.0))) == []
