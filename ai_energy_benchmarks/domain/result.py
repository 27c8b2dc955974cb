"""A finished benchmark: what was done, what was seen, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from attrs import field, frozen

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts, FactValue
from ai_energy_benchmarks.domain.environment import Disturbance, Environment
from ai_energy_benchmarks.domain.outcomes import OutcomeTable
from ai_energy_benchmarks.domain.power import Component, Measurement, Provenance, Samples, WorkloadShare
from ai_energy_benchmarks.domain.serving import ClientLoad, Goodput, ServerCounters, ServerLoad
from ai_energy_benchmarks.domain.statistics import Distribution, Estimate

# History of the report document:
# 1: first published.
SCHEMA_VERSION = 1

Level = Literal["PASS", "INFO", "WARN", "FAIL"]
Ending = Literal["completed", "stopped", "interrupted"]
StepName = Literal["bare idle", "load", "settle", "resident idle", "warm-up", "thermal gate", "hot idle"]


@frozen
class Finding:
    """One line of the verdict.

    Attributes:
        check: short name of the check, the same in every run.
        message: one sentence with the figure in it.
    """

    level: Level
    check: str
    message: str


@frozen
class Verdict:
    """All findings, the worst first."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst level that stands; PASS if nothing worse than INFO was found."""
        levels = {finding.level for finding in self.findings}
        return "FAIL" if "FAIL" in levels else "WARN" if "WARN" in levels else "PASS"


@frozen
class Step:
    """A step of the protocol outside the trials: its duration and energy are rows of their own."""

    name: StepName
    start_s: float
    stop_s: float
    measurement: Measurement | None = None

    @property
    def duration_s(self) -> float:
        return self.stop_s - self.start_s


@frozen
class Trial:
    """One measured pass.

    Attributes:
        number: from 1.
        measurement: None if metrics are disabled.
        outcomes: one per request that was attempted, in order of sending; an ``OutcomeTable`` if they are very many.
        complete: False if the pass was cut short; it then counts in no mean.
        client: how the client fared; None for an engine in process.
        server: growth of the server's own counters; None if it has none.
        server_load: its queue and cache within the window; None if nobody looked.
        machine: what the machine did to it beside the work; None if nobody looked.
    """

    number: int
    start_s: float
    stop_s: float
    measurement: Measurement | None
    outcomes: Sequence[Outcome]
    complete: bool = True
    client: ClientLoad | None = None
    server: ServerCounters | None = None
    server_load: ServerLoad | None = None
    machine: Disturbance | None = None

    @property
    def duration_s(self) -> float:
        return self.stop_s - self.start_s

    @property
    def completions(self) -> Sequence[Completion]:
        if isinstance(self.outcomes, OutcomeTable):
            return self.outcomes.completions
        return tuple(each for each in self.outcomes if isinstance(each, Completion))

    @property
    def failures(self) -> tuple[FailedCompletion, ...]:
        if isinstance(self.outcomes, OutcomeTable):
            return self.outcomes.failures
        return tuple(each for each in self.outcomes if isinstance(each, FailedCompletion))

    @property
    def output_tokens(self) -> int:
        return sum(each.output_tokens for each in self.completions)

    @property
    def prompt_tokens(self) -> int:
        return sum(each.prompt_tokens for each in self.completions)


@frozen
class ComponentEnergy:
    """Energy of one component over one pass: the mean over trials.

    Attributes:
        component: ``total`` is the sum of the components that were seen, trial by trial.
        energy_j: gross energy of the counted devices.
        energy_low_j, energy_high_j: the meter's bounds, averaged over trials.
        resolved: False if the bounds are too far apart for a bare number to be quoted.
        per_output_token_j: J per output token; None if tokens are missing or in doubt.
        per_output_token_low_j, per_output_token_high_j: the meter's bounds of it; None where it is None.
        idle_power_w: mean of the two resident baselines; None if none was measured.
        idle_half_difference_w: half the difference of the two.
        net_energy_j: ``energy_j - idle_power_w * duration_s``; signed, never clamped.
        peak_power_w: highest power seen in any trial, summed over devices.
        gain_limit: how far the sensor may be off, as a share of its figure; None if that is not known.
        gain_source: who measured that.
        workload_share: the workload's part of its busy time, where somebody asked for it.
    """

    component: Component | Literal["total"]
    provenance: Provenance
    meter: str
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    resolved: bool
    per_output_token_j: Estimate | None
    idle_power_w: float | None = None
    idle_half_difference_w: float | None = None
    net_energy_j: float | None = None
    peak_power_w: float | None = None
    per_output_token_low_j: float | None = None
    per_output_token_high_j: float | None = None
    gain_limit: float | None = None
    gain_source: str = ""
    workload_share: WorkloadShare | None = None


