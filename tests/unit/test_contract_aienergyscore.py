"""The contract with AI Energy Score, section by section: its scripts must run unchanged."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import polars
import pytest

from ai_energy_benchmarks.config.parser import (
    BackendConfig,
    BenchmarkConfig,
    ConfigParser,
    MetricsConfig,
    ReporterConfig,
    ScenarioConfig,
)
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Device, Measurement, Reading, Samples, Series, Workload
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.formatters.harmony import HarmonyFormatter
from ai_energy_benchmarks.formatters.registry import FormatterRegistry
from ai_energy_benchmarks.runner import BenchmarkRunner, run_benchmark_from_config
from ai_energy_benchmarks.runner.event_loop import MonotonicClock
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, Journal
from tests.servers import Exchange, delta, running, usage
from tests.tiny_model import save_tiny_model

SUMMARY = (
    "total_prompts",
    "successful_prompts",
    "failed_prompts",
    "total_duration_seconds",
    "avg_latency_seconds",
    "avg_time_to_first_token",
    "total_tokens",
    "total_prompt_tokens",
    "total_completion_tokens",
    "throughput_tokens_per_second",
)
COMPONENTS = ("gpu", "cpu", "ram", "total")
ENERGY = (
    "energy_wh",
    "energy_kwh",
    *(f"{component}_energy_{unit}" for component in COMPONENTS for unit in ("wh", "kwh")),
    "emissions_kg_co2eq",
    "emissions_g_co2eq",
    "duration_seconds",
    "carbon_intensity_g_per_kwh",
)
GPU = ("utilization_percent", "memory_used_mb", "memory_total_mb", "memory_percent", "temperature_c", "power_draw_w")


class NoWaiting(MonotonicClock):
    """The real clock, but idle periods end at once."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(0)


