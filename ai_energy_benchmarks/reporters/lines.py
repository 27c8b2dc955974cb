"""The lines under the tables of the console report."""

from __future__ import annotations

from collections.abc import Iterator

from ai_energy_benchmarks.analysis.derived import derive, leading
from ai_energy_benchmarks.analysis.footprint import covers, footprint
from ai_energy_benchmarks.analysis.server_figures import server_figures
from ai_energy_benchmarks.analysis.steady import in_flight_mean
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.domain.digits import bounds, decimals_for, figure, fixed
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.statistics import Estimate
from ai_energy_benchmarks.domain.summary import ComponentEnergy, SteadyMix, SteadyState, Summary
from ai_energy_benchmarks.domain.work import OUTPUT_TOKENS, Unit, unit
from ai_energy_benchmarks.reporters.figures import amount, as_known, cell, component_name, plus_minus, with_half_width
from ai_energy_benchmarks.results import units
from ai_energy_benchmarks.results.document.efficiency import efficiency

Lines = Iterator[tuple[str, str]]


def named_lines(result: BenchmarkResult) -> Lines:
    """Name and text of each line under the tables."""
    cut = is_cut_short(result)
    for section in (_pass, _goodput, _client, _server, _figures, _work, _of_the_total, _absent):
        for name, text in section(result):
            yield name, text.replace("per pass", "in the part that was measured") if cut else text


def _pass(result: BenchmarkResult) -> Lines:
    """What a pass did, and how fast."""
    summary = result.summary
    yield "Speed", _speed(summary)
    prompt, output = f"{amount(summary.prompt_tokens)} prompt", f"{amount(summary.output_tokens)} output"
    made = [f"{prompt} and {output} tokens"] if summary.output_tokens or not summary.amounts else []
    made += [f"{figure(value)} {unit(name).many}" for name, value in summary.amounts.items()]
    yield "Cut short" if is_cut_short(result) else "Per pass", f"{' and '.join(made)} in {figure(summary.duration_s)} s"
    yield "Requests", f"{amount(summary.succeeded)} ok, {amount(summary.failed)} failed per pass"
    yield from _whole_pass(summary)


def is_cut_short(result: BenchmarkResult) -> bool:
    """Whether all that was measured is of trials that did not come to their end, so that no figure is of a pass."""
    return bool(result.trials) and not any(trial.complete for trial in result.trials)


def _goodput(result: BenchmarkResult) -> Lines:
    goodput = result.summary.goodput
    if goodput is not None and goodput.requests_per_s is not None and goodput.share is not None:
        asked = ", ".join(f"{name} ≤ {figure(units.ms(limit_s))} ms" for name, limit_s in goodput.slo.limits())
        yield "Goodput", f"{figure(goodput.requests_per_s)} requests/s kept {asked} ({goodput.share:.1%} of all)"


def _figures(result: BenchmarkResult) -> Lines:
    """The intervals of the figures that lead, and the energy after the idle power."""
    summary = result.summary
    yield from _intervals(summary)
    for energy in summary.components:
        if energy.resolved and energy.net_energy_j is not None:
            yield "Net", _net(energy, summary.duration_s)


def _absent(result: BenchmarkResult) -> Lines:
    said = [finding.message for finding in result.verdict.findings if finding.level != "PASS"]
    for component, reason in result.summary.absent.items():
        if not any(reason in message for message in said):  # else the verdict has it
            yield "Absent", f"{component_name(component)}: {reason}"


def _speed(summary: Summary) -> str:
    of = summary.unit
    if of.name != OUTPUT_TOKENS:
        return f"{figure(summary.units_per_s(of.name))} {of.many}/s"
    if summary.tokens_in_doubt is not None:
        return "withheld, as is all else that tokens are in: token counts are in doubt"
    if summary.steady is None:
        return f"{figure(summary.output_tokens_per_s)} output tokens/s"
    return f"{figure(summary.steady.output_tokens_per_s)} output tokens/s in the steady state"


def _intervals(summary: Summary) -> Iterator[tuple[str, str]]:
    """Of the figures that lead."""
    for each in rows(summary):
        found = leading(summary, each)
        if found is None:
            continue
        if (interval := _interval(found[0], summary.unit)) is not None:
            yield "Interval", interval
        elif (scatter := _scatter(found[0], summary.unit)) is not None:
            yield "Scatter", scatter


