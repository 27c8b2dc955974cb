"""The config classes: one frozen class per block, with every default in one place.

Ranges stand in the types (``Annotated``), so that loading, the schema and the docs read the same source.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from attrs import field, frozen

from ai_energy_benchmarks.domain.prompts import Generation


@frozen
class AtLeast:
    """The smallest value that a key accepts."""

    value: float


@frozen
class MoreThan:
    """A value that a key must exceed."""

    value: float


@frozen
class AtMost:
    """The largest value that a key accepts."""

    value: float


@frozen
class Matching:
    """What a text must look like, as a pattern for all of it and in words (``must be …``)."""

    pattern: str
    words: str


Count = Annotated[int, AtLeast(1)]
Index = Annotated[int, AtLeast(0)]
Seconds = Annotated[float, AtLeast(0)]
Text = Annotated[str, Matching(r"[^\0]*[^\0\s][^\0]*", "text that is not empty")]
Scalar = str | int | float | bool | None


@frozen
class NoOptions:
    """The options of a member that has none."""


@frozen
class BackendConfig:
    """Which engine runs which model.

    Attributes:
        device: ``auto`` takes CUDA if there is a board, else the CPU.
        device_ids: boards to use, as the process sees them.
        endpoint: address of a server; refused by engines that run in process.
        launch: start a server of our own instead, and end it afterwards.
        options: settings of this engine alone, structured into its own class.
    """

    type: str
    model: Text
    device: Text = "auto"
    device_ids: tuple[Index, ...] = (0,)
    endpoint: Text | None = None
    launch: bool = False
    task: Literal["text-generation"] = "text-generation"
    options: object = field(factory=NoOptions)


@frozen
class InputShapes:
    """How requests are grouped."""

    batch_size: Count = 1


@frozen
class GenerateKwargs(Generation):
    """``scenario.generate_kwargs``: the domain's Generation with its ranges."""

    max_new_tokens: Count = 100
    min_new_tokens: Annotated[int, AtLeast(0)] | None = None
    temperature: Annotated[float, MoreThan(0)] | None = None
    top_k: Count | None = None
    top_p: Annotated[float, MoreThan(0), AtMost(1)] | None = None
    min_p: Annotated[float, AtLeast(0), AtMost(1)] | None = None
    repetition_penalty: Annotated[float, MoreThan(0)] | None = None
    stop_strings: tuple[Annotated[str, Matching(r"[\s\S]+", "text that is not empty")], ...] = ()


@frozen
class ScenarioConfig:
    """What is asked of the model.

    Attributes:
        dataset_name: ``builtin``, ``synthetic``, the path of a CSV, TSV, JSONL, JSON, TXT or Parquet file, or the
            name of a data set on the hub, such as ``org/name``.
        dataset_options: settings of this data set alone, structured into its own class.
        sampling: which prompts are taken: the first, random ones, or as many from each tenth of the lengths.
        num_samples: prompts of one pass.
        repeat: allow prompts to be used again if the data set has fewer.
        truncation: cut prompts that do not fit; if false they fail.
        chat_template: render with the model's chat template where it has one.
        reasoning: thinking on or off; absent leaves the model its own default, and nothing is sent.
        reasoning_params: values of the family's switch, such as ``reasoning_effort: high``.
        reasoning_formats: a file with further families of models, laid over ours.
        seed: of the choice of prompts, of synthetic ones, and of sampled tokens.
    """

    dataset_name: Text = "builtin"
    dataset_options: object = field(factory=NoOptions)
    sampling: Literal["first", "random", "stratified"] = "first"
    text_column_name: Text = "text"
    num_samples: Count = 100
    repeat: bool = False
    truncation: bool = True
    chat_template: bool = True
    reasoning: bool | None = None
    reasoning_params: Mapping[str, Scalar] | None = None
    reasoning_formats: Path | None = None
    input_shapes: InputShapes = field(factory=InputShapes)
    generate_kwargs: GenerateKwargs = field(factory=GenerateKwargs)
    seed: Index = 0


@frozen
class LoadConfig:
    """When the next request leaves.

    Attributes:
        concurrency: batches on their way at once; the next one leaves when one has finished (closed loop).
    """

    concurrency: Count = 1


@frozen
class WarmupConfig:
    """Work before the first trial, on prompts that are not measured.

    Attributes:
        mode: ``fixed`` generates ``requests`` requests; ``converge`` repeats the first of them until the time per
            output token is steady.
        requests: 0 skips the warm-up, which the verdict says.
        last: probes that must agree, for ``converge``.
        cv: most scatter of their time per output token (standard deviation over mean), for ``converge``.
        most: probes after which ``converge`` goes on unsteady, which the verdict says.
    """

    mode: Literal["fixed", "converge"] = "fixed"
    requests: Index = 10
    last: Annotated[int, AtLeast(3)] = 5
    cv: Annotated[float, MoreThan(0)] = 0.05
    most: Count = 50


