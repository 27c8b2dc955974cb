"""The config classes, each with its defaults: one frozen class per block; long blocks have files next to this one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from attrs import Factory, field, frozen

from ai_energy_benchmarks.config.metrics import CarbonConfig, CostConfig, MemberConfig, MetricsConfig, NoOptions
from ai_energy_benchmarks.config.protocol import ProtocolConfig, ThermalGateConfig, WarmupConfig
from ai_energy_benchmarks.config.slo import SloConfig
from ai_energy_benchmarks.domain.address import shown_address
from ai_energy_benchmarks.domain.prompts import Generation
from ai_energy_benchmarks.text.ranges import (
    AtLeast,
    AtMost,
    Count,
    Index,
    Matching,
    MoreThan,
    Scalar,
    Seconds,
    Text,
)

__all__ = [
    "DEFAULT_REPORTERS",
    "BackendConfig",
    "BenchmarkConfig",
    "CarbonConfig",
    "CostConfig",
    "GenerateKwargs",
    "GpuConfig",
    "InputShapes",
    "LoadConfig",
    "MemberConfig",
    "MetricsConfig",
    "NoOptions",
    "ProtocolConfig",
    "ReporterConfig",
    "ScenarioConfig",
    "SloConfig",
    "ThermalGateConfig",
    "WarmupConfig",
]

# Where a benchmark without a directory of its own writes, in one of its name.
RESULTS = Path("results")


@frozen
class BackendConfig:
    """Which engine runs which model.

    Attributes:
        type: name of one of the backends.
        device: ``auto`` takes CUDA if there is a GPU, else the CPU. For a server ``cpu`` says that it uses no GPU; one
            that is launched then sees none.
        device_ids: GPUs to use, by index as this process sees them; for a server, the GPUs that it runs on. Unset, an
            engine in process and a launched server use GPU 0, and the GPUs of a running server are found out.
        endpoint: address of a server, up to ``/v1``; a user and a password in it are sent by Basic authentication, and
            written nowhere; refused by engines that run in process.
        launch: start a server for this run instead, and stop it afterwards.
        options: settings of this engine alone, structured into its own class.
        model: hub id, directory or GGUF file; of a server, the name under which it serves the model.
        task: what the model does; generating text is the only task so far.
    """

    type: str
    model: Text
    device: Text = "auto"
    device_ids: tuple[Index, ...] | None = None
    endpoint: Text | None = field(default=None, repr=shown_address)
    launch: bool = False
    task: Literal["text-generation"] = "text-generation"
    options: object = field(factory=NoOptions)


@frozen
class InputShapes:
    """How requests are grouped.

    Attributes:
        batch_size: requests that an engine in process generates together.
    """

    batch_size: Count = 1


@frozen
class GenerateKwargs(Generation):
    """``scenario.generate_kwargs``: the domain's Generation with its ranges.

    Attributes:
        temperature: below 1 likelier tokens become likelier still; with ``do_sample`` alone.
        top_k: draw from so many likeliest tokens only.
        top_p: draw from the likeliest tokens that together have this probability.
        min_p: skip tokens with less than this share of the likeliest one's probability.
        repetition_penalty: above 1 tokens that have come already become less likely.
    """

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
            name of a dataset on the hub, such as ``org/name``.
        dataset_options: settings of this dataset alone, structured into its own class.
        sampling: which prompts are taken: the first, random ones, or as many from each tenth of the lengths.
        num_samples: prompts of one pass.
        repeat: allow prompts to be used again if the dataset has fewer.
        truncation: cut prompts that do not fit; if false they fail.
        chat_template: render with the model's chat template where it has one.
        reasoning: thinking on or off; absent leaves the model its own default, and nothing is sent.
        reasoning_params: values of the family's switch, such as ``reasoning_effort: high``.
        reasoning_formats: a file with further families of models, laid over the built-in ones.
        slo: what a request must keep to count for goodput.
        seed: of the choice of prompts, of synthetic ones, and of sampled tokens.
        text_column_name: the column or key that holds the prompt, or the conversation.
        input_shapes: how requests are grouped.
        generate_kwargs: how long outputs are and how tokens are chosen.
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
    slo: SloConfig | None = None
    seed: Index = 0


@frozen
class LoadConfig:
    """When the next request leaves.

    Attributes:
        concurrency: batches in flight; the next one leaves when one has finished (closed loop), and filler requests
            keep that up until the last request of a pass has ended.
        salt: what keeps a server's prefix cache from serving the prompts of one trial to the next: a ``key`` of the
            request where the server has one (``auto`` takes it there, else nothing), a random first line of ``text``
            before every prompt, whose tokens count as prompt tokens, or ``none``, which lets it.
        watch_server_s: how often a server is asked for its queue and its cache within a window; 0 does not ask.
        cancel_cap_s: how long a server may go on after filler requests were cancelled at the end of a trial; longer
            is FAIL.
    """

    concurrency: Count = 1
    salt: Literal["auto", "key", "text", "none"] = "auto"
    watch_server_s: Seconds = 5.0
    cancel_cap_s: Seconds = 60.0


@frozen
class GpuConfig:
    """The state of the GPUs while a benchmark runs; afterwards, also after a crash, they are as they were.

    It holds for the GPUs of ``backend.device_ids``; else for GPU 0 of engines that run or are started here, and for all
    GPUs that this process sees of a server that runs already.

    Attributes:
        power_limit_w: the power limit; needs the right to set it (root).
        power_limit_percent: the same in percent of the GPU's default limit.
        sm_clock_mhz: hold the clock of the multiprocessors there; one of the GPU's own clocks.
        sm_clock_percent: the same in percent of the highest one; the nearest of the GPU's own clocks is taken.
    """

    power_limit_w: Annotated[float, MoreThan(0)] | None = None
    power_limit_percent: Annotated[float, MoreThan(0), AtMost(200)] | None = None
    sm_clock_mhz: Count | None = None
    sm_clock_percent: Annotated[float, MoreThan(0), AtMost(100)] | None = None

    @property
    def power_limited(self) -> bool:
        """Whether a power limit is to be set."""
        return self.power_limit_w is not None or self.power_limit_percent is not None

    @property
    def clock_locked(self) -> bool:
        """Whether the clock is to be held."""
        return self.sm_clock_mhz is not None or self.sm_clock_percent is not None


@frozen
class ReporterConfig:
    """An output by name.

    Attributes:
        type: which output: ``console``, ``json``, ``csv``, ``parquet`` or ``aienergyscore``.
        output_file: in place of the reporter's own file name in ``output_dir``.
    """

    type: str
    output_file: Path | None = None


DEFAULT_REPORTERS = tuple(ReporterConfig(name) for name in ("console", "json", "csv", "parquet"))


def _own_results(config: BenchmarkConfig) -> Path:
    """A directory of the benchmark's name, as far as a directory can have it."""
    return RESULTS / (re.sub(r"[^\w.-]+", "-", config.name).strip("-.") or "benchmark")


