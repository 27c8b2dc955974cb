"""A finished benchmark: what was done, what was seen, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion
from ai_energy_benchmarks.domain.engine import EngineFacts, FactValue
from ai_energy_benchmarks.domain.environment import Disturbance, Environment
from ai_energy_benchmarks.domain.outcomes import OutcomeList, Outcomes, as_outcomes
from ai_energy_benchmarks.domain.power import Measurement, Samples
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters, ServerLoad
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, Verdict

# History of the report document:
# 1: first published.
SCHEMA_VERSION = 1

Ending = Literal["completed", "stopped", "interrupted"]
StepName = Literal["bare idle", "load", "settle", "resident idle", "warm-up", "thermal gate", "hot idle"]


@frozen
class Step:
    """A step of the protocol outside the trials: its duration and energy are rows of their own.

    Attributes:
        name: which step it is.
        start_s: begin, in seconds on the monotonic clock.
        stop_s: end, on the same clock.
        measurement: energy of the step; None if metrics are disabled.
    """

    name: StepName
    start_s: float
    stop_s: float
    measurement: Measurement | None = None

    @property
    def duration_s(self) -> float:
        """Seconds between begin and end."""
        return self.stop_s - self.start_s


@frozen
class Trial:
    """One measured pass.

    Attributes:
        start_s, stop_s: the window, in seconds on the monotonic clock.
        number: from 1.
        measurement: None if metrics are disabled.
        outcomes: one per request that was attempted, in order of sending; any sequence may be given.
        complete: False if the pass was cut short; it then counts in no mean.
        client: how the client fared; None for an engine in process.
        server: growth of the server's own counters; None if it has none.
        server_load: its queue and cache within the window; None if it was not watched.
        machine: what the machine did to it alongside the work; None if it was not watched.
        fillers: requests that kept the load up until the pass's last one had ended, in order of sending; they belong
            to no pass, but their tokens and their energy are in the window.
        steady: the steady part of a pass under concurrency; None with one request in flight, or where there is none.
        steady_absent: why there is none although several requests were to be in flight; empty if there is one, or if
            none was looked for.
    """

    number: int
    start_s: float
    stop_s: float
    measurement: Measurement | None
    outcomes: Outcomes = field(converter=as_outcomes)
    complete: bool = True
    client: ClientLoad | None = None
    server: ServerCounters | None = None
    server_load: ServerLoad | None = None
    machine: Disturbance | None = None
    fillers: Outcomes = field(factory=OutcomeList, converter=as_outcomes)
    steady: SteadyWindow | None = None
    steady_absent: str = ""

    @property
    def duration_s(self) -> float:
        """Seconds between the edges of the window."""
        return self.stop_s - self.start_s

    @property
    def completions(self) -> Sequence[Completion]:
        """The requests that finished."""
        return self.outcomes.completions

    @property
    def failures(self) -> tuple[FailedCompletion, ...]:
        """The requests that did not."""
        return self.outcomes.failures

    @property
    def output_tokens(self) -> int:
        """Output tokens of the requests that finished."""
        return sum(each.output_tokens for each in self.completions)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of the requests that finished."""
        return sum(each.prompt_tokens for each in self.completions)


@frozen
class Carbon:
    """What emissions are computed from; ``source`` is quoted next to the figure.

    Attributes:
        intensity_g_per_kwh: grams of CO2 equivalent per kWh at the site.
        pue: energy of the whole site over that of its computers; at least 1.
        source: where the intensity comes from.
    """

    intensity_g_per_kwh: float
    pue: float
    source: str


@frozen
class Tariff:
    """What cost is computed from; ``pue`` is 1 unless the price is what the whole site pays.

    Attributes:
        price_per_kwh: in ``currency``.
        currency: its code or sign, shown as it is.
        pue: energy of the whole site over that of its computers.
    """

    price_per_kwh: float
    currency: str
    pue: float = 1.0


@frozen
class Subject:
    """What was measured: the engine by its own facts, the rest as the config named it.

    Attributes:
        name: what the result is called.
        dataset: name or path of the prompts.
        num_samples: prompts of one pass.
        batch_size: requests generated together.
        device_ids: indices of the GPUs that the config names.
        project_name: for meters that keep records of their own.
        country, region: where the machine stands, for emissions; empty if not stated.
        backend, model: as the config names them where nothing was loaded.
        sampling: which prompts of the dataset were taken.
        dataset_options: settings of the dataset by their dotted names, defaults included.
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
class RowFiles:
    """Rows of requests and of filler requests in Parquet files, in the order of the trials.

    Attributes:
        requests: one file for each trial.
        fillers: the same of filler requests; empty where there were none.
    """

    requests: tuple[Path, ...]
    fillers: tuple[Path, ...] = ()


@frozen
class BenchmarkResult:
    """Everything that one benchmark saw.

    Attributes:
        subject: what was measured.
        steps: the steps of the protocol outside the trials, in order.
        trials: the measured passes, in order; incomplete ones are among them.
        summary: one pass over the prompts: means over the complete trials.
        verdict: what stands against the figures.
        environment: the machine and its software.
        engine: what the engine says of itself; None if none was loaded.
        carbon: intensity from which emissions are computed; None if none was configured.
        tariff: price from which cost is computed; None if none was configured.
        wall_factor: wall power over the power of the metered components, as the user states it; None if not stated.
        reasoning: what was asked of the model's thinking and what was sent; None if that was not looked at.
        schema_version: of the report document.
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
        run_id: the same in every file of a run; empty in results of versions that had none.
        row_files: where the rows of requests are on disk already; None if they are only in ``trials``.
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
    run_id: str = ""
    row_files: RowFiles | None = field(default=None, repr=False)
    schema_version: int = SCHEMA_VERSION