def runner_of(config: BenchmarkConfig) -> BenchmarkRunner:
    return BenchmarkRunner(config, clock=NoWaiting())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of random weights."""
    pytest.importorskip("transformers")
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1])


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """The prompts of AI Energy Score come as CSV files, too."""
    file = tmp_path / "prompts.csv"
    file.write_text("id,text\n" + "".join(f'{n},"Say {n}, twice"\n' for n in range(20)))
    return file


def facade(model: object, prompts: object, directory: Path, **scenario: Any) -> BenchmarkConfig:
    """A config as the wrapper builds it."""
    config = BenchmarkConfig(
        name="contract",
        backend=BackendConfig(type="pytorch", device="cpu", device_ids=[0], model=str(model)),
        scenario=ScenarioConfig(
            dataset_name=str(prompts),
            num_samples=2,
            generate_kwargs={"max_new_tokens": 4, "min_new_tokens": 4},
            **scenario,
        ),
        metrics=MetricsConfig(type="modelled", output_dir=str(directory / "emissions")),
        reporter=ReporterConfig(output_file=str(directory / "benchmark_results.csv")),
        output_dir=str(directory),
    )
    config.backend.endpoint = None
    return config


# --- 2: validate, then run, then json.dump --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchmarkRunner, dict[str, Any], Path]:
    """A run on the real PyTorch backend: validate, run."""
    directory = tmp_path_factory.mktemp("run")
    file = directory / "prompts.csv"
    file.write_text("text\n" + "".join(f"Say {n}\n" for n in range(20)))
    config = facade(model, file, directory)
    assert ConfigParser.validate_config(config) is True
    runner = runner_of(config)
    assert runner.validate() is True
    return runner, runner.run(), directory


def test_the_document_is_plain_json(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """The caller passes it straight to json.dump, and reads back the same."""
    _, document, _ = finished
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_config_block_names_what_was_measured(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """As the caller built it."""
    runner, document, directory = finished
    assert {key: document["config"][key] for key in ("name", "backend", "num_samples", "device_ids")} == {
        "name": "contract",
        "backend": "pytorch",
        "num_samples": 2,
        "device_ids": [0],
    }
    assert document["config"]["model"] == runner.config.backend.model
    assert document["config"]["dataset"] == str(directory / "prompts.csv")


def test_every_key_of_summary_and_energy_is_a_number(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """The summariser formats each of them; what no meter saw is 0.0 and says so beside it."""
    _, document, _ = finished
    for block, keys in (("summary", SUMMARY), ("energy", ENERGY)):
        kinds = {key: type(document[block][key]) for key in keys}
        assert set(kinds.values()) <= {int, float}, kinds
    for component in COMPONENTS:
        assert document["energy"][f"{component}_energy_source"] in ("measured", "integrated", "modelled", "absent")
    assert document["energy"]["gpu_energy_wh"] == document["energy"]["energy_wh"] == 0.0
    assert document["energy"]["gpu_energy_source"] == "absent"
    assert document["energy"]["cpu_energy_source"] == "modelled"
    assert document["energy"]["cpu_energy_wh"] > 0


def test_the_summary_is_of_one_pass(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """One trial over num_samples, with the tokens that were really generated."""
    runner, document, _ = finished
    summary = document["summary"]
    assert runner.config.protocol.trials == summary["trials"] == 1
    assert (summary["total_prompts"], summary["successful_prompts"], summary["failed_prompts"]) == (2, 2, 0)
    assert summary["total_completion_tokens"] == 8
    assert summary["total_tokens"] == summary["total_prompt_tokens"] + 8
    assert 0 < summary["avg_time_to_first_token"] < summary["avg_latency_seconds"] < summary["total_duration_seconds"]


def test_names_of_the_project_are_carried_through(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """Project, country and region stand in the energy block as text."""
    _, document, _ = finished
    energy = document["energy"]
    assert (energy["project_name"], energy["country"], energy["region"]) == ("ai_energy_benchmarks", "USA", "")


def test_the_other_blocks_are_there(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """backend_info, metrics_metadata, gpu_stats; further keys stand beside them."""
    _, document, _ = finished
    assert document["backend_info"]["backend"] == "pytorch"
    assert {"gpu_stats", "metrics_metadata", "schema_version", "verdict"} <= document.keys()


def test_the_reporter_writes_its_row(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """The CSV stands where the caller asked for it."""
    _, _, directory = finished
    with (directory / "benchmark_results.csv").open(encoding="utf-8", newline="") as lines:
        assert len(list(csv.DictReader(lines))) == 1


def test_validating_again_costs_nothing(finished: tuple[BenchmarkRunner, dict[str, Any], Path]) -> None:
    """The second check of the same config touches neither prompts nor meters."""
    runner, _, directory = finished
    (directory / "prompts.csv").rename(directory / "moved.csv")
    assert runner.validate() is True
    (directory / "moved.csv").rename(directory / "prompts.csv")


def test_a_config_that_cannot_run_does_not_validate(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason goes to the log, not to an exception."""
    assert runner_of(facade(model, tmp_path / "none.csv", tmp_path)).validate() is False
    assert "none.csv" in caplog.text


def test_a_run_from_a_file_takes_nested_and_dotted_overrides(model: Path, prompts: Path, tmp_path: Path) -> None:
    """run_benchmark_from_config returns the same document."""
    file = tmp_path / "config.yaml"
    file.write_text(
        f"backend: {{type: pytorch, model: '{model}', device: cpu}}\n"
        f"scenario: {{dataset_name: '{prompts}', num_samples: 9, generate_kwargs: {{max_new_tokens: 3}}}}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, trials: 1, warmup: {requests: 1}}\n"
        f"metrics: {{collectors: [modelled]}}\nreporters: []\noutput_dir: '{tmp_path}'\n"
    )
    overrides: Mapping[str, object] = {"scenario": {"num_samples": 1}, "scenario.generate_kwargs.max_new_tokens": 2}
    document = run_benchmark_from_config(str(file), overrides)
    assert document["summary"]["total_prompts"] == 1
    assert document["summary"]["total_completion_tokens"] <= 2


