"""How far a benchmark can be trusted: every check of docs/measurement.md, "The verdict", that the values allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from attrs import evolve, frozen

from ai_energy_benchmarks.analysis.actions import with_action
from ai_energy_benchmarks.analysis.beats import beat_findings
from ai_energy_benchmarks.analysis.board_checks import board_findings
from ai_energy_benchmarks.analysis.derived import energies
from ai_energy_benchmarks.analysis.edge_checks import edge_findings
from ai_energy_benchmarks.analysis.empty_answers import empty_answer_findings, unknown_end_findings
from ai_energy_benchmarks.analysis.energy_checks import energy_findings
from ai_energy_benchmarks.analysis.first_trial import explain_scatter, first_trial_findings
from ai_energy_benchmarks.analysis.gpu_checks import gpu_findings, unknown_findings
from ai_energy_benchmarks.analysis.integration import counter_findings
from ai_energy_benchmarks.analysis.latency import latency_findings
from ai_energy_benchmarks.analysis.machine_checks import machine_findings
from ai_energy_benchmarks.analysis.reading_gaps import gap_findings
from ai_energy_benchmarks.analysis.serving_checks import goodput_findings, serving_findings
from ai_energy_benchmarks.analysis.steady_checks import steady_findings
from ai_energy_benchmarks.analysis.stranger_checks import stranger_findings
from ai_energy_benchmarks.analysis.summary import counting_trials
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.analysis.unchecked import unchecked_findings
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import Ending, Step, Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, Level, Verdict
from ai_energy_benchmarks.domain.work import OUTPUT_TOKENS, together

_NO_SAMPLES = Samples()
_WORST_FIRST: tuple[Level, ...] = ("FAIL", "WARN", "INFO", "PASS")

# The whole protocol of docs/measurement.md, "The order of a benchmark".
FULL_TRIALS = 5
FULL_IDLE_S = 10.0
FULL_WARMUP_REQUESTS = 10
FULL_GATE_S = 60.0
# The method of AI Energy Score (docs/aienergyscore.md): the mean of 10 runs over 1,000 prompts.
SCORE_TRIALS, SCORE_PROMPTS = 10, 1000


@frozen
class Planned:
    """The protocol that the config asked for.

    Attributes:
        warmup_requests: None for a warm-up that ends by its own finding and not by a number.
        thermal_gate: whether GPUs were to be steady before the first trial.
        gate_window_s: the time over which they were to be steady.
        score_prompts: prompts of a pass of a run for AI Energy Score, whose method has a number of its own; None for
            any other run.
        cycles: whether the processes of a study repeat the measurement, so that it needs no trials for that.
        repeats: whether a pass takes prompts again where the dataset has fewer.
    """

    trials: int = FULL_TRIALS
    bare_idle_s: float = FULL_IDLE_S
    resident_idle_s: float = FULL_IDLE_S
    warmup_requests: int | None = FULL_WARMUP_REQUESTS
    thermal_gate: bool = True
    gate_window_s: float = FULL_GATE_S
    score_prompts: int | None = None
    cycles: bool = False
    repeats: bool = True

    def shortened(self, *, metrics: bool, gpu: bool) -> Iterator[str]:
        """Everything that is less than the whole protocol; some of it matters only to meters, or to GPUs."""
        if self.score_prompts is not None:
            if self.trials < SCORE_TRIALS:
                yield f"{self.trials} of AI Energy Score's {SCORE_TRIALS} runs"
            if self.score_prompts < SCORE_PROMPTS:
                yield f"{self.score_prompts:,} of its {SCORE_PROMPTS:,} prompts"
        elif self.trials < FULL_TRIALS and not self.cycles:
            yield f"{self.trials} of {FULL_TRIALS} trials"
        requests = self.warmup_requests
        if requests is not None and requests < FULL_WARMUP_REQUESTS:
            yield f"{requests} of {FULL_WARMUP_REQUESTS} warm-up requests" if requests else "no warm-up"
        for name, seconds in (("bare", self.bare_idle_s), ("resident", self.resident_idle_s)) if metrics else ():
            if seconds < FULL_IDLE_S:
                yield f"{seconds:g} of {FULL_IDLE_S:g} s {name} idle" if seconds else f"no {name} idle"
        if gpu and not self.thermal_gate:
            yield "no thermal gate"
        elif gpu and self.gate_window_s < FULL_GATE_S:
            yield f"thermal gate over {self.gate_window_s:g} of {FULL_GATE_S:g} s"


def judge(
    *,
    ending: Ending,
    steps: Sequence[Step],
    trials: Sequence[Trial],
    summary: Summary,
    environment: Environment,
    engine: EngineFacts | None,
    metrics_enabled: bool,
    planned: Planned,
    gpu: bool,
    served: bool = False,
    gpu_unknown: str | None = None,
    collector_notes: Sequence[str] = (),
    samples: Samples = _NO_SAMPLES,
    extra: Sequence[Finding] = (),
) -> Verdict:
    """Make every check, each a finding with its figure; the worst first.

    Args:
        trials: all trials, partial ones too.
        engine: None if it never loaded.
        gpu: whether the workload runs on a GPU, so that its energy must not be missing.
        served: whether the engine is a server.
        gpu_unknown: the backend's name, where it is not known whether the workload runs on a GPU; else None.
        collector_notes: what was picked as a meter and why.
        samples: the meters' raw series, for what only they can show.
        extra: findings of the caller, sorted in with the others.
    """
    # Of a run that ended while it loaded or warmed up, such as by Ctrl-C: no request or meter is to blame.
    ended_before_trials = ending != "completed" and not any(trial.outcomes for trial in trials)
    judges_energy = metrics_enabled and not ended_before_trials
    checks = chain(
        _ending(ending, trials, planned.trials),
        () if ended_before_trials else _requests(trials),
        _tokens(trials, summary),
        empty_answer_findings(trials),
        unknown_end_findings(trials),
        energy_findings(summary, trials, steps, gpu) if judges_energy else (),
        () if metrics_enabled else _without_meters(),
        gpu_findings(trials, steps, samples, served=served),
        unknown_findings(summary, gpu_unknown) if judges_energy and gpu_unknown is not None else (),
        () if ended_before_trials else _protocol(planned, metrics_enabled, gpu, completed=ending == "completed"),
        _window_notes(trials),
        first_trial_findings(counting_trials(trials), served=served),
        serving_findings(trials, engine),
        steady_findings(counting_trials(trials), summary, repeats=planned.repeats),
        goodput_findings(summary),
        latency_findings(summary),
        counter_findings(samples, trials),
        beat_findings(summary, trials),
        board_findings(samples, trials),
        edge_findings(trials),
        stranger_findings(trials, steps, samples),
        machine_findings(environment, trials, modelled_cpu=_cpu_is_modelled(summary)),
        gap_findings(samples, trials, collector_notes),
        (Finding("INFO", "engine", note) for note in (engine.notes if engine else ())),
        (Finding("WARN", "engine", warning) for warning in (engine.warnings if engine else ())),
        (Finding("INFO", "meter", note) for note in collector_notes),
        extra,
    )
    findings = list(checks)
    findings += unchecked_findings(
        findings,
        environment=environment,
        trials=() if ended_before_trials else trials,
        steps=steps,
        summary=summary,
        samples=samples,
        metrics_enabled=metrics_enabled,
    )
    ordered = tuple(
        sorted(map(with_action, explain_scatter(findings)), key=lambda each: _WORST_FIRST.index(each.level))
    )
    return Verdict(ordered, _judged_components(summary, ordered, gpu) if metrics_enabled else ())


def _judged_components(summary: Summary, findings: Iterable[Finding], gpu: bool) -> tuple[Component, ...]:
    """The components that have a figure or should have one, in the order in which one of them is the headline.

    One of which something fails, such as a GPU that worked and is not counted, should have one.
    """
    missing = {each.component for each in findings if each.level == "FAIL"}
    seen = energies(summary)
    return tuple(each for each in COMPONENTS if each in seen or each in missing or (gpu and each == "gpu"))


def _cpu_is_modelled(summary: Summary) -> bool:
    cpu = energies(summary).get("cpu")
    return cpu is not None and cpu.provenance == "modelled"


def _without_meters() -> Iterator[Finding]:
    yield Finding("INFO", "energy", "metrics.enabled is false: energy is absent, not 0")


def _ending(ending: Ending, trials: Sequence[Trial], planned: int) -> Iterator[Finding]:
    done = f"{sum(each.complete for each in trials)} of {planned} trials complete"
    if ending == "completed":
        yield Finding("PASS", "ending", done)
    elif ending == "interrupted":
        yield Finding("FAIL", "ending", f"interrupted with {done}")
    else:
        yield Finding("FAIL", "ending", f"stopped early with {done}")


def _requests(trials: Sequence[Trial]) -> Iterator[Finding]:
    attempted = sum(len(each.outcomes) for each in trials)
    failures = [each for trial in trials for each in trial.failures]
    if len(failures) == attempted:
        reason = f", the last because: {failures[-1].reason}" if failures else ""
        yield Finding("FAIL", "requests", f"no request succeeded of {attempted}{reason}")
    elif failures:
        ((reason, times),) = Counter(each.reason for each in failures).most_common(1)
        share = len(failures) / attempted
        message = f"{len(failures)} of {attempted} requests failed ({share:.2%}); {times} of them because: {reason}"
        yield Finding("FAIL" if share > 0.01 else "WARN", "requests", message)
    else:
        yield Finding("PASS", "requests", f"0 of {attempted} requests failed")


def _tokens(trials: Sequence[Trial], summary: Summary) -> Iterator[Finding]:
    counts = [trial_figures(trial).counts for trial in trials]
    succeeded = sum(each.succeeded for each in counts)
    output_tokens = sum(each.output_tokens for each in counts)
    if not succeeded:
        return
    if summary.unit.name == OUTPUT_TOKENS:
        level: Level = "PASS" if output_tokens else "FAIL"
        yield Finding(level, "output tokens", f"{output_tokens:,} output tokens from {succeeded:,} requests")
    else:
        made = together(each.amounts for each in counts)[summary.unit.name]
        level = "PASS" if made else "FAIL"
        yield Finding(level, "output", f"{made:,.6g} {summary.unit.many} from {succeeded:,} requests")
    if retokenised := sum(each.retokenised for each in counts):
        message = f"the tokens of {retokenised} of {succeeded} requests were counted by re-tokenising their text"
        yield Finding("WARN", "token counts", message)
    if truncated := sum(each.truncated for each in counts):
        yield Finding("WARN", "truncation", f"{truncated} of {succeeded} prompts were cut to fit the context")
    if repeated := next(facts.repeated_prompts for trial in trials if (facts := trial_figures(trial).facts).answers):
        yield Finding("INFO", "repeated prompts", f"{repeated} prompts of a pass had been sent before in it")


def _protocol(planned: Planned, metrics: bool, gpu: bool, *, completed: bool) -> Iterator[Finding]:
    """Everything that was done less than the protocol asks, as one finding; of a run that ended early no more."""
    shortened = tuple(planned.shortened(metrics=metrics, gpu=gpu))
    if not completed and not shortened:
        return
    if shortened:
        yield Finding("WARN", "protocol", f"shortened protocol: {', '.join(shortened)}")
        return
    requests = planned.warmup_requests
    warmup = "a warm-up until the speed is steady" if requests is None else f"{requests} warm-up requests"
    trials = f"{planned.trials} trial{'' if planned.trials == 1 else 's'}"
    trials += ", repeated by the cycles of a study" if planned.cycles else ""
    idle = ", idle before and after" if metrics else ""
    yield Finding("PASS", "protocol", f"{trials}, {warmup}{idle}")


def _window_notes(trials: Iterable[Trial]) -> Iterator[Finding]:
    where: dict[Finding, list[str]] = {}
    for trial in trials:
        if trial.measurement is None:
            continue
        of_trial = [Finding("WARN", "window", note) for note in trial.measurement.notes]
        for component, notes in trial.measurement.component_notes.items():
            of_trial += [Finding("WARN", "window", note, component) for note in notes]
        of_trial += [Finding("FAIL", "foreign process", note, "gpu") for note in trial.measurement.foreign_processes]
        for finding in of_trial:
            where.setdefault(finding, []).append(str(trial.number))
    for finding, numbers in where.items():
        yield evolve(finding, message=f"{finding.message} (trial {', '.join(numbers)})")
