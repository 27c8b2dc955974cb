"""A part of a trial: its energy by the same recipes, its tokens by the times at which they were seen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

from attrs import evolve

from ai_energy_benchmarks.analysis.filler_tokens import filler_completions
from ai_energy_benchmarks.domain import integral
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.edges import since
from ai_energy_benchmarks.domain.power import Measurement, Quantity, Reading, Recipe, Samples, Series
from ai_energy_benchmarks.domain.recipes import cut, follow
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.errors import ConfigError

SeriesByName = Mapping[tuple[Quantity, str, str], Series]


def by_name(samples: Samples) -> SeriesByName:
    """Quantity, device id and meter → series."""
    return {(series.quantity, series.device.id, series.meter): series for series in samples.series}


def measured_again(measurement: Measurement, of: SeriesByName) -> Measurement:
    """Every reading again from its raw series; one that left no recipe stays as it was recorded."""
    readings = tuple(
        reading if reading.recipe is None else _followed(reading, reading.recipe, of) or reading
        for reading in measurement.readings
    )
    return evolve(measurement, readings=readings)


def cut_trial(trial: Trial, from_s: float, to_s: float, of: SeriesByName) -> Trial:
    """The part of a trial between two times after its start.

    Its tokens are those seen in it; a prompt counts where its first token was seen. What the client and the
    server said of the whole trial says nothing of a part.

    Raises:
        ConfigError: the trial is over before ``from_s``.
    """
    start_s, stop_s = trial.start_s + from_s, min(trial.start_s + to_s, trial.stop_s)
    if start_s >= stop_s:
        raise ConfigError(
            f"trial {trial.number} lasted {trial.duration_s:.4g} s; nothing is left of it after {from_s:g} s",
            remedy="choose an earlier --from",
        )
    measurement = trial.measurement and cut_measurement(trial.measurement, start_s, stop_s, of)
    parts = (_cut_outcome(outcome, start_s, stop_s) for outcome in trial.outcomes)
    outcomes = tuple(part for part in parts if part is not None)
    fillers = (_cut_outcome(completion, start_s, stop_s) for completion in filler_completions(trial))
    return evolve(
        trial,
        start_s=start_s,
        stop_s=stop_s,
        measurement=measurement,
        outcomes=outcomes,
        client=None,
        server=None,
        server_load=None,
        fillers=tuple(filler for filler in fillers if filler is not None),
        steady=None,
        steady_absent="",
    )


def _followed(reading: Reading, recipe: Recipe, of: SeriesByName) -> Reading | None:
    series = of.get((recipe.quantity, recipe.series_id, reading.meter))
    if series is None or not len(series.values):
        return None
    outcome = follow(recipe, series)
    return evolve(
        reading,
        bounds_j=outcome.bounds_j,
        estimator=outcome.estimator,
        peak_power_w=_peak_power_w(reading, recipe, of),
        recipe=recipe,
        # What the rests next to a trial showed of its counter holds for a part of it too.
        edges=reading.edges if outcome.edges is None else outcome.edges,
    )


def _peak_power_w(reading: Reading, recipe: Recipe, of: SeriesByName) -> float | None:
    power = of.get(("power_w", recipe.series_id, reading.meter))
    if power is None or not len(power.values):
        return None
    look_back_s = recipe.look_back_s
    power_part = since(power, None if look_back_s is None else recipe.start_s - look_back_s)
    return integral.peak(power_part, recipe.start_s, recipe.stop_s)


def cut_measurement(measurement: Measurement, start_s: float, stop_s: float, of: SeriesByName) -> Measurement:
    """A component of which one reading cannot be cut is absent: its other devices are not the whole."""
    lost: dict[Component, str] = {}
    readings = []
    for reading in measurement.readings:
        shorter = cut_reading(reading, start_s, stop_s, of)
        if shorter is not None:
            readings.append(shorter)
        elif reading.counted:
            lost[reading.device.component] = (
                f"{reading.meter} left no series from which a part of a trial could be separated"
            )
    kept = tuple(
        evolve(reading, counted=reading.counted and reading.device.component not in lost) for reading in readings
    )
    return evolve(
        measurement,
        start_s=start_s,
        stop_s=stop_s,
        readings=kept,
        absent={**measurement.absent, **lost},
        shares=(),
    )


def cut_reading(reading: Reading, start_s: float, stop_s: float, of: SeriesByName) -> Reading | None:
    """A reading of a part of its window; None if it left nothing from which that could be told."""
    if reading.recipe is None:
        return None
    others = {
        device: series
        for (quantity, device, meter), series in of.items()
        if quantity == reading.recipe.quantity and meter == reading.meter
    }
    recipe = cut(reading.recipe, start_s, stop_s, others)
    return None if recipe is None else _followed(reading, recipe, of)


def _cut_outcome(outcome: Outcome, start_s: float, stop_s: float) -> Outcome | None:
    """The part of a request in the window; None if none of it is."""
    if not isinstance(outcome, Completion):
        return outcome if start_s <= outcome.finished_s < stop_s else None
    times_s = outcome.token_times_s
    if not len(times_s):
        return outcome if start_s <= outcome.finished_s < stop_s else None
    first, last = bisect_left(times_s, start_s), bisect_right(times_s, stop_s)
    if first >= last:
        return None
    token_events = list(_tokens_before(outcome, first, last))
    begins, carried = first == 0, outcome.event_tokens[first:last]
    return evolve(
        outcome,
        prompt_tokens=outcome.prompt_tokens if begins else 0,
        truncated_prompt_tokens=outcome.truncated_prompt_tokens if begins else 0,
        cached_prompt_tokens=outcome.cached_prompt_tokens if begins or outcome.cached_prompt_tokens is None else 0,
        output_tokens=sum(carried) if len(carried) else token_events[1] - token_events[0],
        reasoning_tokens=_overlap(outcome.reasoning_tokens, token_events[0], token_events[1]),
        sent_s=max(outcome.sent_s, start_s) if begins else times_s[first],
        token_times_s=times_s[first:last],
        event_tokens=carried,
        finished_s=min(outcome.finished_s, stop_s),
        first_event_tokens=outcome.first_event_tokens if begins else None,
    )


def _tokens_before(outcome: Completion, *events: int) -> Iterator[int]:
    """How many tokens had come before each event, were they spread evenly over the events."""
    for event in events:
        yield round(outcome.output_tokens * event / len(outcome.token_times_s))


def _overlap(thinking_tokens: int | None, first: int, last: int) -> int | None:
    return None if thinking_tokens is None else max(0, min(thinking_tokens, last) - first)
