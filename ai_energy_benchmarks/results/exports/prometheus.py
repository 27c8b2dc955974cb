"""A text file for the textfile collector of Prometheus' node_exporter, and for a push gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from attrs import frozen

from ai_energy_benchmarks.results.exports.figures import Exported, exported, verdict_of
from ai_energy_benchmarks.results.quotable import Document, block

PREFIX = "ai_energy_benchmark"
_LEVELS = ("PASS", "INFO", "WARN", "FAIL")
# Names with base units, as https://prometheus.io/docs/practices/naming/ asks: figure → name and help.
_NAMES = {
    "energy_j": ("pass_energy_joules", "Gross energy of one pass, mean over the trials."),
    "j_per_output_token": ("energy_per_output_token_joules", "Gross energy per output token."),
    "j_per_request": ("energy_per_request_joules", "Gross energy per request."),
    "average_power_w": ("average_power_watts", "Mean power within the trials."),
    "output_tokens_per_s": ("output_tokens_per_second", "Output tokens per second."),
}
_MS_PER_S = 1000.0


@frozen
class _Family:
    name: str
    help: str
    samples: tuple[tuple[Mapping[str, str], float], ...]


def textfile(document: Document) -> str:
    """Gauges with the run's name, model and backend as labels; energies also with component, method, meter and verdict.

    A withheld figure has no sample; a comment says why. ``…_low`` and ``…_high`` are the bounds of the meter;
    a modelled energy has none.
    """
    figures = exported(document)
    lines = [line for family in _families(document, figures) for line in _lines(family)]
    lines += [f"# withheld {figure.name}: {_flat(figure.withheld)}" for figure in figures if figure.value is None]
    return "\n".join(lines) + "\n"


def _families(document: Document, figures: Sequence[Exported]) -> Iterator[_Family]:
    about = {
        "name": str(document.get("name", "")),
        **{key: str(block(document, "config").get(key, "")) for key in ("model", "backend")},
    }
    level = verdict_of(document)
    verdicts = tuple(({**about, "level": name}, float(name == level)) for name in _LEVELS)
    yield _Family(f"{PREFIX}_verdict", "1 for the verdict of the run, 0 for the other levels.", verdicts)
    if (started_s := _unix_s(document.get("started_utc"))) is not None:
        name = f"{PREFIX}_started_timestamp_seconds"
        yield _Family(name, "When the run was started.", ((about, started_s),))
    for key, (name, text) in _NAMES.items():
        chosen = [figure for figure in figures if figure.figure.name == key]
        for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            samples = tuple(
                ({**about, **_labels(figure)}, getattr(figure.value, end))
                for figure in chosen
                if figure.value and (figure.bounded or not suffix)
            )
            if samples:
                yield _Family(f"{PREFIX}_{name}{suffix}", f"{text}{' Bound of the meter.' if suffix else ''}", samples)
    latencies = tuple(
        ({**about, "latency": name, "statistic": statistic}, figure.value.value / _MS_PER_S)
        for figure in figures
        if figure.figure.kind == "latency" and figure.value
        for name, statistic in [_latency(figure.figure.name)]
    )
    if latencies:
        yield _Family(f"{PREFIX}_latency_seconds", "Latency of requests.", latencies)


def _labels(figure: Exported) -> Mapping[str, str]:
    if not figure.component:
        return {"verdict": figure.verdict}
    return {
        "component": figure.component,
        "method": figure.method,
        "meter": figure.meter,
        "verdict": figure.verdict,
    }


def _latency(name: str) -> tuple[str, str]:
    """``ttft_p95_ms`` as ``ttft`` and ``p95``; ``ttft_ms`` is a mean."""
    parts = name.removesuffix("_ms").rsplit("_", 1)
    return (parts[0], parts[1]) if len(parts) == 2 and parts[1][1:].isdigit() else (name.removesuffix("_ms"), "mean")


def _lines(family: _Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} gauge"
    for labels, value in family.samples:
        text = ",".join(f'{name}="{_escaped(label)}"' for name, label in labels.items())
        yield f"{family.name}{{{text}}} {value!r}"


def _escaped(label: str) -> str:
    """As https://prometheus.io/docs/instrumenting/exposition_formats/ writes label values."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _flat(text: str) -> str:
    return " ".join(text.split())


def _unix_s(started_utc: object) -> float | None:
    try:
        return datetime.fromisoformat(str(started_utc)).timestamp()
    except ValueError:
        return None
