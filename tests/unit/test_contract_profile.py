"""AI Energy Score's method as a profile, its configs, its container and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ai_energy_benchmarks.config.aienergyscore.container import container_mapping
from ai_energy_benchmarks.config.aienergyscore.optimum import translate
from ai_energy_benchmarks.config.aienergyscore.profiles import with_profile
from ai_energy_benchmarks.config.loading import config_from_mapping, load_config
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.power import Reading
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.reporters.aienergyscore import AIEnergyScoreReporter
from ai_energy_benchmarks.reporters.base import ReporterSettings
from tests.factories import CPU, GPU, reading, result, trial

MODEL: Mapping[str, object] = {"backend": {"type": "pytorch", "model": "us/model"}}


def profiled(**scenario: object) -> BenchmarkConfig:
    return config_from_mapping(with_profile("aienergyscore", {**MODEL, "scenario": scenario}))


def test_the_profile_is_the_method() -> None:
    """1,000 samples one at a time, 10 warm-ups, 10 runs, greedy, exactly 10 tokens."""
    config = profiled()
    scenario, protocol = config.scenario, config.protocol
    assert (scenario.num_samples, scenario.input_shapes.batch_size, config.load.concurrency) == (1000, 1, 1)
    assert (protocol.warmup.requests, protocol.trials) == (10, 10)
    generate = scenario.generate_kwargs
    assert (generate.do_sample, generate.max_new_tokens, generate.min_new_tokens) == (False, 10, 10)
    assert "aienergyscore" in [each.type for each in config.reporters]


@pytest.mark.parametrize("reasoning", [True, "True"])
def test_reasoning_may_take_up_to_8192_tokens(reasoning: object) -> None:
    """And need not take any number of them."""
    profile = with_profile("aienergyscore", {**MODEL, "scenario": {"reasoning": reasoning}})
    assert profile["scenario"]["generate_kwargs"] == {"do_sample": False, "max_new_tokens": 8192}  # type: ignore[index]


def test_what_the_config_says_stands() -> None:
    """The profile lies under it; a budget of the config's own gets no minimum."""
    config = profiled(num_samples=3, generate_kwargs={"max_new_tokens": 5})
    assert config.scenario.num_samples == 3
    assert (config.scenario.generate_kwargs.max_new_tokens, config.scenario.generate_kwargs.min_new_tokens) == (5, None)


def test_an_unknown_profile_names_the_nearest() -> None:
    """As every other name."""
    with pytest.raises(ConfigError, match="did you mean 'aienergyscore'"):
        with_profile("aienergyscor", MODEL)


def test_a_profile_lies_under_a_file(tmp_path: Path) -> None:
    """load_config takes it by name."""
    file = tmp_path / "c.yaml"
    file.write_text("backend: {type: pytorch, model: us/model}\nscenario: {num_samples: 7}\n")
    config = load_config(file, {"scenario.seed": 4}, profile="aienergyscore")
    assert (config.scenario.num_samples, config.scenario.seed, config.protocol.trials) == (7, 4, 10)


OPTIMUM: Mapping[str, object] = {
    "defaults": ["benchmark", {"scenario": "energy_star"}, {"backend": "pytorch"}, "_self_"],
    "name": "text_generation",
    "launcher": {"device_isolation": False, "device_isolation_action": "warn"},
    "hydra": {"run": {"dir": "runs"}},
    "backend": {
        "name": "pytorch",
        "device": "cuda",
        "device_ids": "0, 1, 2",
        "no_weights": True,
        "task": "text-generation",
        "model": "us/model",
        "torch_dtype": "bfloat16",
        "attn_implementation": None,
    },
    "scenario": {
        "dataset_name": "EnergyStarAI/text_generation",
        "text_column_name": "text",
        "num_samples": 1000,
        "truncation": True,
        "reasoning": False,
        "warmup_runs": 4,
        "energy": True,
        "input_shapes": {"batch_size": 2, "sequence_length": 16},
        "generate_kwargs": {"max_new_tokens": 10, "min_new_tokens": 10},
    },
}


def test_every_key_of_optimum_benchmark_is_honoured_or_named() -> None:
    """What has a counterpart arrives; what has none is one sentence with its value."""
    translated = translate(OPTIMUM)
    config = config_from_mapping(translated.mapping)
    assert (config.name, config.backend.type, config.backend.device_ids) == ("text_generation", "pytorch", (0, 1, 2))
    assert getattr(config.backend.options, "dtype", None) == "bfloat16"
    assert (config.scenario.input_shapes.batch_size, config.protocol.warmup.requests) == (2, 4)
    assert (config.scenario.reasoning, config.scenario.num_samples) == (False, 1000)
    named = {note.partition(" = ")[0] for note in translated.notes}
    assert named == {
        "defaults",
        "hydra.run.dir",
        "launcher.device_isolation",
        "launcher.device_isolation_action",
        "backend.no_weights",
        "scenario.energy",
        "scenario.input_shapes.sequence_length",
    }


@pytest.mark.parametrize(("written", "boards"), [(3, [3]), ("0,1", [0, 1]), ([1, 2], [1, 2]), ("2", [2])])
def test_boards_are_written_in_many_ways(written: object, boards: list[int]) -> None:
    """One number, a text, or a list."""
    assert translate({"backend": {"device_ids": written}}).mapping == {"backend": {"device_ids": boards}}


