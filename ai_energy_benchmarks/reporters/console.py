"""The result on the terminal: the verdict first, then energy, speed, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from ai_energy_benchmarks.analysis.derived import leading
from ai_energy_benchmarks.domain.digits import figure
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.statistics import Distribution
from ai_energy_benchmarks.domain.summary import ComponentEnergy, Summary
from ai_energy_benchmarks.domain.verdict import Level, Verdict
from ai_energy_benchmarks.domain.work import OUTPUT_TOKENS, Unit
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.figures import cell, component_name
from ai_energy_benchmarks.reporters.headline import sentence
from ai_energy_benchmarks.reporters.lines import is_cut_short, named_lines, rows
from ai_energy_benchmarks.results import units
from ai_energy_benchmarks.safety.printable import one_line, printable

_NARROWEST = 80
_INDENT = "  "
_STYLES: dict[Level, str] = {"FAIL": "bold red", "WARN": "yellow", "INFO": "cyan", "PASS": "green"}


@frozen
class ConsoleReporter:
    """Prints the result on the terminal; writes no file.

    Attributes:
        console: where to print; standard output if None.
    """

    console: Console | None = None

    @classmethod
    def from_settings(cls, settings: ReporterSettings) -> ConsoleReporter:
        return cls()

    def report(self, result: BenchmarkResult) -> tuple[Path, ...]:
        console = self.console or Console()
        # On a narrower terminal lines break where they may; cropping would cost digits.
        options = console.options.update(max_width=max(console.width, _NARROWEST))
        with console.capture() as captured:
            for part in _parts(result):
                console.print(Segments(console.render(part, options)), end="", crop=False)
        lines = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
        # A stream that cannot show a character must not cost the report.
        console.file.write(lines.encode(console.encoding, "replace").decode(console.encoding))
        console.file.flush()
        return ()


@frozen
class Hanging:
    """A text of which only the first line begins at the margin, where the lines of a report begin.

    A name that is longer than the terminal is wide could otherwise break so that the rest passes for a verdict.
    """

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        lines = self.text.wrap(console, options.max_width)
        if len(lines) > 1:
            lines = self.text.wrap(console, options.max_width - len(_INDENT))
        yield lines[0]
        for line in lines[1:]:
            yield Text.assemble(_INDENT, line)


def _parts(result: BenchmarkResult) -> Iterator[RenderableType]:
    summary = result.summary
    yield Hanging(Text(one_line(sentence(result)), style="bold"))
    yield Hanging(Text(one_line(_headline(result))))
    yield _verdict(result.verdict)
    yield _findings(result)
    yield Text()
    if summary.components:
        yield Text(_title(result), style="bold")
        yield _energy_table(summary, "J" if is_cut_short(result) else "J per pass")
        yield Text(one_line(_legend(summary)))
        yield Text()
    if summary.e2e_s:
        yield _latency_table(summary)
        yield Text()
    yield _lines(result)


def _headline(result: BenchmarkResult) -> str:
    subject, engine = result.subject, result.engine
    where = ", ".join(part for part in (engine.engine, engine.device, engine.dtype) if part) if engine else "not loaded"
    called = "" if subject.name == subject.model else f"{subject.name}: "
    return f"{called}{subject.model} on {subject.backend} ({where})"


def _verdict(verdict: Verdict) -> Text:
    """The level of the headline's component, then those of the others."""
    line = Text.assemble("Verdict: ", (verdict.level, _STYLES[verdict.level]))
    if len(verdict.levels) > 1:
        first, *others = verdict.levels.items()
        line.append(f" ({component_name(first[0])})")
        for component, level in others:
            line.append_text(Text.assemble(f", {component_name(component)} ", (level, _STYLES[level])))
    return line