@frozen
class BenchmarkConfig:
    """One benchmark, as the user wrote it.

    Attributes:
        output_dir: the result directory; ``results/<name>`` where it is not given.
        rows_memory_bytes: memory for the rows of a trial's requests; past it they go to disk while it goes on.
        save_texts: write prompt and output texts; otherwise only their hashes and lengths, and nothing of a server's
            answers, which are not decoded then.
        backend: which engine runs which model.
        name: what the result is called.
        scenario: what is asked of the model.
        load: when the next request leaves.
        gpu: the state of the GPUs while the benchmark runs.
        protocol: the order and length of the steps.
        metrics: which meters watch.
        reporters: which outputs are written.
    """

    backend: BackendConfig
    name: Text = "benchmark"
    scenario: ScenarioConfig = field(factory=ScenarioConfig)
    load: LoadConfig = field(factory=LoadConfig)
    gpu: GpuConfig = field(factory=GpuConfig)
    protocol: ProtocolConfig = field(factory=ProtocolConfig)
    metrics: MetricsConfig = field(factory=MetricsConfig)
    reporters: tuple[ReporterConfig, ...] = DEFAULT_REPORTERS
    output_dir: Path = field(default=Factory(_own_results, takes_self=True))
    rows_memory_bytes: Index = 64 * 2**20
    save_texts: bool = False

    @property
    def warmup_requests(self) -> int:
        """At least as many as the load has in flight at once, so that every connection is open; 0 skips them."""
        asked = self.protocol.warmup.requests
        return max(asked, self.load.concurrency * self.scenario.input_shapes.batch_size) if asked else 0
