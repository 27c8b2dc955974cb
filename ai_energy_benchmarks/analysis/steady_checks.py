"""Whether the steady state is one: long enough, even, under the load that was asked for, with the pass's own work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, pstdev

from attrs import frozen

from ai_energy_benchmarks.analysis.actions import ACTIONS
from ai_energy_benchmarks.analysis.mix_checks import cost_of_mix_known, mix_findings
from ai_energy_benchmarks.analysis.running_checks import running_findings
from ai_energy_benchmarks.analysis.tokens import Counts
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.analysis.windows import counted
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyState, SteadyTrial, Summary
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.domain.verdict import Finding, not_checked

CHECK = "steady state"
_SETTLE = "fix: let it settle before the trials (protocol.warmup, protocol.thermal_gate), and let nothing else use it"
_SHORTEST_S = 60.0
_LATENCIES = 3
_PER_SLOT = 10
_HALVES = 0.02
# Halves that differ so much that chance would need this many times the samples differ for a reason; from ten times on
# they do so too if they differ by more than three standard deviations of what answers of mixed lengths explain.
_MORE, _SOME_MORE, _DEVIATIONS = 100, 10, 3
_LENGTHS = 10_000
_PROMPTS, _CONTEXTS = 0.05, 0.05
# So many failed fillers, or so large a share of all requests, no longer are an accident.
_FAILED_FILLERS, _FAILED_SHARE = 10, 0.01


def steady_findings(trials: Sequence[Trial], summary: Summary, *, repeats: bool = True) -> Iterator[Finding]:
    """Findings on the steady state of a run under concurrency; none with one request in flight.

    Args:
        trials: the trials that the summary is over.
        repeats: whether a pass takes prompts again where the dataset has fewer (``scenario.repeat``).
    """
    steady = summary.steady
    yield from _failed_fillers(trials)
    if steady is None:
        if summary.steady_absent:
            kept_up = any(trial.steady_absent for trial in trials)
            why = f"no steady figure: {summary.steady_absent}"
            if not any(trial.complete for trial in trials):  # longer passes would not help
                why += f"; fix: {ACTIONS['ending']}"
            yield Finding("FAIL" if kept_up else "WARN", CHECK, why)
        return
    numbers = {trial.number for trial in steady.trials}
    chosen = [trial for trial in trials if trial.number in numbers]
    cases = [
        _Case(trial, trial.steady, figures, trial_figures(trial).counts)
        for trial, figures in zip(chosen, steady.trials, strict=True)
        if trial.steady is not None
    ]
    yield from _unmeasured(steady, summary)
    if steady.tokens_absent:
        # Longer passes mend what is uncertain, not counts that cannot be true.
        fix = f"; fix: {ACTIONS['token counts']}" if summary.tokens_in_doubt is not None else ""
        yield Finding("FAIL", CHECK, f"no steady figure per token: {steady.tokens_absent}{fix}")
    yield from running_findings(chosen)
    p95_s = summary.e2e_s.p95 if summary.e2e_s else summary.pass_e2e_s or 0.0
    doubts = [_length(cases, p95_s), _requests(cases)]
    tokens_known = summary.tokens_in_doubt is None  # else nothing that they are in says how many samples would do
    if tokens_known:
        doubts.append(_halves(cases))
    if tokens_known and summary.prompt_tokens_in_doubt is None:
        doubts.append(_prompts(cases))
        if not cost_of_mix_known(steady):
            doubts.append(_contexts(cases))
    yield from mix_findings(steady)
    short = [doubt for doubt in doubts if doubt]
    if short:
        yield from _findings(short, repeats=repeats)
    else:
        seconds = min(case.window.duration_s for case in cases)
        halves = tokens_known and any(_difference(case) is not None for case in cases)
        message = f"at least {seconds:.0f} s and {_PER_SLOT} requests for each in flight"
        yield Finding("PASS", CHECK, message + (", even" if halves else ""))
    if not tokens_known or all(_difference(case) is None for case in cases):
        why = "the energy or the tokens of its halves are not known, so they were not compared"
        yield not_checked(CHECK, why)


def _unmeasured(steady: SteadyState, summary: Summary) -> Iterator[Finding]:
    """A meter of which the energy of a part cannot be known."""
    measured = {component.component for component in summary.components}
    for component, reason in steady.absent.items():
        if component in measured:
            yield Finding("WARN", CHECK, f"no {component.upper()} energy in the steady window: {reason}", component)


def _failed_fillers(trials: Sequence[Trial]) -> Iterator[Finding]:
    """Fillers that fail keep no load up, and what they used is in the energy without their tokens."""
    failures = [filler for trial in trials for filler in trial.fillers if isinstance(filler, FailedCompletion)]
    if not failures:
        return
    fillers = sum(len(trial.fillers) for trial in trials)
    requests = sum(len(trial.outcomes) for trial in trials)
    many = len(failures) >= _FAILED_FILLERS or len(failures) > _FAILED_SHARE * (requests + fillers)
    message = f"{len(failures)} of {fillers} filler requests failed, so that the load was not kept up to the end of"
    message += f" each pass; the last because: {failures[-1].reason}"
    yield Finding("WARN" if many else "INFO", "filler requests", message)


@frozen
class _Doubt:
    """Why a window may not be that of a steady state.

    Attributes:
        enough: the ``scenario.num_samples`` that would do; None if no number would.
    """

    message: str
    enough: int | None = None


def _findings(doubts: Sequence[_Doubt], *, repeats: bool) -> Iterator[Finding]:
    """One WARN for all that more samples mend, which names the largest number of them; one for each of the others."""
    enough = max((doubt.enough for doubt in doubts if doubt.enough is not None), default=None)
    if enough is not None:
        message = "; ".join(doubt.message for doubt in doubts if doubt.enough is not None)
        again = "" if repeats else ", with scenario.repeat: true where the dataset has fewer prompts"
        yield Finding("WARN", CHECK, f"{message}; fix: scenario.num_samples: {enough} would do{again}")
    yield from (Finding("WARN", CHECK, doubt.message) for doubt in doubts if doubt.enough is None)


@frozen
class _Case:
    """One trial with its steady window.

    Attributes:
        counts: of the pass's own requests.
    """

    trial: Trial
    window: SteadyWindow
    figures: SteadyTrial
    counts: Counts

    @property
    def requests(self) -> int:
        return len(self.trial.outcomes)


def _doubt(message: str, case: _Case, times: float) -> _Doubt:
    """With how many samples would do, so many times those of the case, in two digits rounded up."""
    wanted = math.ceil(case.requests * times)
    step = 10 ** max(0, len(str(wanted)) - 2)
    enough = -(-wanted // step) * step
    return _Doubt(message, enough)


def _length(cases: Sequence[_Case], p95_s: float) -> _Doubt | None:
    worst = min(cases, key=lambda case: case.window.duration_s)
    wanted_s = max(_SHORTEST_S, _LATENCIES * p95_s)
    seconds = worst.window.duration_s
    if seconds >= wanted_s:
        return None
    limits = f"{_SHORTEST_S:g} s or {_LATENCIES} × the p95 of E2E ({p95_s:.3g} s)"
    message = f"the steady window is {seconds:.1f} s long, less than {limits}"
    return _doubt(message, worst, wanted_s / seconds)


def _requests(cases: Sequence[_Case]) -> _Doubt | None:
    worst = min(cases, key=lambda case: case.requests)
    wanted = _PER_SLOT * worst.window.concurrency
    if worst.requests >= wanted:
        return None
    message = f"{worst.requests} requests are fewer than {_PER_SLOT} × the {worst.window.concurrency} in flight"
    return _doubt(message, worst, wanted / worst.requests)


def _halves(cases: Sequence[_Case]) -> _Doubt | None:
    """Both halves of the window should cost the same per token; by chance they differ by 1 / √n."""
    differences = [(difference, case) for case in cases if (difference := _difference(case)) is not None]
    if not differences:
        return None
    difference, worst = max(differences, key=lambda pair: abs(pair[0]))
    if abs(difference) <= _HALVES:
        return None
    message = f"the second half of the steady window costs {difference:+.1%} J per output token against the first"
    message += f" in trial {worst.trial.number}"
    times = (difference / _HALVES) ** 2
    if times > _MORE or (times > _SOME_MORE and abs(difference) > _DEVIATIONS * _by_chance(worst)):
        return _Doubt(f"{message}: its speed or its power changes, so that more samples will not help; {_SETTLE}")
    return _doubt(message, worst, times)


def _by_chance(case: _Case) -> float:
    """Standard deviation of the difference of two halves, each with half of the requests of mixed lengths."""
    lengths = [done.output_tokens for done in case.trial.outcomes[:_LENGTHS] if isinstance(done, Completion)]
    if not any(lengths):
        return 0.0
    return 2 * pstdev(lengths) / fmean(lengths) / math.sqrt(case.requests)


def _difference(case: _Case) -> float | None:
    for component in COMPONENTS:
        if _energy_j(case.window.measurement, component) is not None:
            return _difference_of(case, component)
    return None


def _difference_of(case: _Case, component: Component) -> float | None:
    first_tokens, second_tokens = case.figures.half_output_tokens
    first_j = _energy_j(case.window.first_half, component)
    second_j = _energy_j(case.window.second_half, component)
    if not first_tokens or not second_tokens or not first_j or second_j is None:
        return None
    return (second_j / second_tokens) / (first_j / first_tokens) - 1


def _energy_j(measurement: Measurement | None, component: Component) -> float | None:
    readings = counted(measurement, (component,)) if measurement is not None else ()
    return add_up(reading.energy_j for reading in readings) if readings else None


def _prompts(cases: Sequence[_Case]) -> _Doubt | None:
    """The window should hold prefill and decode in the proportion of the pass; its edges shift it by 1 / n."""
    shifts = [(shift, case) for case in cases if (shift := _shift(case)) is not None]
    if not shifts:
        return None
    shift, worst = max(shifts, key=lambda pair: abs(pair[0]))
    if abs(shift) <= _PROMPTS:
        return None
    message = f"the steady window has {shift:+.1%} computed prompt tokens per output token against the pass"
    return _doubt(f"{message} in trial {worst.trial.number}", worst, abs(shift) / _PROMPTS)


def _shift(case: _Case) -> float | None:
    counts, figures = case.counts, case.figures
    computed = counts.prompt_tokens - (counts.cached_prompt_tokens or 0)
    if not computed or not counts.output_tokens or not figures.output_tokens:
        return None
    return (figures.computed_prompt_tokens / figures.output_tokens) / (computed / counts.output_tokens) - 1


def _contexts(cases: Sequence[_Case]) -> _Doubt | None:
    """The requests in flight should be as old as those of a steady state, which reads as much context for a token.

    A pass begins with young requests, and one with a few very long answers may end before they are as old as they
    become; the shift fades as the number of requests grows. Where slices of the window show what context costs, the
    figures are given for that of a steady state (``mix_findings``).
    """
    shifts = [
        (case.figures.context_tokens / case.figures.pass_context_tokens - 1, case)
        for case in cases
        if case.figures.context_tokens is not None and case.figures.pass_context_tokens
    ]
    if not shifts:
        return None
    shift, worst = max(shifts, key=lambda pair: abs(pair[0]))
    if abs(shift) <= _CONTEXTS:
        return None
    message = f"the output tokens of the steady window follow {shift:+.1%} tokens of context against the pass"
    return _doubt(f"{message} in trial {worst.trial.number}: a few long answers", worst, abs(shift) / _CONTEXTS)