def _findings(result: BenchmarkResult) -> Table:
    """All that is not a pass, one line each; the checks that were not made as one list, the passes as a count."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    passed = 0
    # Several checks may not have been made for one reason, such as a meter that reads energy alone.
    checks: dict[tuple[Level, str], list[str]] = {}
    unchecked: dict[str, list[str]] = {}
    for finding in result.verdict.findings:
        if finding.level == "PASS":
            passed += 1
        elif finding.unchecked:
            unchecked.setdefault(finding.message, []).append(finding.check)
        else:
            checks.setdefault((finding.level, finding.message), []).append(finding.check)
    if len(unchecked) == 1:
        checks.update({("INFO", message): names for message, names in unchecked.items()})
    elif unchecked:
        every = ", ".join(dict.fromkeys(name for names in unchecked.values() for name in names))
        checks["INFO", f"{every}; `verdict` in result.json has the reasons"] = ["not checked"]
    for (level, message), names in checks.items():
        table.add_row(Text(level, style=_STYLES[level]), Text(f"{', '.join(dict.fromkeys(names))}: {message}"))
    if passed:
        table.add_row(Text("PASS", style=_STYLES["PASS"]), Text(f"{passed} further check{'s' if passed > 1 else ''}"))
    return table


def _title(result: BenchmarkResult) -> str:
    """What the figures per token and per query are of."""
    summary = result.summary
    if is_cut_short(result):
        return "Gross energy of a trial that was cut short; no trial is complete"
    if summary.steady is None or summary.unit.name != OUTPUT_TOKENS:
        return f"Gross energy of one pass, mean of {_trials(summary)}"
    seconds = f"{figure(summary.steady.duration_s, 3)} of {figure(summary.duration_s, 3)} s"
    return f"Steady state with {summary.steady.concurrency} in flight ({seconds}), mean of {_trials(summary)}; gross"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)


def _energy_table(summary: Summary, energy_heading: str) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    for heading in (_per(summary.unit), "Wh/1,000\nqueries", energy_heading):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("method", "meter"):
        table.add_column(heading, overflow="fold")
    for row in rows(summary):
        table.add_row(*(Text(printable(cell)) for cell in _energy_row(summary, row)))
    return table


def _per(of: Unit) -> str:
    """A heading of two lines at most."""
    first, _, rest = of.one.partition(" ")
    return f"J/{first}\n{rest}" if rest else f"J/{first}"


def _energy_row(summary: Summary, energy: ComponentEnergy) -> tuple[str, ...]:
    leader = leading(summary, energy)
    per_unit = leader[0].per(summary.unit) if leader else None
    relative = per_unit.mean_j.cv if per_unit else None
    figures = leader[1] if leader else None
    per_request = figures.per_request_j if figures else None
    return (
        component_name(energy.component),
        cell(
            per_unit.bounds_j if per_unit else None,
            resolved=figures is not None and figures.resolved,
            half_width=per_unit.mean_j.leading_half_width if per_unit else None,
            absent="no tokens" if leader else "withheld",
            relative_scatter=relative,
            guessed=energy.guessed,
        ),
        cell(
            per_request,
            1000 / units.J_PER_WH,
            absent=_no_request(summary) if leader else "withheld",
            resolved=figures is not None and figures.request_resolved,
            relative_scatter=relative,
            guessed=energy.guessed,
        ),
        cell(energy.bounds_j, resolved=energy.resolved, relative_scatter=relative, guessed=energy.guessed),
        energy.provenance,
        energy.meter,
    )


def _no_request(summary: Summary) -> str:
    return "none" if summary.whole_requests else "cut"


def _legend(summary: Summary) -> str:
    """What ± and [ ] mean, where there are any, and what no component covers."""
    leaders = [found[0] for component in summary.components if (found := leading(summary, component)) is not None]
    estimates = [per.mean_j for energy in leaders if (per := energy.per(summary.unit)) is not None]
    bounded = any(each.bounds_j.low < each.bounds_j.high and not each.guessed for each in summary.components)
    marks = []
    if any(estimate.leading_half_width for estimate in estimates):
        gain = any(estimate.half_width_with_gain for estimate in estimates)
        n = f"n = {summary.trials}, one process" if summary.trials > 1 else "n = 1"
        marks.append(f"± 95 % interval, {n}{', with the sensor gain where it is known' if gain else ''}")
    if bounded:
        marks.append("[ ] bounds from the meter's timing, without its sensor's gain")
    marks += ["J per pass with ramp, drain and fillers"] if summary.steady else []
    explained = f"{'; '.join(marks)}. " if marks else ""
    return f"{explained}Power supply, fans and network excluded."


def _latency_table(summary: Summary) -> Table:
    table = _table()
    table.add_column("Latency, ms", no_wrap=True)
    for heading in ("mean", "p50", "p90", "p95", "p99", "n"):
        table.add_column(heading, justify="right")
    named = (
        ("TTFT", summary.ttft_s),
        ("TPOT", summary.tpot_s),
        ("ITL", summary.itl_s),
        ("inter-chunk", summary.inter_chunk_s),
        ("E2E", summary.e2e_s),
    )
    for name, seconds in named:
        if seconds is not None:
            table.add_row(name, *_latency_row(seconds))
    return table


def _latency_row(seconds: Distribution) -> tuple[str, ...]:
    of_interest = (seconds.mean, seconds.p50, seconds.p90, seconds.p95, seconds.p99)
    return (*(figure(units.ms(value)) for value in of_interest), f"{seconds.n:,}")


def _lines(result: BenchmarkResult) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in named_lines(result):
        table.add_row(name, Text(one_line(text)))
    return table


def _trials(summary: Summary) -> str:
    return "1 trial" if summary.trials == 1 else f"{summary.trials} trials"
