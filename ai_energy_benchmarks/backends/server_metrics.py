"""Counters of a server, read from its Prometheus page."""

from __future__ import annotations

from collections.abc import Mapping

from ai_energy_benchmarks.domain.serving import ServerCounters


def counters_from(page: str, names: Mapping[str, str]) -> ServerCounters:
    """The counters on a page in the Prometheus text format, summed over their labels.

    Args:
        names: field of ``ServerCounters`` → the server's metric name.
    """
    sums: dict[str, float] = {}
    for line in page.splitlines():
        name, value = _sample(line)
        if name:
            sums[name] = sums.get(name, 0.0) + value
    return ServerCounters(**{ours: round(sums[theirs]) for ours, theirs in names.items() if theirs in sums})


def _sample(line: str) -> tuple[str, float]:
    """Metric name and value of a line; an empty name if it is a comment or no sample."""
    if line.startswith("#") or not line.strip():
        return "", 0.0
    name = line.partition("{")[0].split(" ")[0]
    rest = line.rpartition("}")[2] if "{" in line else line[len(name) :]
    fields = rest.split()
    try:
        return name, float(fields[0])
    except (IndexError, ValueError):
        return "", 0.0