@frozen
class Summary:
    """One pass over ``num_samples``: means over the complete trials (over all, if none is complete).

    Attributes:
        trials: how many trials the means are over.
        requests: requests of one pass.
        components: one entry per component that a meter could see.
        absent: component → why it is missing.
        cached_prompt_tokens: part of the prompt tokens that a prefix cache served; None if not told.
        total: the sum of all components seen; None if none was.
        ttft_s, itl_s, tpot_s, e2e_s: latencies pooled over trials, None where nothing was seen.
        goodput: None if no service-level objective was asked for.
        whole_requests: false in a part of a run: a request that is cut counts there, but is no unit of work.
    """

    trials: int
    requests: float
    succeeded: float
    failed: float
    duration_s: float
    prompt_tokens: float
    output_tokens: float
    output_tokens_per_s: float
    components: tuple[ComponentEnergy, ...]
    absent: Mapping[Component, str] = field(factory=dict)
    reasoning_tokens: float | None = None
    cached_prompt_tokens: float | None = None
    total: ComponentEnergy | None = None
    ttft_s: Distribution | None = None
    itl_s: Distribution | None = None
    tpot_s: Distribution | None = None
    e2e_s: Distribution | None = None
    goodput: Goodput | None = None
    whole_requests: bool = True


@frozen
class Carbon:
    """What emissions are computed from; ``source`` is quoted beside the figure."""

    intensity_g_per_kwh: float
    pue: float
    source: str


@frozen
class Tariff:
    """What cost is computed from; ``pue`` is 1 unless the price is what the whole site pays."""

    price_per_kwh: float
    currency: str
    pue: float = 1.0


@frozen
class Subject:
    """What was measured, as the config named it.

    Attributes:
        sampling: which prompts of the data set were taken.
        dataset_options: settings of the data set by their dotted names, defaults included.
    """

    name: str
    backend: str
    model: str
    dataset: str
    num_samples: int
    batch_size: int
    device_ids: tuple[int, ...]
    project_name: str = ""
    country: str = ""
    region: str = ""
    sampling: str = "first"
    dataset_options: Mapping[str, FactValue] = field(factory=dict)


@frozen
class Reasoning:
    """What was asked of the model's thinking, and what was really sent.

    Attributes:
        asked: True for on, False for off, None for the model's own default.
        family: the entry of the reasoning formats that matched; None for an unknown model.
        type: its kind of switch; None if it has none.
        sent: what the switch put into every request, by name; empty if nothing.
        rendered_sha256: hash of the first prompt of a trial as rendered; empty where the server renders.
        opposite_sha256: hash of the same prompt with the switch set the other way.
        source: who published the switch.
    """

    asked: bool | None
    family: str | None = None
    type: str | None = None
    sent: Mapping[str, FactValue] = field(factory=dict)
    rendered_sha256: str = ""
    opposite_sha256: str = ""
    source: str = ""


@frozen
class BenchmarkResult:
    """Everything that one benchmark saw.

    Attributes:
        config_yaml: the config as resolved, as YAML text.
        started_utc: ISO 8601.
        ending: ``stopped`` if the runner gave up, ``interrupted`` if the user did.
        dataset_sha256: hash of the prompts sent, in order.
        prompts: prompt index → its text.
        prompt_indices: the prompt index of each request of a pass, by request number.
        samples: the meters' raw series.
        save_texts: whether the user asked for prompt and output texts in the files.
        clock_offset_s: add to a monotonic time for seconds since the epoch.
        meter_notes: what the meters said of themselves.
        noticed: findings that the steps themselves made; they are in the verdict too.
    """

    subject: Subject
    config_yaml: str
    started_utc: str
    ending: Ending
    steps: tuple[Step, ...]
    trials: tuple[Trial, ...]
    summary: Summary
    verdict: Verdict
    environment: Environment
    engine: EngineFacts | None = None
    dataset_sha256: str = ""
    prompts: Mapping[int, str] = field(factory=dict, repr=False)
    prompt_indices: Sequence[int] = field(default=(), repr=False)
    samples: Samples = field(factory=Samples, repr=False)
    carbon: Carbon | None = None
    tariff: Tariff | None = None
    wall_factor: float | None = None
    reasoning: Reasoning | None = None
    save_texts: bool = False
    clock_offset_s: float = 0.0
    meter_notes: tuple[str, ...] = ()
    noticed: tuple[Finding, ...] = ()
    schema_version: int = SCHEMA_VERSION
