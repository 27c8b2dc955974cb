"""The page of one result: verdict and reasons first, then figures, charts, environment and method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ai_energy_benchmarks.domain.digits import figure
from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.reporters.figures import component_name
from ai_energy_benchmarks.reporters.html.charts import Chart, charts_of_run
from ai_energy_benchmarks.reporters.html.page import figure as place
from ai_energy_benchmarks.reporters.html.page import page
from ai_energy_benchmarks.reporters.result_table import citation, headline, result_table, subject
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.pictures import Pictures, load_pictures, pictures
from ai_energy_benchmarks.results.quotable import OUTPUT_TOKENS_PER_S, quoted
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document
from ai_energy_benchmarks.results.requests import requests_frame
from ai_energy_benchmarks.results.timeline import timeline_frame
from ai_energy_benchmarks.safety.printable import in_html

_LEVELS = ("FAIL", "WARN", "INFO", "PASS")
_LATENCIES = {"ttft": "TTFT", "tpot": "TPOT", "itl": "ITL", "inter_chunk": "inter-chunk", "e2e": "end to end"}


def result_page(directory: Path) -> str:
    """The page of a result directory.

    Raises:
        ConfigError: there is no result, or its tables cannot be read.
    """
    return page_of(load_document(directory / RESULT_FILE), load_pictures(directory))


def page_of_run(result: BenchmarkResult) -> str:
    """The page of a result that is in memory."""
    return page_of(report_document(result), pictures(timeline_frame(result), requests_frame(result)))


def page_of(document: Mapping[str, JsonValue], shown: Pictures) -> str:
    """The page of a report document and the data of its pictures."""
    charts = charts_of_run(shown, document)
    name = str(document.get("name", "benchmark"))
    return page(f"{name}: energy of inference", "\n".join(_body(name, document, charts)), charts)


def _body(name: str, document: Mapping[str, JsonValue], charts: Sequence[Chart]) -> Iterator[str]:
    verdict = _mapping(document.get("verdict"))
    level = str(verdict.get("level", "FAIL"))
    yield f"<h1>{in_html(name)}</h1>"
    yield f'<p class="quiet">{in_html(subject(document))}</p>'
    yield f'<p class="headline">{badge(level)} {in_html(headline(document))}</p>'
    yield from _findings(verdict)
    yield "<h2>Energy</h2>"
    energy = result_table(document)
    yield table(("", *energy.heads[1:]), energy.rows, len(energy.numbers))
    yield from _absent(document)
    yield "<h2>Speed and latency</h2>"
    yield table(("", "mean", "p50", "p95", "p99", "n"), _latency(document), 5)
    yield from (place(chart) for chart in charts)
    yield "<h2>Environment</h2>"
    yield table(("", ""), _environment(document), 0)
    yield "<h2>Method</h2>"
    yield from (f"<p>{in_html(sentence)}</p>" for sentence in method(document))
    yield "<h2>How to cite</h2>"
    yield f"<pre>{in_html(citation(document))}</pre>"


def _findings(verdict: Mapping[str, JsonValue]) -> Iterator[str]:
    findings = [_mapping(finding) for finding in _list(verdict.get("findings"))]
    for opened, levels in ((True, _LEVELS[:2]), (False, _LEVELS[2:])):
        chosen = sorted((finding for finding in findings if finding.get("level") in levels), key=_rank)
        if not chosen:
            continue
        items = "\n".join(f"<li>{_finding(finding)}</li>" for finding in chosen)
        listed = f'<ul class="findings">{items}</ul>'
        yield listed if opened else f"<details><summary>{len(chosen)} further remarks</summary>{listed}</details>"


def _finding(finding: Mapping[str, JsonValue]) -> str:
    check, message = (in_html(str(finding.get(key, ""))) for key in ("check", "message"))
    return f"{badge(str(finding.get('level')))} <strong>{check}</strong>: {message}"


def badge(level: str) -> str:
    """A level as a coloured word."""
    return f'<span class="level {in_html(level)}">{in_html(level)}</span>'


def _rank(finding: Mapping[str, JsonValue]) -> int:
    return _LEVELS.index(str(finding.get("level")))


def _absent(document: Mapping[str, JsonValue]) -> Iterator[str]:
    for component, reason in _mapping(document.get("absent")).items():
        yield f'<p class="quiet">{in_html(component_name(component))} is absent: {in_html(str(reason))}</p>'


def _latency(document: Mapping[str, JsonValue]) -> Iterator[Sequence[str]]:
    component = str(_mapping(document.get("verdict")).get("headline") or "total")
    speed = quoted(document, OUTPUT_TOKENS_PER_S, component)
    absent = "withheld" if document.get("ending", "completed") == "completed" else "none to quote"
    text = f"{absent}: {speed}" if isinstance(speed, str) else figure(speed.value)
    yield ("output tokens/s", text, "", "", "", "")
    for key, name in _LATENCIES.items():
        found = _mapping(_mapping(document.get("latency_ms")).get(key))
        if found:
            cells = (_number(found.get(part)) for part in ("mean", "p50", "p95", "p99"))
            yield (f"{name} (ms)", *cells, f"{found.get('n')}")


def _environment(document: Mapping[str, JsonValue]) -> Iterator[Sequence[str]]:
    environment = _mapping(document.get("environment"))
    for key, value in environment.items():
        if key == "libraries":
            yield ("libraries", ", ".join(f"{name} {version}" for name, version in _mapping(value).items()))
        elif value not in (None, [], {}, ""):
            yield (key.replace("_", " "), str(value))


def method(document: Mapping[str, JsonValue]) -> Iterator[str]:
    """How the figures were made, in sentences."""
    totals, config = _mapping(document.get("totals")), _mapping(document.get("config"))
    trials = [trial for trial in _list(document.get("trials")) if _mapping(trial).get("complete", True)]
    yield (
        f"{len(trials)} complete trials, each over {config.get('num_samples')} prompts of {config.get('dataset')}, "
        f"after loading and warm-up; {_number(totals.get('output_tokens'))} output tokens in all."
    )
    yield (
        "Energy is gross: all that the component took between the start and the end of a trial. An interval is of "
        "95 % over the trials of this one process, with the sensor's gain where it is known; it says nothing about "
        "another process or machine."
    )
    wall = _mapping(document.get("wall"))
    if wall.get("covers"):
        yield f"Covered: {wall['covers']}."
    yield (
        "Measured: a counter in the hardware. Integrated: power readings summed over time. Modelled: computed from "
        "processor time and a rated power."
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """A table whose first column is text and the next ``numbers`` are right-aligned."""

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = ("", *(' class="number"',) * numbers, *("",) * len(row))
        return "".join(f"<{tag}{kind}>{in_html(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=False))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<thead><tr>{cells('th', heads)}</tr></thead>" if any(heads) else ""
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def _number(value: JsonValue) -> str:
    return figure(value) if isinstance(value, (int, float)) else "–"


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list) else []