def _whole_pass(summary: Summary) -> Iterator[tuple[str, str]]:
    """What stands next to the steady state, and what its latencies are of."""
    steady = summary.steady
    if steady is None:
        return
    pooled = f"latencies are of the {amount(steady.latency_requests)} sent in the steady state"
    left_out = f"{amount(steady.left_out_requests)} before it and {amount(steady.filler_requests)} fillers not counted"
    yield "Latencies", f"{pooled}; {left_out}"
    if steady.mix is not None and steady.mix.corrected and not steady.tokens_absent:
        yield "As measured", _in_window(steady, steady.mix)
    parts = [f"{figure(summary.output_tokens_per_s)} output tokens/s"]
    for each in rows(summary):
        per_token = derive(summary, each).per_output_token_j
        if per_token is not None and each.resolved:
            parts.append(f"{component_name(each.component)} {figure(per_token.best)} J/output token")
    if summary.tokens_in_doubt is None:
        yield "Whole pass", f"{', '.join(parts)}, with ramp, drain and the fillers' tokens"


def _in_window(steady: SteadyState, mix: SteadyMix) -> str:
    """The figures of the steady window where those of a steady state's context and prefill lead."""
    parts = [f"{figure(mix.window_tokens_per_s)} output tokens/s"]
    for each in steady.components:
        if each.per_output_token_window_j is not None and each.resolved:
            parts.append(f"{component_name(each.component)} {figure(each.per_output_token_window_j)} J/output token")
    means = f"{mix.window_context_tokens:.0f} tokens of context, where a steady state has"
    return f"{', '.join(parts)} in the steady window, at {means} {mix.steady_context_tokens:.0f}"


def rows(summary: Summary) -> tuple[ComponentEnergy, ...]:
    """The components, and the total of them where it adds up more than one."""
    total = summary.total if len(summary.total_components) > 1 else None
    return (*summary.components, total) if total else summary.components


def _of_the_total(result: BenchmarkResult) -> Iterator[tuple[str, str]]:
    """What the total covers, and all that follows from it; or why there is none."""
    summary, carbon, tariff, derived = result.summary, result.carbon, result.tariff, footprint(result)
    if summary.total is None and summary.components:
        yield "Total", f"absent, and emissions and cost with it: {derived.absent}"
    elif summary.total_excludes:
        yield "Total", covers(summary)
    if derived.wall_j:
        wall = cell(derived.wall_j, resolved=derived.absent is None).replace("\n", " ")
        factor = f"wall factor {result.wall_factor:g}, as stated"
        yield "At the wall", f"{wall} J per pass (sum of the components × {factor})"
    guessed = summary.total is not None and summary.total.guessed
    digits, rough = (2, ", an order of magnitude") if guessed else (4, "")
    modelled = f"modelled energy{rough}; " if derived.method == "modelled" else ""
    if derived.emissions_g is not None and carbon:
        source = f"{modelled}{carbon.intensity_g_per_kwh:g} g/kWh, PUE {carbon.pue:g}; {carbon.source}"
        yield "CO2e", f"{_per_pass_and_1000('g', derived.emissions_g, derived.emissions_per_1000_g, digits)} ({source})"
    if derived.cost is not None and tariff:
        price = f"{modelled}{tariff.price_per_kwh:g} {tariff.currency}/kWh, PUE {tariff.pue:g}"
        amounts = _per_pass_and_1000(tariff.currency, derived.cost, derived.cost_per_1000, digits)
        yield "Cost", f"{amounts} ({price})"


def _per_pass_and_1000(unit: str, per_pass: float, per_1000: float | None, digits: int) -> str:
    """What a pass causes, and what 1,000 queries do where that is known."""
    more = "" if per_1000 is None else f", {figure(per_1000, digits)} {unit} per 1,000 queries"
    return f"{figure(per_pass, digits)} {unit} per pass{more}"


def _work(result: BenchmarkResult) -> Lines:
    """Floating-point operations and what they cost; none where they cannot be counted."""
    found = efficiency(result)
    flop, used = found["flop"], found["utilisation"]
    if flop is None:
        return
    parts = [f"{figure(flop['per_pass'] / 1e12)} TFLOP per pass, {flop['confidence']} confidence"]
    guessed = {energy.component for energy in result.summary.components if energy.guessed}
    parts += [
        f"{as_known(flop_per_j / 1e9, guessed=name in guessed)} GFLOP/J {component_name(name)}"
        for name, flop_per_j in found["flop_per_j"].items()
        if name != "total"
    ]
    parts += [f"{figure(100 * used['share_of_peak'], 2)}% of the GPUs' peak"] if used else []
    yield "Work", "; ".join(parts)


