"""What the meters saw and what was going on meanwhile, in one long table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_energy_benchmarks.domain.power import Series
from ai_energy_benchmarks.domain.result import BenchmarkResult, Step, Trial

if TYPE_CHECKING:
    import polars


def timeline_frame(result: BenchmarkResult) -> polars.DataFrame:
    """Raw samples and the marks of steps and trials, in order of time.

    Columns: ``kind`` (``sample`` or ``mark``), ``name`` (a sample's quantity with its unit; ``start`` or ``stop`` of
    a mark), ``subject`` (the device's id; the step or trial), ``component``, ``meter``, ``value`` (null for marks),
    ``before_s`` and ``after_s`` (the monotonic clock around the call that read the sample), ``unix_s``.
    """
    import polars

    offset = polars.lit(result.clock_offset_s)
    frames = [_marks(result), *(_samples(each) for each in result.samples.series)]
    return polars.concat(frames).sort("after_s").with_columns(unix_s=polars.col("after_s") + offset)


def _schema() -> dict[str, type[polars.DataType]]:
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
    }


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
    )


def _marks(result: BenchmarkResult) -> polars.DataFrame:
    import polars

    windows: list[Step | Trial] = [*result.steps, *result.trials]
    rows = [
        ("mark", edge, _name(each), None, None, None, time_s, time_s)
        for each in windows
        for edge, time_s in (("start", each.start_s), ("stop", each.stop_s))
    ]
    return polars.DataFrame(rows, schema=_schema(), orient="row")


def _name(window: Step | Trial) -> str:
    return f"trial {window.number}" if isinstance(window, Trial) else window.name
