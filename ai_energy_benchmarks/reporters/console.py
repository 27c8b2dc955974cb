"""The result on the terminal: the verdict first, then energy, speed, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from rich import box
from rich.console import Console, RenderableType
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from ai_energy_benchmarks.analysis.derived import Bounded, cost, derive, emissions_g, energies
from ai_energy_benchmarks.analysis.serving_checks import achieved_concurrency
from ai_energy_benchmarks.domain.result import BenchmarkResult, ComponentEnergy, Level, Summary
from ai_energy_benchmarks.domain.statistics import Distribution
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.figures import bounds, figure, with_half_width
from ai_energy_benchmarks.results import units

_NARROWEST = 80
_STYLES: dict[Level, str] = {"FAIL": "bold red", "WARN": "yellow", "INFO": "cyan", "PASS": "green"}


@frozen
class ConsoleReporter:
    """Prints the result; writes no file.

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
        lines = "".join(f"{each.rstrip()}\n" for each in captured.get().splitlines())
        # A stream that cannot show a character must not cost the report.
        console.file.write(lines.encode(console.encoding, "replace").decode(console.encoding))
        console.file.flush()
        return ()


def _parts(result: BenchmarkResult) -> Iterator[RenderableType]:
    summary = result.summary
    yield Text(_headline(result), style="bold")
    yield Text.assemble("Verdict: ", (result.verdict.level, _STYLES[result.verdict.level]))
    yield _findings(result)
    yield Text()
    if summary.components:
        yield Text(f"Gross energy of one pass, mean of {_trials(summary)}", style="bold")
        yield _energy_table(summary)
        yield Text(_legend(summary))
        yield Text()
    if summary.e2e_s:
        yield _latency_table(summary)
        yield Text()
    yield _lines(result)


def _headline(result: BenchmarkResult) -> str:
    subject, engine = result.subject, result.engine
    where = ", ".join(each for each in (engine.engine, engine.device, engine.dtype) if each) if engine else "not loaded"
    return f"{subject.name}: {subject.model} on {subject.backend} ({where})"


