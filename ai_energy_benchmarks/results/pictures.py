"""What a picture of a run shows: power over time, the spans of its steps, and its requests, as few points as do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.no_score import number
from ai_energy_benchmarks.results.stored_tables import read_requests, read_timeline, whole_table
from ai_energy_benchmarks.text.json_text import parsed

if TYPE_CHECKING:
    import polars

MOST_POINTS = 5_000
_PERCENT = [number / 2 for number in range(201)]
TIMELINE_FILE, REQUESTS_FILE = "timeline.parquet", "requests.parquet"
# Of a counter, power is the slope between readings at least so far apart: closer ones show the counter's ticks.
_SLOPE_S = 0.1

Quantity = Literal["power_w", "busy_threads"]


@frozen(eq=False)
class Pictures:
    """The data of one run's pictures. Times are in seconds after the first mark.

    Attributes:
        power: ``time_s``, ``power_w``, ``component``, ``device``; at most ``MOST_POINTS`` rows, the extremes kept.
        threads: ``time_s``, ``busy_threads``, ``whose``, where energy is modelled from processor time.
        spans: ``name``, ``kind`` (``trial``, ``steady window`` or ``step``), ``start_s``, ``stop_s``.
        requests: ``trial``, ``ok``, ``sent_s``, ``prompt_tokens``, ``output_tokens``, ``ttft_ms``, ``tpot_ms``,
            ``e2e_ms``; at most ``MOST_POINTS`` rows, the slowest and fastest kept.
        percentiles: ``latency`` (TTFT, TPOT, E2E, ITL), ``percent``, ``ms``: of every request that the report's own
            latencies count, which are those of complete trials, with a steady window those sent inside it.
        requests_in_all: how many there were.
    """

    power: polars.DataFrame
    threads: polars.DataFrame
    spans: polars.DataFrame
    requests: polars.DataFrame
    percentiles: polars.DataFrame
    requests_in_all: int


def load_pictures(directory: Path) -> Pictures:
    """Read the pictures of a result directory.

    Raises:
        ConfigError: a file is missing or no Parquet file of a run.
    """
    import polars

    timeline = whole_table(directory / TIMELINE_FILE, read_timeline)
    requests = whole_table(directory / REQUESTS_FILE, read_requests)
    try:
        return pictures(timeline, requests)
    except polars.exceptions.PolarsError as error:
        raise ConfigError(
            f"cannot draw {directory}: {error}", remedy=f"restore {TIMELINE_FILE} and {REQUESTS_FILE} from a copy"
        ) from error


def pictures(timeline: polars.DataFrame, requests: polars.DataFrame) -> Pictures:
    """The pictures of a run from its two tables."""
    import polars

    marks = timeline.filter(polars.col("kind") == "mark")
    start_s = _first(marks, timeline)
    samples = timeline.filter(polars.col("kind") == "sample").with_columns(time_s=polars.col("after_s") - start_s)
    spans = _spans(marks, start_s)
    return Pictures(
        power=_power(samples),
        threads=_threads(samples),
        spans=spans,
        requests=_requests(requests, start_s),
        percentiles=_percentiles(_counted(requests, spans, start_s)),
        requests_in_all=len(requests),
    )


def _first(marks: polars.DataFrame, timeline: polars.DataFrame) -> float:
    for frame in (marks, timeline):
        value = frame["after_s"].drop_nulls().min()
        if isinstance(value, float):
            return value
    return 0.0


def _power(samples: polars.DataFrame) -> polars.DataFrame:
    """Power of every device: as it was read, or where only a counter was, its slope."""
    import polars

    read = samples.filter(polars.col("name") == "power_w")
    counted = samples.filter(
        (polars.col("name") == "energy_j") & ~polars.col("subject").is_in(read["subject"].implode())
    )
    frames = [
        *(part.select("time_s", power_w="value", component="component", device="subject") for part in _by_device(read)),
        *(
            _slope(part).select("time_s", power_w="slope", component="component", device="subject")
            for part in _by_device(counted)
        ),
    ]
    if not frames:
        return polars.DataFrame(schema={"time_s": float, "power_w": float, "component": str, "device": str})
    most = MOST_POINTS // len(frames)
    return polars.concat([thinned(frame, "power_w", most) for frame in frames])


def _threads(samples: polars.DataFrame) -> polars.DataFrame:
    import polars

    counted = samples.filter(polars.col("name") == "cpu_time_s")
    whose = {"own-process": "the benchmark", "other-processes": "other processes"}
    frames = [
        _slope(part).select("time_s", busy_threads="slope", whose=polars.col("subject").replace(whose))
        for part in _by_device(counted)
    ]
    if not frames:
        return polars.DataFrame(schema={"time_s": float, "busy_threads": float, "whose": str})
    return polars.concat([thinned(frame, "busy_threads", MOST_POINTS // len(frames)) for frame in frames])


def _by_device(samples: polars.DataFrame) -> list[polars.DataFrame]:
    return samples.sort("time_s").partition_by("subject", maintain_order=True)


def _slope(counter: polars.DataFrame) -> polars.DataFrame:
    """Growth per second between readings that are far enough apart; a counter that went back has none there."""
    import polars

    spaced = (
        counter.filter(polars.col("value") != polars.col("value").shift(1).fill_null(float("nan")))
        .group_by((polars.col("time_s") // _SLOPE_S).alias("slot"), maintain_order=True)
        .last()
    )
    slope = polars.col("value").diff() / polars.col("time_s").diff()
    return spaced.with_columns(slope=slope).filter(polars.col("slope") >= 0)


def thinned(frame: polars.DataFrame, value: str, most: int) -> polars.DataFrame:
    """At most ``most`` rows in the order of ``time_s``: of every stretch the rows with its least and greatest value."""
    import polars

    if len(frame) <= most or most < 2:
        return frame
    size = -(-len(frame) * 2 // most)
    numbered = frame.with_row_index("row").with_columns(stretch=polars.col("row") // size)
    extremes = numbered.group_by("stretch").agg(
        polars.col("row").get(polars.col(value).arg_min()).alias("least"),
        polars.col("row").get(polars.col(value).arg_max()).alias("greatest"),
    )
    rows = polars.concat([extremes["least"], extremes["greatest"]]).unique()
    return numbered.filter(polars.col("row").is_in(rows.implode())).select(frame.columns)


def _spans(marks: polars.DataFrame, start_s: float) -> polars.DataFrame:
    begun: dict[str, float] = {}
    rows: list[tuple[str, str, float, float]] = []
    for name, subject, after_s, detail in marks.select("name", "subject", "after_s", "detail").iter_rows():
        if name == "start":
            begun[subject] = after_s
        elif subject in begun:
            kind = "trial" if subject.startswith("trial ") else "step"
            rows.append((subject, kind, begun.pop(subject) - start_s, after_s - start_s))
            rows.extend(_steady(subject, detail, start_s))
    import polars

    schema = {"name": polars.String, "kind": polars.String, "start_s": polars.Float64, "stop_s": polars.Float64}
    return polars.DataFrame(rows, schema=schema, orient="row")


def _steady(subject: str, detail: str | None, start_s: float) -> list[tuple[str, str, float, float]]:
    """The steady window of a trial, where it has one."""
    try:
        window = parsed(detail) if detail else None
    except ValueError:  # a picture has no span then; re-analysis refuses it
        return []
    trial = window.get("trial") if isinstance(window, dict) else None
    steady = trial.get("steady") if isinstance(trial, dict) else None
    ends_s = [number(steady.get(key)) for key in ("start_s", "stop_s")] if isinstance(steady, dict) else [None]
    if None in ends_s:
        return []
    begin_s, end_s = (end_s for end_s in ends_s if end_s is not None)
    return [(subject, "steady window", begin_s - start_s, end_s - start_s)]


def _requests(requests: polars.DataFrame, start_s: float) -> polars.DataFrame:
    import polars

    shown = requests.select(
        "trial",
        "ok",
        "prompt_tokens",
        "output_tokens",
        time_s=polars.col("sent_s") - start_s,
        ttft_ms=polars.col("ttft_s") * 1e3,
        tpot_ms=polars.col("tpot_s") * 1e3,
        e2e_ms=polars.col("e2e_s") * 1e3,
    ).sort("time_s")
    return thinned(shown, "e2e_ms", MOST_POINTS).rename({"time_s": "sent_s"})


def _counted(requests: polars.DataFrame, spans: polars.DataFrame, start_s: float) -> polars.DataFrame:
    import polars

    complete = requests.filter(polars.col("trial_complete") & polars.col("ok"))
    steady = spans.filter(polars.col("kind") == "steady window")
    if steady.is_empty():
        return complete
    windows = steady.select(
        trial=polars.col("name").str.strip_prefix("trial ").cast(complete.schema["trial"]),
        from_s=polars.col("start_s") + start_s,
        to_s=polars.col("stop_s") + start_s,
    )
    inside = polars.col("sent_s").is_between(polars.col("from_s"), polars.col("to_s"))
    return complete.join(windows, on="trial").filter(inside)


def _percentiles(requests: polars.DataFrame) -> polars.DataFrame:
    import polars

    between = requests.select(gap=polars.col("token_times_s").list.diff().explode().cast(float)).drop_nulls()["gap"]
    series = {
        "TTFT": requests["ttft_s"],
        "TPOT": requests["tpot_s"],
        "E2E": requests["e2e_s"],
        "ITL": between,
    }
    rows = [
        (name, percent, value * 1e3)
        for name, values in series.items()
        for percent in _PERCENT
        if (value := values.drop_nulls().quantile(percent / 100, "linear")) is not None
    ]
    schema = {"latency": polars.String, "percent": polars.Float64, "ms": polars.Float64}
    return polars.DataFrame(rows, schema=schema, orient="row")