async def three_tokens(exchange: Exchange) -> None:
    """What a vLLM server streams."""
    await exchange.begin_stream()
    for text in ("a", "b", "c"):
        await exchange.event(delta(content=text))
    await exchange.event(delta(finish_reason="length"))
    await exchange.event(usage(7, 3))
    await exchange.end_stream()


def test_the_vllm_backend_gives_the_same_document(
    finished: tuple[BenchmarkRunner, dict[str, Any], Path], prompts: Path, tmp_path: Path
) -> None:
    """Streamed tokens are counted, times are real, and no block or key of it is missing."""
    with running(three_tokens) as server:
        config = facade("scripted", prompts, tmp_path)
        config.backend = BackendConfig(type="vllm", model="scripted", endpoint=f"{server.endpoint}/v1")
        runner = runner_of(config)
        assert runner.validate() is True
        document = runner.run()
        runner.backend._initialize_model()  # type: ignore[attr-defined] # no part of the contract of backends
        del runner.backend.model  # type: ignore[attr-defined] # the same
        del runner.backend.tokenizer
        del runner.backend
    json.dumps(document, allow_nan=False)
    summary = document["summary"]
    assert (summary["total_prompt_tokens"], summary["total_completion_tokens"], summary["total_tokens"]) == (14, 6, 20)
    assert 0 < summary["avg_time_to_first_token"] <= summary["avg_latency_seconds"]
    for block in ("config", "summary", "energy", "backend_info"):
        assert document[block].keys() == finished[1][block].keys()
    post = next(each for each in server.seen if each.method == "POST")
    assert (post.body["max_tokens"], post.body["min_tokens"], post.body["temperature"]) == (4, 4, 0)


# --- 3: the backend may be taken apart ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["delete", "none"])
def test_the_caller_frees_the_model(model: Path, prompts: Path, tmp_path: Path, how: str) -> None:
    """After a run the caller deletes model, tokenizer and backend, or sets them to None."""
    runner = runner_of(facade(model, prompts, tmp_path))
    runner.run()
    assert hasattr(runner, "backend")
    for name in ("model", "tokenizer"):
        assert hasattr(runner.backend, name)
        if how == "delete":
            delattr(runner.backend, name)
        else:
            setattr(runner.backend, name, None)
    del runner.backend


def test_a_model_that_does_not_load_says_why(prompts: Path, tmp_path: Path) -> None:
    """_initialize_model raises the real load error."""
    pytest.importorskip("transformers")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    runner = runner_of(facade(broken, prompts, tmp_path))
    with pytest.raises(BackendError):
        runner.backend._initialize_model()  # type: ignore[attr-defined] # no part of the contract of backends


# --- 4: the registry ------------------------------------------------------------------------------------------------


def test_the_registry_is_looked_up_by_model() -> None:
    """With and without a path; Qwen's null formatter is a known family, a stranger is None."""
    for registry in (FormatterRegistry(), FormatterRegistry(None), FormatterRegistry(config_path=None)):
        assert isinstance(registry.get_formatter("openai/gpt-oss-20b"), HarmonyFormatter)
        assert not isinstance(registry.get_formatter("HuggingFaceTB/SmolLM3-3B"), HarmonyFormatter)
        qwen = registry._find_model_config("Qwen/Qwen2.5-7B-Instruct")
        assert isinstance(qwen, Mapping)
        assert qwen["formatter"] is None
        assert registry.get_formatter("Qwen/Qwen2.5-7B-Instruct") is None
        assert registry._find_model_config("someone/unheard-of") is None
        assert registry.get_formatter("someone/unheard-of") is None


# --- 5: values of OmegaConf -----------------------------------------------------------------------------------------