def _client(result: BenchmarkResult) -> Lines:
    """How the client of a server fared in its worst trial; nothing for engines in process."""
    served = [trial for trial in result.trials if trial.client is not None]
    if not served:
        return
    cpu = max(trial.client.cpu_time_s / trial.duration_s for trial in served if trial.client)
    lags_s = [trial.client.loop_lag_s for trial in served if trial.client and trial.client.loop_lag_s is not None]
    late = f", event loop {1000 * max(lags_s):.3g} ms late (p99)" if lags_s else ""
    mean = min(map(in_flight_mean, served))
    at_once = f", {mean:.2f} requests in flight on average over the whole pass"
    yield "Client", f"at most {cpu:.0%} of a core{late}{at_once}"


def _server(result: BenchmarkResult) -> Lines:
    """Queue and cache as the server reported them; None if it reported nothing."""
    found = server_figures(counting_trials(result.trials))
    if found is None:
        return
    parts = []
    if found.running_mean is not None and found.waiting_mean is not None:
        parts.append(f"{found.running_mean:.3g} requests running and {found.waiting_mean:.3g} waiting on average")
    if found.waiting_most:
        parts.append(f"at most {found.waiting_most:g} waiting")
    if found.kv_cache_most_share is not None:
        parts.append(f"KV cache at most {found.kv_cache_most_share:.1%} full")
    if found.prefix_cache_hit_share is not None:
        parts.append(f"{found.prefix_cache_hit_share:.1%} of prompt tokens from its prefix cache")
    if found.preemptions is not None:
        parts.append(f"{found.preemptions} preemptions")
    looked = f" ({found.readings} readings)" if found.readings else ""
    if parts:
        yield "Server", f"{', '.join(parts)}{looked}"


def _interval(energy: ComponentEnergy, of: Unit) -> str | None:
    """J per unit of work with what its ± holds; None where there is no interval to give."""
    per = energy.per(of)
    half_width_j = per.mean_j.leading_half_width if per is not None else None
    if not energy.resolved or per is None or not half_width_j:
        return None
    mean, bounds_j = per.mean_j, per.bounds_j
    decimals = decimals_for(half_width_j)
    token_j, half = fixed(mean.mean, decimals), plus_minus(mean.mean, half_width_j)
    parts = [f"{component_name(energy.component)} {token_j} J/{of.one} {half} (95 %, {_gain(energy, mean)})"]
    n = f"n = {mean.n} trials, one process" if mean.n > 1 else "n = 1: from the meter's bounds alone"
    if mean.half_width:
        parts.append(
            f"repeatability ± {fixed(mean.half_width, max(decimals, decimals_for(mean.half_width) - 1))} ({n})"
        )
    else:
        parts.append(n)
    if limits := bounds(bounds_j.low, bounds_j.high):
        parts.append(f"meter bounds {limits}")
    return "; ".join(parts)


def _gain(energy: ComponentEnergy, mean: Estimate) -> str:
    """Whether the ± that leads holds the gain of the sensor."""
    unknown = " and ".join(energy.gain_unknown)
    if energy.gain_limit is not None:
        return f"with ±{100 * energy.gain_limit:.0f} % sensor gain"
    if mean.half_width_with_gain is not None:
        return f"without the sensor gain of {unknown}, which is not known"
    return "without sensor gain, which is not known"


def _scatter(energy: ComponentEnergy, of: Unit) -> str | None:
    """The scatter of a figure without an interval, such as a modelled one; None for others."""
    per = energy.per(of)
    mean = per.mean_j if per is not None else None
    if not energy.resolved or mean is None or mean.standard_deviation is None:
        return None
    scatter = f"standard deviation {figure(mean.standard_deviation, 2)} J/{of.one} over n = {mean.n} trials"
    why = "no interval is given, since it would contain negative energy"
    if energy.provenance == "modelled":
        watts = ": its watts are a guess, so the figure is an order of magnitude" if energy.guessed else ""
        why = f"the model's own error is not known{watts}"
    return f"{component_name(energy.component)} {scatter}; {why}"


def _net(energy: ComponentEnergy, duration_s: float) -> str:
    net_j, idle_w = energy.net_energy_j or 0.0, energy.idle_power_w or 0.0
    modelled = energy.provenance == "modelled"
    half_difference_w = None if modelled else energy.idle_half_difference_w
    half_j = None if half_difference_w is None else half_difference_w * duration_s
    if half_j and net_j - half_j < 0:
        idle = with_half_width(idle_w, half_difference_w)
        return f"{component_name(energy.component)} not resolved from an idle power of {idle} W"
    net = as_known(net_j, half_width=half_j, guessed=energy.guessed)
    text = f"{component_name(energy.component)} {net} J per pass"
    own = " of the workload's own processor time" if modelled else ""
    idle = as_known(idle_w, half_width=half_difference_w, guessed=energy.guessed)
    after = f"after an idle power{own} of {idle} W"
    return f"{text} {after}" + (" (± from the two baselines alone)" if half_difference_w else "")