def _findings(result: BenchmarkResult) -> Table:
    """All that is not a pass, one line each; the passes as a count."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    passed = 0
    for each in result.verdict.findings:
        if each.level == "PASS":
            passed += 1
        else:
            table.add_row(Text(each.level, style=_STYLES[each.level]), Text(f"{each.check}: {each.message}"))
    if passed:
        table.add_row(Text("PASS", style=_STYLES["PASS"]), Text(f"{passed} further check{'s' if passed > 1 else ''}"))
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)


def _energy_table(summary: Summary) -> Table:
    table = _table()
    table.add_column("", no_wrap=True)
    for heading in ("J/output\ntoken", "Wh/1,000\nqueries", "J per pass"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("word", "meter"):
        table.add_column(heading, overflow="fold")
    rows = summary.components
    if summary.total and len(rows) > 1:
        rows = (*rows, summary.total)
    for each in rows:
        table.add_row(*_energy_row(summary, each))
    return table


def _energy_row(summary: Summary, energy: ComponentEnergy) -> tuple[str, ...]:
    figures = derive(summary, energy)
    scatter = energy.per_output_token_j
    of_pass = Bounded(energy.energy_j if energy.resolved else None, energy.energy_low_j, energy.energy_high_j)
    return (
        _name(energy.component),
        _cell(figures.per_output_token_j, half_width=scatter.half_width if scatter else None),
        _cell(figures.per_request_j, 1000 / units.J_PER_WH),
        _cell(of_pass),
        energy.provenance,
        energy.meter,
    )


def _cell(bounded: Bounded | None, factor: float = 1.0, half_width: float | None = None) -> str:
    """The figure over its bounds; the bounds alone where the window is not resolved."""
    if bounded is None:
        return "no tokens"
    limits = bounds(bounded.low * factor, bounded.high * factor)
    if bounded.value is None:
        return f"unresolved\n{limits}"
    return "\n".join(each for each in (with_half_width(bounded.value * factor, half_width), limits) if each)


def _legend(summary: Summary) -> str:
    """What ± and [ ] mean, where there are any, and what no component covers."""
    n = summary.trials
    bounded = any(each.energy_low_j < each.energy_high_j for each in summary.components)
    marks = [f"± 95 % interval, n = {n}, one process"] if n > 1 else []
    if bounded:
        marks += ["± 95 % interval from the meter's edges"] if n == 1 else []
        marks += ["[ ] bounds from the meter's timing, without its sensor's gain"]
    explained = f"{'; '.join(marks)}. " if marks else ""
    return f"{explained}Power supply, fans and network excluded."


def _latency_table(summary: Summary) -> Table:
    table = _table()
    table.add_column("Latency, ms", no_wrap=True)
    for heading in ("mean", "p50", "p90", "p95", "p99", "n"):
        table.add_column(heading, justify="right")
    named = (("TTFT", summary.ttft_s), ("TPOT", summary.tpot_s), ("ITL", summary.itl_s), ("E2E", summary.e2e_s))
    for name, seconds in named:
        if seconds is not None:
            table.add_row(name, *_latency_row(seconds))
    return table


def _latency_row(seconds: Distribution) -> tuple[str, ...]:
    of_interest = (seconds.mean, seconds.p50, seconds.p90, seconds.p95, seconds.p99)
    return (*(figure(units.ms(each)) for each in of_interest), f"{seconds.n:,}")


def _lines(result: BenchmarkResult) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _named_lines(result):
        table.add_row(name, Text(text))
    return table


def _named_lines(result: BenchmarkResult) -> Iterator[tuple[str, str]]:
    summary, carbon = result.summary, result.carbon
    yield "Speed", f"{figure(summary.output_tokens_per_s)} output tokens/s"
    prompt, output = f"{summary.prompt_tokens:,.10g} prompt", f"{summary.output_tokens:,.10g} output"
    yield "Per pass", f"{prompt} and {output} tokens in {figure(summary.duration_s)} s"
    yield "Requests", f"{summary.succeeded:,.10g} ok, {summary.failed:,.10g} failed per pass"
    if (client := _client(result)) is not None:
        yield "Client", client
    for each in energies(summary).values():
        if (interval := _interval(each)) is not None:
            yield "Interval", interval
    for each in summary.components:
        if each.resolved and each.net_energy_j is not None:
            yield "Net", _net(each, summary.duration_s)
    if carbon and summary.total and summary.total.resolved:
        mass = figure(emissions_g(summary.total.energy_j, carbon))
        yield "CO2e", f"{mass} g per pass ({carbon.intensity_g_per_kwh:g} g/kWh, PUE {carbon.pue:g}; {carbon.source})"
    if (tariff := result.tariff) and summary.total and summary.total.resolved:
        price = f"{tariff.price_per_kwh:g} {tariff.currency}/kWh, PUE {tariff.pue:g}"
        yield "Cost", f"{figure(cost(summary.total.energy_j, tariff))} {tariff.currency} per pass ({price})"
    for component, reason in summary.absent.items():
        yield "Absent", f"{_name(component)}: {reason}"


def _client(result: BenchmarkResult) -> str | None:
    """How the client of a server fared in its worst trial; None for engines in process."""
    served = [trial for trial in result.trials if trial.client is not None]
    if not served:
        return None
    cpu = max(trial.client.cpu_time_s / trial.duration_s for trial in served if trial.client)
    late_s = max(trial.client.loop_lag_s for trial in served if trial.client)
    achieved = [each for trial in served if (each := achieved_concurrency(trial)) is not None]
    at_once = f", {min(achieved):.2f} requests on their way at once" if achieved else ""
    return f"at most {cpu:.0%} of a core, event loop {1000 * late_s:.3g} ms late (p99){at_once}"


def _interval(energy: ComponentEnergy) -> str | None:
    """J per output token as measurement.md §7 prints it; None where there is no interval to give."""
    mean, low_j, high_j = energy.per_output_token_j, energy.per_output_token_low_j, energy.per_output_token_high_j
    if not energy.resolved or mean is None or not mean.half_width or low_j is None or high_j is None:
        return None
    token_j, half_j = with_half_width(mean.mean, mean.half_width).split(" ± ")
    n = f"n = {mean.n} trials, one process" if mean.n > 1 else "n = 1, from the meter's edges"
    parts = [f"{_name(energy.component)} {token_j} J/output token ± {half_j} (95 %, {n})"]
    if mean.half_width_with_gain and energy.gain_limit is not None:
        wider_j = with_half_width(mean.mean, mean.half_width_with_gain).split(" ± ")[1]
        parts.append(f"± {wider_j} with ±{energy.gain_limit:.0%} sensor gain")
    if limits := bounds(low_j, high_j):
        parts.append(f"meter bounds {limits}")
    return "; ".join(parts)


def _net(energy: ComponentEnergy, duration_s: float) -> str:
    net_j, idle_w = energy.net_energy_j or 0.0, energy.idle_power_w or 0.0
    half_difference_w = energy.idle_half_difference_w
    half_j = None if half_difference_w is None else half_difference_w * duration_s
    text = f"{_name(energy.component)} {with_half_width(net_j, half_j)} J per pass"
    return f"{text} after an idle power of {with_half_width(idle_w, half_difference_w)} W"


def _name(component: str) -> str:
    return "total" if component == "total" else component.upper()


def _trials(summary: Summary) -> str:
    return "1 trial" if summary.trials == 1 else f"{summary.trials} trials"
