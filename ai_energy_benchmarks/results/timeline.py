"""What the meters saw and what was going on meanwhile, in one long table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import evolve

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.outcomes import MANY_REQUESTS
from ai_energy_benchmarks.domain.power import Samples, Series
from ai_energy_benchmarks.domain.result import BenchmarkResult, Step, Trial
from ai_energy_benchmarks.results.details import details
from ai_energy_benchmarks.safety.secrets import blanked

if TYPE_CHECKING:
    import polars

Row = tuple[str, str, str, str | None, str | None, float | None, float | None, float | None, str | None]

# Rows are Python objects ten times their size in the frame, so only some exist at a time.
_REQUESTS_AT_ONCE = 50_000


def timeline_frame(result: BenchmarkResult) -> polars.DataFrame:
    """Raw samples, the marks of steps, trials and requests, and what else re-analysis needs, in order of time.

    Columns: ``kind``, ``name``, ``subject``, ``component``, ``meter``, ``value``, ``before_s`` and ``after_s`` (the
    monotonic clock around the call that read the sample; equal for marks), ``unix_s``, ``detail``. Kinds:

    - ``sample``: ``name`` is a quantity with its unit, ``subject`` the device's id.
    - ``mark``: ``name`` is ``start`` or ``stop`` of the step or trial in ``subject``. The ``detail`` of a stop is the
      window itself with what the meters said of it, as JSON.
    - ``request``: ``name`` is ``sent``, ``first token`` or ``finished``, ``subject`` the trial and the request. Passes
      of more than 100,000 requests have none: ``requests.parquet`` holds the same times.
    - without a time: ``run`` (``detail`` is its id), ``clock`` (``value`` is Unix time less monotonic time),
      ``series`` (one per series, ``detail`` is the device's label), ``meter note``, ``finding`` (``name`` its level,
      ``subject`` its check, ``component`` what it is about, ``detail`` its text).
    """
    import polars

    offset = polars.lit(result.clock_offset_s)
    frames = [_frame(_facts(result)), _frame(_marks(result))]
    for trial in (each for each in result.trials if len(each.outcomes) <= MANY_REQUESTS):
        for first in range(0, len(trial.outcomes), _REQUESTS_AT_ONCE):
            frames.append(_frame(_request_marks(trial, trial.outcomes[first : first + _REQUESTS_AT_ONCE])))
    frames.append(samples_frame(result.samples))
    ordered = polars.concat(frames).sort("after_s", maintain_order=True)
    return ordered.with_columns(unix_s=polars.col("after_s") + offset)


def samples_frame(samples: Samples) -> polars.DataFrame:
    """The rows of kind ``sample``, series after series."""
    import polars

    return polars.concat([_frame(()), *map(_samples, samples.series)])


def timeline_schema() -> dict[str, type[polars.DataType]]:
    """Column → its type, without ``unix_s``, which follows."""
    from polars import Float64, String

    return {
        "kind": String,
        "name": String,
        "subject": String,
        "component": String,
        "meter": String,
        "value": Float64,
        "before_s": Float64,
        "after_s": Float64,
        "detail": String,
    }


def _frame(rows: Iterable[Row]) -> polars.DataFrame:
    import polars

    return polars.DataFrame(list(rows), schema=timeline_schema(), orient="row")


def _samples(series: Series) -> polars.DataFrame:
    import polars

    frame = polars.DataFrame({"value": series.values, "before_s": series.before_s, "after_s": series.after_s})
    return frame.select(
        kind=polars.lit("sample"),
        name=polars.lit(series.quantity),
        subject=polars.lit(series.device.id),
        component=polars.lit(series.device.component),
        meter=polars.lit(series.meter),
        value=polars.col("value").cast(polars.Float64),
        before_s=polars.col("before_s").cast(polars.Float64),
        after_s=polars.col("after_s").cast(polars.Float64),
        detail=polars.lit(None, dtype=polars.String),
    )


def _facts(result: BenchmarkResult) -> Iterator[Row]:
    if result.run_id:
        yield "run", "id", "", None, None, None, None, None, result.run_id
    yield "clock", "offset_s", "", None, None, result.clock_offset_s, None, None, None
    for each in result.samples.series:
        device = each.device
        yield "series", each.quantity, device.id, device.component, each.meter, None, None, None, device.label
    for note in result.meter_notes:
        yield "meter note", "", "", None, None, None, None, None, _stored(note)
    for found in result.noticed:
        yield "finding", found.level, found.check, found.component, None, None, None, None, _stored(found.message)


def _marks(result: BenchmarkResult) -> Iterator[Row]:
    for step in result.steps:
        yield from _edges(step, step.name, {"step": step})
    for trial in result.trials:
        yield from _edges(trial, f"trial {trial.number}", {"trial": evolve(trial, outcomes=(), fillers=())})


def _edges(window: Step | Trial, subject: str, detail: dict[str, Step | Trial]) -> Iterator[Row]:
    text = _stored(json.dumps(details().unstructure(detail), default=str))
    yield "mark", "start", subject, None, None, None, window.start_s, window.start_s, None
    yield "mark", "stop", subject, None, None, None, window.stop_s, window.stop_s, text


def _request_marks(trial: Trial, outcomes: Sequence[Outcome]) -> Iterator[Row]:
    for each in outcomes:
        subject = f"trial {trial.number} request {each.number}"
        times_s = each.token_times_s if isinstance(each, Completion) else ()
        moments = [
            ("sent", each.sent_s),
            *(("first token", at_s) for at_s in times_s[:1]),
            ("finished", each.finished_s),
        ]
        for name, at_s in moments:
            yield "request", name, subject, None, None, None, at_s, at_s, None


def _stored(text: str) -> str:
    """As a file may hold it: without secrets, and without a lone surrogate, which a message may have."""
    return blanked(text).encode("utf-8", "replace").decode()
