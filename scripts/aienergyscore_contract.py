"""Drive an installed wheel as AI Energy Score's own scripts do, on a real model and a real vLLM server.

Run it, away from the repository, with the interpreter of an environment that has the wheel with its base dependencies
only, and what that image has beside it (torch, transformers, datasets, omegaconf, pandas):

    PYTHON -I scripts/aienergyscore_contract.py --model DIRECTORY [--endpoint http://localhost:8000/v1 --served NAME]

Prints one line for each thing done; the first that does not hold ends the script. Takes minutes,
most of them the idle periods of the protocol; on a busy machine OMP_NUM_THREADS=1 helps.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Keys that the caller's summariser formats.
NUMBERS = {
    "summary": (
        "total_prompts", "successful_prompts", "failed_prompts", "total_duration_seconds", "avg_latency_seconds",
        "avg_time_to_first_token", "total_tokens", "total_prompt_tokens", "total_completion_tokens",
        "throughput_tokens_per_second",
    ),
    "energy": (
        "energy_wh", "energy_kwh", "gpu_energy_wh", "gpu_energy_kwh", "cpu_energy_wh", "ram_energy_wh",
        "total_energy_wh", "emissions_kg_co2eq", "emissions_g_co2eq", "duration_seconds", "carbon_intensity_g_per_kwh",
    ),
}  # fmt: skip


def prompts_files(directory: Path) -> Iterator[Path]:
    """The same three prompts in each local form."""
    texts = ["Why is the sky blue?", "Name a prime number.", "Say hello."]
    (directory / "p.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in texts))
    (directory / "p.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (directory / "p.json").write_text(json.dumps([{"text": text} for text in texts]))
    (directory / "p.txt").write_text("\n".join(texts) + "\n")
    import pandas  # type: ignore[import-untyped,unused-ignore] # of the image, not ours

    pandas.read_csv(directory / "p.csv").to_json(directory / "q.jsonl", orient="records", lines=True)
    yield from sorted(directory.glob("[pq].*"))


def facade(backend: dict[str, Any], prompts: Path, directory: Path, metrics: str, reasoning: str) -> Any:
    """A config as the wrapper builds it: OmegaConf values, text for booleans."""
    from omegaconf import OmegaConf  # type: ignore[import-not-found,unused-ignore] # the same

    from ai_energy_benchmarks.config.parser import (
        BackendConfig,
        BenchmarkConfig,
        MetricsConfig,
        ReporterConfig,
        ScenarioConfig,
    )

    config = BenchmarkConfig(
        name="contract",
        backend=BackendConfig(device_ids=OmegaConf.create([0]), **backend),
        scenario=ScenarioConfig(
            dataset_name=str(prompts),
            text_column_name="text",
            num_samples=2,
            truncation=True,
            reasoning=reasoning,
            reasoning_params=OmegaConf.create({"enable_thinking": reasoning.lower()}),
            input_shapes={"batch_size": 1},
            generate_kwargs=OmegaConf.create({"max_new_tokens": "8", "min_new_tokens": "8"}),
        ),
        metrics=MetricsConfig(type=metrics, output_dir=str(directory / "emissions"), country_iso_code="USA"),
        reporter=ReporterConfig(type="csv", output_file=str(directory / "benchmark_results.csv")),
        output_dir=str(directory),
    )
    if backend["type"] != "vllm":
        config.backend.endpoint = None
    return config


def drive(config: Any, directory: Path) -> dict[str, Any]:
    """Validate, run, dump, free."""
    from ai_energy_benchmarks.config.parser import ConfigParser
    from ai_energy_benchmarks.runner import BenchmarkRunner

    need(ConfigParser.validate_config(config) is True, "validate_config says True")
    runner = BenchmarkRunner(config)
    need(runner.validate(), "validate() says True; its log says why not")
    document = runner.run()
    (directory / "dumped.json").write_text(json.dumps(document))
    runner.backend._initialize_model()  # type: ignore[attr-defined] # the caller does
    for name in ("model", "tokenizer"):
        delattr(runner.backend, name)
    del runner.backend
    return document


def judge(document: dict[str, Any], directory: Path) -> None:
    """Every key is there and a number; tokens are what was asked for; the table has its row."""
    for block, keys in NUMBERS.items():
        for key in keys:
            value = document[block][key]
            need(
                isinstance(value, (int, float)) and not isinstance(value, bool), f"{block}.{key} is a number: {value!r}"
            )
    summary = document["summary"]
    need(summary["successful_prompts"] == 2, f"both prompts succeed: {summary}")
    need(summary["total_completion_tokens"] == 16, f"16 tokens are counted: {summary}")
    need(summary["avg_time_to_first_token"] > 0, "the first token takes time")
    with (directory / "benchmark_results.csv").open(encoding="utf-8", newline="") as lines:
        need(len(list(csv.DictReader(lines))) >= 1, "the reporter's table has a row")


def both_ways(backend: dict[str, Any], files: list[Path], directory: Path, metrics: str) -> None:
    """Reasoning on and off are different prompts, where the model has a switch."""
    tokens = {}
    for reasoning, file in (("True", files[0]), ("False", files[0])):
        document = drive(facade(backend, file, directory, metrics, reasoning), directory)
        judge(document, directory)
        tokens[reasoning] = document["summary"]["total_prompt_tokens"]
    need(tokens["True"] != tokens["False"], f"on and off send different prompts: {tokens}")
    print(f"ok  {backend['type']}: on and off, {tokens['True']} and {tokens['False']} prompt tokens")


def errors() -> None:
    """The texts that the caller looks for."""
    from ai_energy_benchmarks.config.parser import BackendConfig, BenchmarkConfig, ConfigParser, ScenarioConfig

    wrong = {
        "Invalid backend type": BenchmarkConfig(backend=BackendConfig(type="tgi")),
        "vLLM backend requires endpoint": BenchmarkConfig(backend=BackendConfig(type="vllm", endpoint=None)),
        "num_samples must be": BenchmarkConfig(scenario=ScenarioConfig(num_samples=0)),
    }
    for text, config in wrong.items():
        try:
            ConfigParser.validate_config(config)
        except ValueError as error:
            need(text in str(error), f"{text!r} is in {error}")
        else:
            need(False, f"{text!r} is raised")
    print("ok  error texts")


def registry() -> None:
    """Look-ups of reasoning formats."""
    from ai_energy_benchmarks.formatters.harmony import HarmonyFormatter
    from ai_energy_benchmarks.formatters.registry import FormatterRegistry

    found = FormatterRegistry()
    need(isinstance(found.get_formatter("openai/gpt-oss-120b"), HarmonyFormatter), "gpt-oss is harmony")
    need(found._find_model_config("Qwen/Qwen2.5-7B-Instruct") is not None, "Qwen is known")
    need(found._find_model_config("us/unheard-of") is None, "a stranger is not")
    print("ok  registry")


def need(holds: bool, what: str) -> None:
    """End the script where something does not hold."""
    if not holds:
        raise SystemExit(f"does not hold: {what}")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", required=True, help="a model directory whose name and template have a switch")
    parser.add_argument("--endpoint", help="a vLLM server that serves the same model")
    parser.add_argument("--served", help="its name there")
    parser.add_argument("--metrics", default="codecarbon", help="the meter; what the image has is codecarbon")
    asked = parser.parse_args()
    steps: list[Callable[[], None]] = [errors, registry]
    for step in steps:
        step()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        files = list(prompts_files(directory))
        pytorch = {"type": "pytorch", "model": asked.model, "device": "cpu"}
        both_ways(pytorch, files, directory, asked.metrics)
        if asked.endpoint:
            server = {"type": "vllm", "model": asked.served or asked.model, "endpoint": asked.endpoint}
            both_ways(server, files, directory, asked.metrics)
        from ai_energy_benchmarks.datasets.base import DatasetSettings
        from ai_energy_benchmarks.datasets.local import LocalDataset

        for file in files:
            found = LocalDataset.from_settings(DatasetSettings(str(file), "text")).prompts(9, None)
            need(len(found) == 3, f"{file.name} has three prompts")
        print(f"ok  prompts from {', '.join(file.name for file in files)}")


if __name__ == "__main__":
    main()