@frozen
class ThermalGateConfig:
    """Generation without measuring until the boards of the workload are steady.

    Attributes:
        window_s: the time over which changes are looked at.
        cap_s: when the trials begin all the same, which the verdict says.
        most_celsius: largest change of temperature within a minute.
        most_power: largest change of power within a minute, as a share of it.
    """

    window_s: Annotated[float, MoreThan(0)] = 60.0
    cap_s: Seconds = 300.0
    most_celsius: Annotated[float, MoreThan(0)] = 1.0
    most_power: Annotated[float, MoreThan(0)] = 0.01


@frozen
class ProtocolConfig:
    """The order and length of the steps.

    Attributes:
        bare_idle_s: seconds of idle before the model is loaded; 0 skips it.
        resident_idle_s: seconds of idle with the model loaded, before and after the trials; 0 skips it.
        settle_cap_s: how long the first of them may wait until the boards' power has settled; 0 does not wait.
        thermal_gate: generate until the boards are steady, before the first trial; ``true`` takes its defaults.
        trials: measured passes.
    """

    bare_idle_s: Seconds = 10.0
    resident_idle_s: Seconds = 10.0
    settle_cap_s: Seconds = 60.0
    warmup: WarmupConfig = field(factory=WarmupConfig)
    thermal_gate: bool | ThermalGateConfig = False
    trials: Count = 5

    @property
    def gate(self) -> ThermalGateConfig | None:
        """The thermal gate, or None."""
        if isinstance(self.thermal_gate, ThermalGateConfig):
            return self.thermal_gate
        return ThermalGateConfig() if self.thermal_gate else None


@frozen
class MemberConfig:
    """A collector by name, with options of its own."""

    type: str
    options: object = field(factory=NoOptions)


@frozen
class CarbonConfig:
    """What emissions are computed from.

    Attributes:
        intensity_g_per_kwh: g CO2-equivalent per kWh of electricity; that of ``country_iso_code`` if not set.
        source: where the intensity comes from; printed beside every emission.
        pue: power usage effectiveness of the site.
    """

    intensity_g_per_kwh: Annotated[float, AtLeast(0)] | None = None
    source: Text | None = None
    pue: Annotated[float, AtLeast(1)] = 1.0


@frozen
class CostConfig:
    """What electricity costs.

    Attributes:
        price_per_kwh: price of one kWh in ``currency``.
        currency: printed beside every cost.
        site_tariff: whether the price is what the whole site pays, so that ``metrics.carbon.pue`` belongs in it.
    """

    price_per_kwh: Annotated[float, AtLeast(0)]
    currency: Text
    site_tariff: bool = False


@frozen
class MetricsConfig:
    """Which meters watch.

    Attributes:
        enabled: false measures tokens and times only; energy is then absent, not 0.
        collectors: ``auto`` picks the first meter that works for each component and says why.
        assume_local: the server's address means this machine, though its name does not say so.
        output_dir: where a meter that writes files of its own puts them.
        country_iso_code: three letters; its yearly average is the carbon intensity, unless ``carbon`` has one.
    """

    enabled: bool = True
    collectors: tuple[MemberConfig, ...] = (MemberConfig("auto"),)
    assume_local: bool = False
    project_name: Text = "ai_energy_benchmarks"
    output_dir: Path = Path("emissions")
    country_iso_code: Annotated[str, Matching("[A-Z]{3}", "three capital letters, such as USA")] | None = None
    region: str | None = None
    carbon: CarbonConfig | None = None
    cost: CostConfig | None = None


@frozen
class ReporterConfig:
    """An output by name; ``output_file`` replaces the reporter's own file name."""

    type: str
    output_file: Path | None = None


DEFAULT_REPORTERS = tuple(ReporterConfig(name) for name in ("console", "json", "csv", "parquet"))


@frozen
class BenchmarkConfig:
    """One benchmark, as the user wrote it.

    Attributes:
        output_dir: the result directory.
        save_texts: write prompt and output texts; otherwise only their hashes and lengths.
    """

    backend: BackendConfig
    name: Text = "benchmark"
    scenario: ScenarioConfig = field(factory=ScenarioConfig)
    load: LoadConfig = field(factory=LoadConfig)
    protocol: ProtocolConfig = field(factory=ProtocolConfig)
    metrics: MetricsConfig = field(factory=MetricsConfig)
    reporters: tuple[ReporterConfig, ...] = DEFAULT_REPORTERS
    output_dir: Path = Path("benchmark_output")
    save_texts: bool = False
