"""Values for tests: every argument has a default, so that a test names only what it is about."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.verdict import Planned, judge
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome, TokenSource
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Device, Measurement, Provenance, Quantity, Reading, Samples, Series
from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon, Ending, Step, StepName, Subject, Trial
from ai_energy_benchmarks.domain.verdict import Finding, Verdict

GPU = Device("gpu", "GPU-0", "Test board 0")
OTHER_GPU = Device("gpu", "GPU-1", "Test board 1")
CPU = Device("cpu", "package-0", "Test CPU")
DRAM = Device("dram", "dram-0", "Test memory")
ENVIRONMENT = Environment(platform="Linux", python="3.11.0", package_version="0.1.0")
ENGINE = EngineFacts(backend="fake", engine="fake 1.0", model="test-model")


def completion(
    number: int = 0,
    *,
    prompt_tokens: int = 10,
    output_tokens: int = 4,
    sent_s: float = 0.0,
    first_s: float = 0.1,
    step_s: float = 0.05,
    token_source: TokenSource = "token_ids",
    truncated_prompt_tokens: int = 0,
    cached_prompt_tokens: int | None = None,
    reasoning_tokens: int | None = None,
    rendered_sha256: str = "",
    text: str = "",
) -> Completion:
    """A request whose first token comes ``first_s`` after sending and each later one ``step_s`` after the last."""
    times_s = array("d", (sent_s + first_s + step_s * i for i in range(output_tokens)))
    return Completion(
        number=number,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        token_source=token_source,
        sent_s=sent_s,
        token_times_s=times_s,
        finished_s=times_s[-1] if times_s else sent_s,
        finish_reason="length",
        truncated_prompt_tokens=truncated_prompt_tokens,
        cached_prompt_tokens=cached_prompt_tokens,
        reasoning_tokens=reasoning_tokens,
        rendered_sha256=rendered_sha256,
        text=text,
    )


def failure(number: int = 0, reason: str = "out of memory") -> FailedCompletion:
    """A request that failed after half a second."""
    return FailedCompletion(number, reason, sent_s=0.0, finished_s=0.5)


def reading(
    device: Device = GPU,
    energy_j: float = 100.0,
    half_width_j: float = 1.0,
    *,
    provenance: Provenance = "measured",
    meter: str = "nvml",
    counted: bool = True,
    peak_power_w: float | None = None,
) -> Reading:
    """A reading with bounds at the same distance on both sides."""
    return Reading(
        device=device,
        bounds_j=Bounds(energy_j - half_width_j, energy_j, energy_j + half_width_j),
        provenance=provenance,
        meter=meter,
        estimator="continuous",
        counted=counted,
        peak_power_w=peak_power_w,
    )


def measurement(
    *readings: Reading,
    start_s: float = 0.0,
    duration_s: float = 10.0,
    absent: Mapping[Component, str] | None = None,
    notes: tuple[str, ...] = (),
    component_notes: Mapping[Component, tuple[str, ...]] | None = None,
) -> Measurement:
    """What the meters say of a window."""
    return Measurement(
        start_s, start_s + duration_s, readings, absent or {}, notes, component_notes=component_notes or {}
    )


def trial(
    number: int = 1,
    *readings: Reading,
    outcomes: Sequence[Outcome] | None = None,
    duration_s: float = 10.0,
    measured: bool = True,
    complete: bool = True,
    absent: Mapping[Component, str] | None = None,
    notes: tuple[str, ...] = (),
) -> Trial:
    """A pass of five requests with four output tokens each, twenty seconds after the one before it."""
    start_s = 20.0 * number
    seen = measurement(*readings, start_s=start_s, duration_s=duration_s, absent=absent, notes=notes)
    done = tuple(completion(i, sent_s=start_s + i) for i in range(5)) if outcomes is None else tuple(outcomes)
    return Trial(number, start_s, start_s + duration_s, seen if measured else None, done, complete)


def step(name: StepName, *readings: Reading, start_s: float = 0.0, duration_s: float = 10.0) -> Step:
    """A step that the meters watched."""
    watched = measurement(*readings, start_s=start_s, duration_s=duration_s)
    return Step(name, start_s, start_s + duration_s, watched)


def series(
    device: Device = GPU,
    quantity: Quantity = "power_w",
    times_s: Sequence[float] = (20.0, 25.0, 30.0),
    values: Sequence[float] = (90.0, 200.0, 95.0),
    meter: str = "nvml",
) -> Series:
    """Raw readings, each call taking a tenth of a millisecond."""
    return Series(
        device, quantity, meter, array("d", times_s), array("d", (t + 1e-4 for t in times_s)), array("d", values)
    )


def verdict(
    trials: Sequence[Trial],
    steps: Sequence[Step] = (),
    *,
    ending: Ending = "completed",
    environment: Environment = ENVIRONMENT,
    engine: EngineFacts | None = ENGINE,
    metrics_enabled: bool = True,
    planned: Planned | None = None,
    gpu: bool = False,
    collector_notes: Sequence[str] = (),
    extra: Sequence[Finding] = (),
) -> Verdict:
    """The judgement of a run that followed the whole protocol."""
    return judge(
        ending=ending,
        steps=steps,
        trials=trials,
        summary=summarise(trials, steps),
        environment=environment,
        engine=engine,
        metrics_enabled=metrics_enabled,
        planned=planned or Planned(len(trials)),
        gpu=gpu,
        collector_notes=collector_notes,
        extra=extra,
    )


def result(
    trials: Sequence[Trial] | None = None,
    steps: Sequence[Step] = (),
    *,
    ending: Ending = "completed",
    judged: Verdict | None = None,
    environment: Environment = ENVIRONMENT,
    engine: EngineFacts | None = ENGINE,
    prompts: Mapping[int, str] | None = None,
    prompt_indices: Sequence[int] = (),
    samples: Samples | None = None,
    carbon: Carbon | None = None,
    save_texts: bool = False,
    name: str = "test",
) -> BenchmarkResult:
    """A finished benchmark: five trials of 100 J on one board unless told otherwise."""
    passes = tuple(trials) if trials is not None else tuple(trial(i, reading()) for i in range(1, 6))
    return BenchmarkResult(
        subject=Subject(name, "fake", "test-model", "builtin", 5, 1, (0,), project_name="tests"),
        config_yaml="name: test\n",
        started_utc="2025-01-02T03:04:05+00:00",
        ending=ending,
        steps=tuple(steps),
        trials=passes,
        summary=summarise(passes, steps),
        verdict=judged or verdict(passes, steps, ending=ending, environment=environment, engine=engine),
        environment=environment,
        engine=engine,
        prompts=prompts or {},
        prompt_indices=prompt_indices,
        samples=samples or Samples(),
        carbon=carbon,
        save_texts=save_texts,
        clock_offset_s=1_700_000_000.0,
    )