class Foreign(Mapping[str, Any]):
    """A mapping that is no dict, with text for every value, as the wrapper's OmegaConf holds them."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _thinking_copy(model: Path, tmp_path: Path) -> Path:
    """The tiny model under a name and with a chat template of the Qwen3 family."""
    import shutil

    copy = tmp_path / "Qwen3-0.6B"
    shutil.copytree(model, copy)
    template = next(copy.glob("chat_template*"))
    switch = "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    template.write_text(template.read_text() + switch)
    return copy


@pytest.mark.parametrize(
    ("reasoning", "params", "sent"),
    [
        ("False", None, False),
        ("True", Foreign(enable_thinking="true"), True),
        (False, Foreign(), False),
    ],
)
def test_reasoning_as_text_is_really_on_or_off(  # noqa: PLR0917 # fixtures and parameters
    model: Path, prompts: Path, tmp_path: Path, reasoning: Any, params: Any, sent: bool
) -> None:
    """ "False" is false, and it reaches the prompt."""
    copy = _thinking_copy(model, tmp_path)
    runner = runner_of(facade(copy, prompts, tmp_path, reasoning=reasoning, reasoning_params=params))
    document = runner.run()
    assert document["reasoning"]["sent"] == {"enable_thinking": sent}
    assert document["reasoning"]["rendered_sha256"] != document["reasoning"]["opposite_sha256"]
    assert runner.result is not None
    hashes = {each.rendered_sha256 for each in runner.result.trials[0].completions}
    assert document["reasoning"]["rendered_sha256"] in hashes


def test_on_and_off_send_different_prompts(model: Path, prompts: Path, tmp_path: Path) -> None:
    """Off has more prompt tokens here, because the template closes the thinking for the model."""
    copy = _thinking_copy(model, tmp_path)
    on, off = (
        runner_of(facade(copy, prompts, tmp_path, reasoning=state)).run()["summary"]["total_prompt_tokens"]
        for state in (True, False)
    )
    assert off - on == 2 * len("<think>\n\n</think>\n\n")


def test_real_omegaconf_values_are_taken(model: Path, prompts: Path, tmp_path: Path) -> None:
    """Its mappings and lists."""
    import omegaconf

    config = facade(_thinking_copy(model, tmp_path), prompts, tmp_path, reasoning="True")
    config.scenario.reasoning_params = omegaconf.OmegaConf.create({"enable_thinking": "true"})
    config.scenario.generate_kwargs = omegaconf.OmegaConf.create({"max_new_tokens": "2"})
    config.backend.device_ids = omegaconf.OmegaConf.create([0])
    document = runner_of(config).run()
    assert document["reasoning"]["sent"] == {"enable_thinking": True}
    assert document["config"]["device_ids"] == [0]


# --- 6: prompts from local files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "id,text\n1,one\n2,two\n"),
        ("p.jsonl", '{"text": "one"}\n{"text": "two"}\n'),
        ("p.json", '[{"text": "one"}, {"text": "two"}]'),
        ("p.txt", "one\ntwo\n"),
        ("p.parquet", ""),
    ],
)
def test_prompts_come_from_local_files(model: Path, tmp_path: Path, name: str, text: str) -> None:
    """By path, in each of the formats."""
    if text:
        (tmp_path / name).write_text(text)
    else:
        polars.DataFrame({"text": ["one", "two"]}).write_parquet(tmp_path / name)
    runner = runner_of(facade(model, tmp_path / name, tmp_path))
    runner.run()
    assert runner.result is not None
    assert list(runner.result.prompts.values()) == ["one", "two"]


# --- 7: GPUs --------------------------------------------------------------------------------------------------------


class TwoBoards(FakeCollector):
    """A meter that sees one board of the workload and one of somebody else."""

    def samples(self) -> Samples:
        ticks = array("d", [0.0])
        own = Device("gpu", "fake-gpu")
        return Samples((Series(own, "power_w", "fake", ticks, ticks, array("d", [3600.0])),))

    def read(self, start: Any, stop: Any) -> Measurement:
        whole = super().read(start, stop)
        (reading,) = whole.readings
        gpu = Device("gpu", "GPU-other", "GPU 1")
        other = Reading(gpu, Bounds.exact(5.0), "measured", "fake", "exact", counted=False)
        return Measurement(whole.start_s, whole.stop_s, (reading, other))


def test_energy_wh_is_that_of_the_boards_in_use(tmp_path: Path, prompts: Path) -> None:
    """The sum over the workload's boards; others are listed apart."""
    journal = Journal()
    clock = FakeClock(journal)
    config = facade("us/some-model", prompts, tmp_path)
    runner = BenchmarkRunner(
        config,
        backend=FakeBackend(journal, clock),
        collector=TwoBoards(journal, clock, power_w=3600.0),
        reporters=[],
        clock=clock,
    )
    document = runner.run()
    # Two requests, four tokens of a quarter second each: 2 s at 3,600 W are 2 Wh.
    assert document["energy"]["energy_wh"] == document["energy"]["gpu_energy_wh"] == pytest.approx(2.0)
    assert document["energy"]["gpu_energy_kwh"] == pytest.approx(0.002)
    assert document["energy"]["gpu_energy_source"] == "measured"
    (stats,) = document["gpu_stats"].values()
    assert stats["power_draw_w"] == 3600.0
    assert {key: type(stats[key]) for key in GPU} == dict.fromkeys(GPU, float)
    assert [each["counted"] for each in document["metrics_metadata"]["devices"]] == [True, False]


