"""The names that AIEnergyScore imports behave as its scripts expect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableSequence
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.config.aienergyscore.classes import resolve
from ai_energy_benchmarks.config.parser import (
    BackendConfig,
    BenchmarkConfig,
    ConfigParser,
    MetricsConfig,
    ReporterConfig,
    ScenarioConfig,
)
from ai_energy_benchmarks.errors import ConfigError
from tests.foreign_members import install


class DictLike(Mapping[str, Any]):
    """A mapping that is no dict, as OmegaConf's are."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class ListLike(MutableSequence[Any]):
    """A list that is no list, as OmegaConf's are."""

    def __init__(self, *values: Any) -> None:
        self._values = list(values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._values[index] = value

    def __delitem__(self, index: Any) -> None:
        del self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    def insert(self, index: int, value: Any) -> None:
        self._values.insert(index, value)


def in_process(**scenario: Any) -> BenchmarkConfig:
    """A config for PyTorch that every machine can resolve."""
    return BenchmarkConfig(
        backend=BackendConfig(type="pytorch", model="some/model"),
        scenario=ScenarioConfig(**scenario),
        metrics=MetricsConfig(type="auto"),
    )


def test_defaults_are_those_of_the_contract() -> None:
    """Constructed without arguments, every class has the values that the scripts rely on."""
    config = BenchmarkConfig()
    assert config.name == "benchmark"
    assert config.output_dir == "./benchmark_output"
    assert config.backend == BackendConfig(
        type="vllm",
        device="cuda",
        device_ids=[0],
        model="openai/gpt-oss-120b",
        endpoint="http://localhost:8000/v1",
        task="text-generation",
    )
    assert config.scenario == ScenarioConfig(
        dataset_name="AIEnergyScore/text_generation",
        text_column_name="text",
        num_samples=10,
        truncation=True,
        reasoning=False,
        reasoning_params=None,
        input_shapes={"batch_size": 1},
        generate_kwargs={"max_new_tokens": 100, "min_new_tokens": 50},
    )
    assert config.metrics == MetricsConfig(
        type="codecarbon",
        enabled=True,
        project_name="ai_energy_benchmarks",
        output_dir="./emissions",
        country_iso_code="USA",
        region=None,
    )
    assert config.reporter == ReporterConfig(type="csv", output_file="./results/benchmark_results.csv")


def test_defaults_are_not_shared() -> None:
    """Changing one config does not change the next."""
    BenchmarkConfig().scenario.generate_kwargs["max_new_tokens"] = 1  # type: ignore[index] # a dict by default
    assert BenchmarkConfig().scenario.generate_kwargs == {"max_new_tokens": 100, "min_new_tokens": 50}


@pytest.mark.parametrize("backend", ["vllm", "pytorch"])
def test_both_backends_of_the_contract_are_valid(backend: str) -> None:
    """Validating says True, twice as well as once."""
    config = BenchmarkConfig(backend=BackendConfig(type=backend))
    assert ConfigParser.validate_config(config) is True
    assert ConfigParser.validate_config(config) is True


@pytest.mark.parametrize("backend", ["invalid", "", None, "optimum", ["vllm"]])
def test_an_unknown_backend_is_invalid(backend: Any) -> None:
    """The text is the one that the scripts look for."""
    config = BenchmarkConfig()
    config.backend.type = backend
    with pytest.raises(ValueError, match="Invalid backend type"):
        ConfigParser.validate_config(config)


def test_optimum_is_refused_by_name() -> None:
    """Optimum runs its own benchmark and is none of ours."""
    with pytest.raises(ConfigError, match="'optimum' is optimum-benchmark's own"):
        ConfigParser.validate_config(BenchmarkConfig(backend=BackendConfig(type="optimum")))


@pytest.mark.parametrize("endpoint", [None, ""])
def test_vllm_without_an_endpoint_is_invalid(endpoint: str | None) -> None:
    """A mutation after construction counts."""
    config = BenchmarkConfig()
    config.backend.endpoint = endpoint
    with pytest.raises(ValueError, match="vLLM backend requires endpoint"):
        ConfigParser.validate_config(config)


@pytest.mark.parametrize("count", [0, -1, "0", "many", 2.5, None, True])
def test_a_number_of_samples_below_one_is_invalid(count: Any) -> None:
    """So is one that is no whole number."""
    with pytest.raises(ValueError, match="num_samples must be"):
        ConfigParser.validate_config(in_process(num_samples=count))


@pytest.mark.parametrize("block", ["backend", "scenario", "metrics", "reporter"])
@pytest.mark.parametrize("value", [None, {}, {"type": "pytorch"}, "pytorch"])
def test_a_block_of_another_class_is_invalid(block: str, value: Any) -> None:
    """The error names the block, its class and the value."""
    config = in_process()
    setattr(config, block, value)
    with pytest.raises(ConfigError, match=f"{block} must be a {block.capitalize()}Config, got "):
        ConfigParser.validate_config(config)


def test_numbers_of_numpy_are_numbers() -> None:
    """A batch of models is often read from a table with pandas."""
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    config = in_process(num_samples=numpy.int64(3), truncation=numpy.bool_(False))
    config.backend.device_ids = [numpy.int64(1)]
    found = resolve(config)
    assert (found.scenario.num_samples, found.scenario.truncation) == (3, False)
    assert found.backend.device_ids == (1,)


def test_text_that_no_file_can_hold_is_invalid() -> None:
    """As of bytes of a command line that are no UTF-8; after the trials no table could be written."""
    config = in_process()
    config.name = "a\udcff"
    with pytest.raises(ConfigError, match=r"name: holds a character that is none in UTF-8, got .*udcff"):
        resolve(config)


def test_all_that_is_invalid_is_told_together() -> None:
    """Backend and samples are judged in one go."""
    config = in_process(num_samples=0)
    config.backend.type = "nothing"
    with pytest.raises(ValueError, match=r"Invalid backend type: 'nothing'.*num_samples must be"):
        ConfigParser.validate_config(config)


def test_a_resolved_config_has_one_trial() -> None:
    """These classes describe one pass; every value reaches its strict place."""
    strict = resolve(in_process(num_samples=7, dataset_name="prompts.csv", text_column_name="question"))
    assert strict.protocol.trials == 1
    assert (strict.scenario.num_samples, strict.scenario.dataset_name) == (7, "prompts.csv")
    assert strict.scenario.text_column_name == "question"
    assert (strict.scenario.generate_kwargs.max_new_tokens, strict.scenario.generate_kwargs.min_new_tokens) == (100, 50)
    assert (strict.backend.device, strict.backend.device_ids, strict.backend.model) == ("cuda", (0,), "some/model")
    assert (strict.metrics.country_iso_code, strict.metrics.output_dir) == ("USA", Path("emissions"))
    assert [(each.type, each.output_file) for each in strict.reporters] == [
        ("csv", Path("results/benchmark_results.csv"))
    ]
    assert strict.output_dir == Path("benchmark_output")


def test_mutations_count_when_resolving_again() -> None:
    """The runner resolves on every check, so later changes are seen."""
    config = in_process(num_samples=7)
    assert resolve(config).scenario.num_samples == 7
    config.scenario.num_samples = 8
    assert resolve(config).scenario.num_samples == 8


@pytest.mark.parametrize(
    ("written", "expected"),
    [("False", False), ("false", False), (False, False), ("True", True), (True, True), (None, None)],
)
def test_reasoning_may_be_text(written: bool | str | None, expected: bool | None) -> None:
    """ "False" is false."""
    assert resolve(in_process(reasoning=written)).scenario.reasoning is expected


def test_mappings_and_lists_of_other_makes_are_taken() -> None:
    """OmegaConf's containers with text values come out as plain, typed values."""
    config = in_process(
        num_samples="12",
        truncation="False",
        reasoning="True",
        reasoning_params=DictLike(enable_thinking="true", reasoning_effort="low", budget="128"),
        input_shapes=DictLike(batch_size="2"),
        generate_kwargs=DictLike(max_new_tokens="20", min_new_tokens=10, stop_strings=ListLike("7", "END")),
    )
    config.backend.device_ids = ListLike("0", 1)
    config.metrics.enabled = "False"  # type: ignore[assignment] # what OmegaConf may hold
    strict = resolve(config)
    scenario = strict.scenario
    assert (scenario.num_samples, scenario.truncation, scenario.input_shapes.batch_size) == (12, False, 2)
    assert scenario.reasoning_params == {"enable_thinking": True, "reasoning_effort": "low", "budget": 128}
    assert (scenario.generate_kwargs.max_new_tokens, scenario.generate_kwargs.min_new_tokens) == (20, 10)
    assert scenario.generate_kwargs.stop_strings == ("7", "END")
    assert strict.backend.device_ids == (0, 1)
    assert strict.metrics.enabled is False


def test_what_cannot_be_honoured_is_refused_with_its_path() -> None:
    """No key is ignored; problems have the names of these classes, not of the strict ones."""
    config = in_process(generate_kwargs={"max_new_tokens": 10, "num_beams": 4}, truncation="perhaps")
    config.metrics.type = "rapll"
    config.reporter.type = "xml"
    with pytest.raises(ConfigError) as caught:
        resolve(config)
    title, *lines = caught.value.message.splitlines()
    assert title == "the BenchmarkConfig has 4 problems:"
    assert lines[0] == "  scenario.truncation: must be true or false, got 'perhaps'"
    assert lines[1].startswith("  scenario.generate_kwargs.num_beams: is not a key")
    assert lines[2].startswith("  metrics.type: unknown collector 'rapll'")
    assert lines[3].startswith("  reporter.type: unknown reporter 'xml'")


def test_the_default_endpoint_means_nothing_in_process() -> None:
    """PyTorch ignores the endpoint that nobody set, and refuses one that somebody did."""
    config = in_process()
    assert config.backend.endpoint == "http://localhost:8000/v1"
    assert resolve(config).backend.endpoint is None
    config.backend.endpoint = "http://elsewhere:8000/v1"
    with pytest.raises(ConfigError, match=r"backend\.endpoint: the pytorch backend runs in this process"):
        resolve(config)


def test_the_default_endpoint_is_used_by_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was given no other endpoint gets the contract's; a broken member keeps its own error."""
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    config = in_process()
    config.backend.type = "test-server"
    with pytest.raises(ConfigError, match=r"has a problem:\n  backend\.options\.token: is required and missing"):
        resolve(config)
    config.backend.type = "test-broken"
    with pytest.raises(ConfigError, match=r"has a problem:\n  backend\.type: backend 'test-broken' cannot be imported"):
        resolve(config)


def write(path: Path, text: str) -> Path:
    """A config file."""
    file = path / "benchmark.yaml"
    file.write_text(text)
    return file


def test_a_file_is_loaded_with_the_contracts_defaults(tmp_path: Path) -> None:
    """What the file leaves out has the default of these classes."""
    file = write(tmp_path, "name: mine\nbackend: {type: vllm, model: test-model}\nscenario: {num_samples: 5}\n")
    config = ConfigParser.load_config(str(file))
    assert (config.name, config.backend.type, config.backend.model) == ("mine", "vllm", "test-model")
    assert config.backend.endpoint == "http://localhost:8000/v1"
    assert config.scenario.num_samples == 5
    assert config.metrics.type == "codecarbon"


@pytest.mark.parametrize(
    "overrides",
    [
        {"scenario": {"num_samples": 10}, "name": "overridden"},
        {"scenario.num_samples": 10, "name": "overridden"},
        DictLike(scenario=DictLike(num_samples=10), name="overridden"),
    ],
)
def test_overrides_are_nested_or_dotted(tmp_path: Path, overrides: Mapping[str, Any]) -> None:
    """Only the named keys change."""
    file = write(tmp_path, "scenario: {num_samples: 5, text_column_name: question}\n")
    config = ConfigParser.load_config_with_overrides(str(file), overrides)
    assert (config.name, config.scenario.num_samples) == ("overridden", 10)
    assert config.scenario.text_column_name == "question"


def test_unknown_keys_of_a_file_are_told_together(tmp_path: Path) -> None:
    """None is silently ignored."""
    file = write(tmp_path, "backend: {modell: x}\nscenario: 3\nreporters: [csv]\n")
    with pytest.raises(ConfigError) as caught:
        ConfigParser.load_config(file)
    assert caught.value.message.splitlines() == [
        f"{file} has 3 problems:",
        "  line 1: backend.modell: is not a key of this block (value: 'x'); did you mean 'model'?",
        "  line 2: scenario: must be a mapping with keys, got 3",
        "  line 3: reporters: is not a key of this block (value: ['csv']); did you mean 'reporter'?",
    ]


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ConfigError, match=r"there is no file .*nothing\.yaml"):
        ConfigParser.load_config(tmp_path / "nothing.yaml")
