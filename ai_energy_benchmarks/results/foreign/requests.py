"""The window and the tokens of a load that another client sent: aiperf's ``profile_export.jsonl``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.results.foreign.numbers import number
from ai_energy_benchmarks.text.json_text import parsed

_NS = 1e-9
_LATEST_NS = 10**19


@frozen
class ForeignLoad:
    """What a client says of its requests.

    Attributes:
        start_s, stop_s: first sending and last end, in Unix seconds.
        output_tokens: of the requests that finished; None if any of them has no count.
    """

    start_s: float
    stop_s: float
    output_tokens: int | None
    findings: tuple[Finding, ...]


def read_aiperf(path: Path) -> ForeignLoad:
    """The load of aiperf's records (github.com/ai-dynamo/aiperf, "Profile Export Format").

    Raises:
        ConfigError: the file cannot be read, or holds no finished request of the profiling phase.
    """
    starts, stops, tokens, failed, uncounted = [], [], 0, 0, 0
    for place, line in enumerate(_lines(path), start=1):
        record = _record(path, place, line)
        metadata, metrics = record.get("metadata"), record.get("metrics")
        if not isinstance(metadata, dict) or not isinstance(metrics, dict):
            raise ConfigError(
                f"{path}, line {place}: no metadata and metrics", remedy="give aiperf's profile_export.jsonl"
            )
        if metadata.get("benchmark_phase", metadata.get("credit_phase", "profiling")) != "profiling":
            continue
        start, stop = (_seconds(metadata.get(name)) for name in ("request_start_ns", "request_end_ns"))
        if start is None or stop is None:
            raise ConfigError(
                f"{path}, line {place}: no request_start_ns and request_end_ns", remedy="use aiperf 0.2 or newer"
            )
        starts.append(start)
        stops.append(stop)
        if record.get("error") or metadata.get("was_cancelled"):
            failed += 1
        elif (count := _count(metrics)) is None:
            uncounted += 1
        else:
            tokens += count
    if not starts:
        raise ConfigError(
            f"{path} holds no request of the profiling phase", remedy="give aiperf's profile_export.jsonl"
        )
    findings = []
    if failed:
        findings.append(Finding("FAIL", "requests", f"{failed} of {len(starts)} requests failed or were cancelled"))
    if uncounted:
        findings.append(Finding("FAIL", "tokens", f"{uncounted} requests have no count of output tokens"))
    return ForeignLoad(min(starts), max(stops), None if uncounted else tokens, tuple(findings))


def _seconds(value: object) -> float | None:
    """Unix seconds of a whole number of nanoseconds, which has 19 digits until the year 2286."""
    return value * _NS if isinstance(value, int) and 0 <= value < _LATEST_NS else None


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read {path}: {reason_of(error)}", remedy="give aiperf's profile_export.jsonl"
        ) from error


def _record(path: Path, place: int, line: str) -> dict[str, object]:
    try:
        record = parsed(line)
    except ValueError as error:
        raise ConfigError(
            f"{path}, line {place} is not JSON: {error}", remedy="give a file that was written to its end"
        ) from error
    return record if isinstance(record, dict) else {}


def _count(metrics: dict[str, object]) -> int | None:
    """Output tokens, the thinking among them: aiperf's sequence length has both, its token count has not."""
    for name in ("output_sequence_length", "output_token_count"):
        metric = metrics.get(name)
        value = number(metric.get("value")) if isinstance(metric, dict) else None
        if value is not None and value >= 0:
            return int(value)
    return None
