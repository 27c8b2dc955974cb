"""Which reader a foreign file is for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone, tzinfo
from pathlib import Path

from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.results.foreign import optimum, tables
from ai_energy_benchmarks.results.foreign.clocks import Clock, require_one_clock
from ai_energy_benchmarks.results.foreign.imported import Imported, judged
from ai_energy_benchmarks.results.foreign.power_logs import PowerLog, read_power_log
from ai_energy_benchmarks.results.foreign.requests import ForeignLoad, read_aiperf
from ai_energy_benchmarks.results.foreign.windows import energy_of_window
from ai_energy_benchmarks.safety.files import refuse_special
from ai_energy_benchmarks.text.json_text import read_json


def read_foreign(
    path: Path,
    *,
    window: tuple[float | str, float | str] | None = None,
    zone: tzinfo | None = None,
    requests: Path | None = None,
    gpus: Sequence[str] = (),
    output_tokens: int | None = None,
) -> Imported:
    """Read and judge a file of another tool.

    Args:
        window: start and end, of a power log: Unix seconds, or texts such as ``2025-11-26T00:00:00``.
        zone: of the times of the log and of the window that have none.
        requests: aiperf's records in place of a window; their tokens count.
        gpus: of a power log, those that count.

    Raises:
        ConfigError: the file is of no known kind, cannot be read, is a power log without a window,
            or one without time zones whose window has them.
    """
    for file in (path, *([requests] if requests is not None else ())):
        _refuse_special(file)
    document = _json(path)
    if optimum.is_report(document):
        assert isinstance(document, dict)
        return optimum.read_report(document)
    if tables.is_ml_energy(document):
        return tables.read_ml_energy(document)
    if document is not None:
        raise ConfigError(
            f"{path} is JSON of no known kind", remedy="known are reports of optimum-benchmark and rows of ML.ENERGY"
        )
    if path.suffix.lower() == ".csv" and tables.is_older_csv(path):
        return tables.read_older_csv(path)
    load = read_aiperf(requests) if requests is not None else None
    return _of_log(path, window, zone, load, gpus=gpus, output_tokens=output_tokens)


def _of_log(
    path: Path,
    window: tuple[float | str, float | str] | None,
    zone: tzinfo | None,
    load: ForeignLoad | None,
    *,
    gpus: Sequence[str],
    output_tokens: int | None,
) -> Imported:
    clock, window_clock = Clock(zone), Clock(zone)
    log = read_power_log(path, clock)
    if load is not None:
        window, output_tokens = window or (load.start_s, load.stop_s), output_tokens or load.output_tokens
    if window is None:
        raise ConfigError(
            f"{path} is a power log from {_extent(log, clock)} and needs a window",
            remedy="give --from and --to, or --requests profile_export.jsonl",
        )
    start_s, stop_s = (_end(*end, window_clock) for end in zip(("--from", "--to"), window, strict=True))
    require_one_clock(str(path), clock, window_clock)
    if stop_s <= start_s:
        raise ConfigError(f"the window from {start_s:.3f} to {stop_s:.3f} is empty", remedy="let --to be after --from")
    gpus = log.gpus_named(gpus)
    imported = energy_of_window(
        log.series, start_s, stop_s, gpus=gpus, averaged=log.averaged, output_tokens=output_tokens
    )
    return judged(imported.source, imported.figures, (*imported.findings[:-1], *load.findings)) if load else imported


def _extent(log: PowerLog, clock: Clock) -> str:
    """First and last time of a log, in a form that --from and --to take for its clock."""
    first, last = min(series.before_s[0] for series in log.series), max(series.before_s[-1] for series in log.series)
    if clock.zone is not None or clock.absolute:
        return f"{first:.3f} to {last:.3f} (Unix seconds)"
    start, stop = (
        datetime.fromtimestamp(time_s, timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds")
        for time_s in (first, last)
    )
    return f"{start} to {stop} (local time of the machine that wrote it)"


def _end(option: str, time: float | str, clock: Clock) -> float:
    end_s = clock.seconds(str(time))
    if end_s is None:
        raise ConfigError(f"{option} {time!r} is not a time", remedy="write 1764115200.5 or 2025-11-26T00:00:00")
    return end_s


def _refuse_special(path: Path) -> None:
    try:
        refuse_special(path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", remedy="give a file") from error


def _json(path: Path) -> object:
    """The document of a JSON file; None for a file of another kind."""
    if path.suffix.lower() != ".json":
        return None
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {reason_of(error)}", remedy="give a whole JSON file") from error
    return document if document is not None else {}