class Server(FakeBackend):
    """An engine elsewhere on this machine, which does not say what boards it uses."""

    needs_endpoint = True


class Attached(FakeCollector):
    """Keeps whose energy it was asked to count."""

    workloads: ClassVar[list[Workload]] = []

    def attach(self, workload: Workload) -> None:
        super().attach(workload)
        self.workloads.append(workload)


@pytest.mark.parametrize(("device_ids", "asked"), [([0], None), ([1], (1,)), ([0, 1], (0, 1))])
def test_boards_restrict_a_servers_meter_only_if_they_were_set(
    tmp_path: Path, prompts: Path, device_ids: Any, asked: tuple[int, ...] | None
) -> None:
    """The default of the contract, board 0, says nothing of where a running server is."""
    journal = Journal()
    clock = FakeClock(journal)
    config = facade("us/some-model", prompts, tmp_path)
    config.backend.type, config.backend.endpoint = "vllm", "http://localhost:8000/v1"
    config.backend.device_ids = device_ids
    collector = Attached(journal, clock)
    collector.workloads.clear()
    BenchmarkRunner(config, backend=Server(journal, clock), collector=collector, reporters=[], clock=clock).run()
    assert {workload.device_ids for workload in collector.workloads} == {asked}


# --- 8: base dependencies -------------------------------------------------------------------------------------------


def test_the_names_of_the_contract_need_no_engine() -> None:
    """Importing them loads neither torch nor transformers, pandas, datasets, codecarbon or omegaconf."""
    code = (
        "import sys\n"
        "from ai_energy_benchmarks.config.parser import (BackendConfig, BenchmarkConfig, ConfigParser, MetricsConfig,\n"
        "    ReporterConfig, ScenarioConfig)\n"
        "from ai_energy_benchmarks.runner import BenchmarkRunner, run_benchmark_from_config\n"
        "from ai_energy_benchmarks.formatters.registry import FormatterRegistry\n"
        "from ai_energy_benchmarks.formatters.harmony import HarmonyFormatter\n"
        "loaded = {'torch', 'transformers', 'pandas', 'datasets', 'codecarbon', 'omegaconf'} & set(sys.modules)\n"
        "sys.exit(', '.join(loaded) or None)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr == ""