def test_a_key_that_nobody_knows_is_still_refused() -> None:
    """Translating leaves it where it is, and loading names the nearest."""
    translated = translate({**MODEL, "scenario": {"num_sampels": 3}})
    with pytest.raises(ConfigError, match="did you mean 'num_samples'"):
        config_from_mapping(translated.mapping)


def container(environment: Mapping[str, str], **overrides: object) -> BenchmarkConfig:
    chosen = {"backend.model": "us/model", "scenario.dataset_name": "builtin", "scenario.num_samples": 2, **overrides}
    return config_from_mapping(container_mapping({}, chosen, environment).mapping)


def test_the_container_needs_a_model_and_nothing_else() -> None:
    """PyTorch, and results in ./results."""
    config = container({})
    assert (config.backend.type, config.backend.model, config.output_dir) == ("pytorch", "us/model", Path("results"))


def test_the_environment_counts_before_the_config() -> None:
    """Backend, endpoint and results are the container's."""
    environment = {
        "BENCHMARK_BACKEND": "vllm",
        "VLLM_ENDPOINT": "http://localhost:9/v1",
        "RESULTS_DIR": "/somewhere",
        "HF_TOKEN": "hf_secret",
    }
    mapping = container_mapping(OPTIMUM, {"backend.torch_dtype": None}, environment).mapping
    assert "hf_secret" not in str(mapping)
    backend = mapping["backend"]
    assert isinstance(backend, dict)
    assert (backend["type"], backend["endpoint"], mapping["output_dir"]) == (
        "vllm",
        "http://localhost:9/v1",
        "/somewhere",
    )


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"BENCHMARK_BACKEND": "optimum"}, "optimum runs optimum-benchmark, which is not part of this package"),
        ({"BENCHMARK_BACKEND": "tgi"}, "BENCHMARK_BACKEND is 'tgi'"),
        ({"BENCHMARK_BACKEND": "vllm"}, "requires endpoint"),
    ],
)
def test_a_container_that_cannot_run_says_which_variable(environment: Mapping[str, str], message: str) -> None:
    """With its fix."""
    with pytest.raises(ConfigError) as caught:
        container(environment)
    assert message in caught.value.message
    assert caught.value.remedy


def report(directory: Path, *readings_: Reading, complete: bool = True) -> dict[str, object]:
    found = result([trial(1, *readings_, complete=complete)])
    reporter = AIEnergyScoreReporter.from_settings(ReporterSettings(directory))
    files = reporter.report(found)
    assert all(each.exists() for each in files)
    summary: dict[str, object] = json.loads((directory / "GPU_ENERGY_SUMMARY.json").read_text())
    return summary


def test_the_portal_gets_wh_of_the_gpu_by_phase(tmp_path: Path) -> None:
    """The text file holds the total, the summary its phases, and the report the phases in kWh."""
    summary = report(tmp_path, reading(device=GPU), reading(device=CPU))
    total_wh = float((tmp_path / "GPU_ENERGY_WH.txt").read_text())
    assert total_wh == pytest.approx(summary["total"], rel=1e-5)
    assert total_wh > 0
    phases = [summary[f"{name}_wh"] for name in ("preprocess", "prefill", "decode")]
    assert sum(phases) == pytest.approx(total_wh)  # type: ignore[arg-type] # numbers
    assert (summary["units"], summary["source"]) == ("Wh", "measured")
    document = json.loads((tmp_path / "benchmark_report.json").read_text())
    in_report = [document[name]["energy"]["gpu"] for name in ("preprocess", "prefill", "decode")]
    assert 1000 * sum(in_report) == pytest.approx(total_wh)
    assert document["report"]["energy"]["gpu_energy_wh"] == pytest.approx(total_wh)


def test_the_portal_s_summary_has_an_interval_with_the_gain(tmp_path: Path) -> None:
    """The ± of the total holds the sensor's gain and says so; the smaller one is called repeatability."""
    summary = report(tmp_path, reading(GPU, 3600, 36))
    assert summary["half_width_95_wh"] == pytest.approx((0.01**2 + (1.959964 * 0.05 / 3**0.5) ** 2) ** 0.5)
    assert "±5 % sensor gain" in str(summary["half_width_95_holds"])
    assert summary["repeatability_95_wh"] == pytest.approx(0.01)
    unknown = report(tmp_path, reading(GPU, 3600, 36, meter="zeus"))
    assert "gain is not known" in str(unknown["half_width_95_holds"])
    assert "half_width_95_wh" not in report(tmp_path, reading(GPU, 3600, 3000))


def test_without_a_gpu_there_is_no_score(tmp_path: Path) -> None:
    """No file holds 0 Wh, not even an older one, and the summary says why."""
    (tmp_path / "GPU_ENERGY_WH.txt").write_text("12.3\n")
    summary = report(tmp_path, reading(device=CPU))
    assert not (tmp_path / "GPU_ENERGY_WH.txt").exists()
    assert summary["total"] is None
    assert summary["source"] == "absent"
    assert summary["reason"]
    document = json.loads((tmp_path / "benchmark_report.json").read_text())
    assert "gpu" not in document["decode"]["energy"]


def test_part_of_a_pass_is_no_score(tmp_path: Path) -> None:
    """Interrupted in its first pass, a run has used less than it was asked to."""
    summary = report(tmp_path, reading(device=GPU), complete=False)
    assert not (tmp_path / "GPU_ENERGY_WH.txt").exists()
    assert (summary["total"], summary["reason"]) == (None, "no pass was complete")
