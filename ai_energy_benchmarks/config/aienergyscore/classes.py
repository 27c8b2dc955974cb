"""The names and defaults that AIEnergyScore imports: mutable classes, resolved into the strict config.

The defaults here are the contract's and apply only to these classes. Values may come from OmegaConf: its mappings
and lists are taken as such, and text in a field that is no text ("False", "10") is typed as YAML would type it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any

from attrs import asdict, define, field, fields_dict

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config import model
from ai_energy_benchmarks.config.aienergyscore.values import plain, typed, typed_values
from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.config.loading import config_from_mapping, document_mapping, place_in
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text import yaml_text
from ai_energy_benchmarks.text.problems import InvalidError, Problem, nearest, refusal, shown

_ENDPOINT = "http://localhost:8000/v1"


@define
class BackendConfig:
    """Which engine runs which model.

    ``endpoint`` left at its default means nothing to an engine in process, and ``device_ids`` left at its default
    nothing to a server.

    Attributes:
        type: ``vllm`` or ``pytorch``, or another name of a backend.
        device: ``cuda``, ``cpu`` or ``auto``.
        device_ids: GPUs to use, from 0.
        model: hub id or directory; of a server, the name under which it serves the model.
        endpoint: address of the server.
        task: ``text-generation``.
    """

    type: str = "vllm"
    device: str = "cuda"
    device_ids: Sequence[int] = field(factory=lambda: [0])
    model: str = "openai/gpt-oss-120b"
    endpoint: str | None = _ENDPOINT
    task: str = "text-generation"


@define
class ScenarioConfig:
    """What is asked of the model.

    Attributes:
        dataset_name: a dataset on the hub, or a file.
        text_column_name: column of the prompts.
        num_samples: prompts of the pass.
        truncation: cut prompts that do not fit.
        reasoning: thinking on or off; None leaves the model its own default.
        reasoning_params: values of the switch of the model's family.
        input_shapes: ``batch_size``.
        generate_kwargs: ``max_new_tokens``, ``min_new_tokens`` and sampling.
    """

    dataset_name: str = "AIEnergyScore/text_generation"
    text_column_name: str = "text"
    num_samples: int = 10
    truncation: bool = True
    reasoning: bool | str | None = False
    reasoning_params: Mapping[str, Any] | None = None
    input_shapes: Mapping[str, Any] = field(factory=lambda: {"batch_size": 1})
    generate_kwargs: Mapping[str, Any] = field(factory=lambda: {"max_new_tokens": 100, "min_new_tokens": 50})


@define
class MetricsConfig:
    """Which meter watches.

    Attributes:
        type: name of one of the meters.
        enabled: whether energy is measured.
        project_name: of records that CodeCarbon keeps.
        output_dir: where it keeps them.
        country_iso_code: three letters, for emissions.
        region: within the country.
    """

    type: str = "codecarbon"
    enabled: bool = True
    project_name: str = "ai_energy_benchmarks"
    output_dir: str = "./emissions"
    country_iso_code: str | None = "USA"
    region: str | None = None


@define
class ReporterConfig:
    """Where the row of results goes.

    Attributes:
        type: name of one of the reporters.
        output_file: of the row.
    """

    type: str = "csv"
    output_file: str | None = "./results/benchmark_results.csv"


@define
class BenchmarkConfig:
    """One benchmark of one trial.

    Attributes:
        name: what the result is called.
        backend: engine and model.
        scenario: prompts and lengths.
        metrics: the meter.
        reporter: where the row goes.
        output_dir: the result directory.
    """

    name: str = "benchmark"
    backend: BackendConfig = field(factory=BackendConfig)
    scenario: ScenarioConfig = field(factory=ScenarioConfig)
    metrics: MetricsConfig = field(factory=MetricsConfig)
    reporter: ReporterConfig = field(factory=ReporterConfig)
    output_dir: str = "./benchmark_output"


_BLOCKS = {
    "backend": BackendConfig,
    "scenario": ScenarioConfig,
    "metrics": MetricsConfig,
    "reporter": ReporterConfig,
}


class ConfigParser:
    """Reads and checks configs in the form of 0.0.x."""

    @staticmethod
    def load_config(config_path: str | File) -> BenchmarkConfig:
        """The config in a YAML file, with the contract's defaults for what it leaves out.

        Args:
            config_path: of the file.

        Raises:
            ConfigError: the file cannot be read, or has keys that this form does not have.
        """
        return ConfigParser.load_config_with_overrides(config_path)

    @staticmethod
    def load_config_with_overrides(
        config_path: str | File, overrides: Mapping[str, Any] | None = None
    ) -> BenchmarkConfig:
        """The same, with nested mappings or dotted keys laid over the file.

        Args:
            config_path: of the file.
            overrides: nested mappings or dotted keys.

        Raises:
            ConfigError: as ``load_config``.
        """
        source, changes = str(config_path), plain(overrides or {})
        document = yaml_text.read(File(config_path))
        mapping = with_overrides(document_mapping(document, source), changes)
        problems = list(document.problems)
        config = _from_mapping(mapping, problems)
        if problems:
            remedy = "correct these keys; newer keys are read by ai_energy_benchmarks.load_config"
            raise refusal(source, problems, place_in(document, changes), remedy=remedy)
        return config

    @staticmethod
    def validate_config(config: BenchmarkConfig) -> bool:
        """True if backend, endpoint and number of samples can be right; the runner's check looks at all else.

        Args:
            config: to check.

        Raises:
            ConfigError: which is a ``ValueError``, with everything that is wrong.
        """
        problems = [
            f"{name} must be a {cls.__name__}, got {shown(getattr(config, name))}"
            for name, cls in _BLOCKS.items()
            if not isinstance(getattr(config, name), cls)
        ]
        problems = problems or [*_backend_problems(config.backend), *_sample_problems(config.scenario.num_samples)]
        if problems:
            raise ConfigError("; ".join(problems), remedy="change these attributes of the config")
        return True


def resolve(config: BenchmarkConfig) -> model.BenchmarkConfig:
    """The strict config that these classes describe as they stand now; one trial.

    Raises:
        ConfigError: with all problems, each by its path.
    """
    ConfigParser.validate_config(config)
    scenario = {
        **asdict(config.scenario, recurse=False),
        "num_samples": typed(config.scenario.num_samples),
        "truncation": typed(config.scenario.truncation),
        "reasoning": typed(config.scenario.reasoning),
        "reasoning_params": typed_values(config.scenario.reasoning_params),
        "input_shapes": typed_values(config.scenario.input_shapes),
        "generate_kwargs": typed_values(config.scenario.generate_kwargs),
    }
    return config_from_mapping(
        {
            "name": config.name,
            "backend": _resolved_backend(config.backend),
            "scenario": scenario,
            "protocol": {"trials": 1, "thermal_gate": False},
            "metrics": {**asdict(config.metrics, recurse=False), "enabled": typed(config.metrics.enabled)},
            "reporter": asdict(config.reporter, recurse=False),
            "output_dir": config.output_dir,
        },
        source="the BenchmarkConfig",
    )


def _from_mapping(mapping: Mapping[str, object], problems: list[Problem]) -> BenchmarkConfig:
    found = _known(BenchmarkConfig, mapping, (), problems)
    for name, cls in _BLOCKS.items():
        if name not in found:
            continue
        block = found[name]
        if isinstance(block, Mapping):
            found[name] = cls(**_known(cls, block, (name,), problems))
        else:
            problems.append(Problem((name,), f"must be a mapping with keys, got {shown(block)}"))
    return BenchmarkConfig(**found)


def _known(cls: type, mapping: Mapping[str, object], path: tuple[str, ...], problems: list[Problem]) -> dict[str, Any]:
    names = fields_dict(cls)
    for key, value in mapping.items():
        if key not in names:
            hint = nearest(key, names) or f"; known here: {', '.join(names)}"
            problems.append(Problem((*path, str(key)), f"is not a key of this block (value: {shown(value)}){hint}"))
    return {key: value for key, value in mapping.items() if key in names}


def _backend_problems(backend: BackendConfig) -> list[str]:
    known = tuple(dict.fromkeys(("vllm", *registry.names("backends"))))
    if backend.type == "optimum":
        return ["Invalid backend type: 'optimum' is optimum-benchmark's own; here it is pytorch or vllm"]
    if backend.type not in known:
        return [f"Invalid backend type: {shown(backend.type)}; known: {', '.join(known)}"]
    if backend.type == "vllm" and not backend.endpoint:
        return [f"vLLM backend requires endpoint, got {shown(backend.endpoint)}; such as {_ENDPOINT}"]
    return []


def _sample_problems(num_samples: object) -> list[str]:
    count = typed(num_samples)
    if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
        return []
    return [f"num_samples must be a whole number of at least 1, got {shown(num_samples)}"]


def _resolved_backend(backend: BackendConfig) -> dict[str, object]:
    found = asdict(backend, recurse=False)
    boards = plain(backend.device_ids)
    found["device_ids"] = [typed(board) for board in boards] if isinstance(boards, list) else boards
    in_process = _runs_in_process(backend.type)
    if backend.endpoint == _ENDPOINT and in_process:
        found["endpoint"] = None
    if found["device_ids"] == [0] and not in_process:
        found["device_ids"] = None  # the contract's default, which says nothing of where a server runs
    return found


def _runs_in_process(backend: str) -> bool:
    if backend not in registry.names("backends"):
        return False
    try:
        return not needs_endpoint(backend)
    except InvalidError:
        return False  # loading the config reports why
