"""Datasets from a YAML file to the report document, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from ai_energy_benchmarks import BenchmarkRunner, load_config
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.errors import BackendError, BenchmarkError, ConfigError, DatasetError
from ai_energy_benchmarks.results.document.report import report_document
from tests.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token a byte, without a chat template, and with early end tokens."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1, *range(100, 140)], chat=False)


def runner(directory: Path, model: Path, scenario: str, **overrides: object) -> BenchmarkRunner:
    """From YAML text, as a user writes it; tokens and times only."""
    file = directory / "benchmark.yaml"
    file.write_text(f"""
backend: {{type: pytorch, model: {model}, device: cpu}}
scenario: {scenario}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, warmup: {{requests: 1}}, trials: 1}}
metrics: {{enabled: false}}
output_dir: {directory / "out"}
""")
    return BenchmarkRunner(load_config(file, overrides), reporters=[])


def completions(result: BenchmarkResult) -> list[Completion]:
    """Those of the only trial, all of which succeeded."""
    (trial,) = result.trials
    done = [each for each in trial.outcomes if isinstance(each, Completion)]
    assert len(done) == len(trial.outcomes)
    return done


def document(result: BenchmarkResult) -> dict[str, Any]:
    """The report document as it is after writing and reading."""
    plain: dict[str, Any] = json.loads(json.dumps(report_document(result), allow_nan=False))
    return plain


SYNTHETIC = (
    "{dataset_name: synthetic, num_samples: 6, dataset_options: "
    "{prompt_tokens: {mean: 60, sigma: 20, min: 20, max: 100}, output_tokens: {mean: 9, sigma: 4, min: 2, max: 16}}}"
)


def test_synthetic_prompts_and_outputs_have_the_lengths_asked_for(tmp_path: Path, model: Path) -> None:
    """The model sees exactly as many tokens as were drawn, and generates exactly as many, whatever ends it early."""
    result = runner(tmp_path, model, SYNTHETIC).measure()
    done = completions(result)
    prompts, outputs = [each.prompt_tokens for each in done], [each.output_tokens for each in done]
    assert prompts == [len(result.prompts[index]) for index in result.prompt_indices]
    assert min(prompts) >= 20
    assert max(prompts) <= 100
    assert min(outputs) >= 2
    assert max(outputs) <= 16
    assert len(set(prompts)) > 2
    assert len(set(outputs)) > 2
    assert {each.finish_reason for each in done} == {"length"}


def test_what_was_asked_of_the_data_set_is_in_the_document(tmp_path: Path, model: Path) -> None:
    """Options by their dotted names with defaults, how prompts were taken, and the hash; the lengths count in it."""
    block = document(runner(tmp_path, model, SYNTHETIC).measure())["config"]
    assert block["sampling"] == "first"
    assert block["dataset_options"]["prompt_tokens.sigma"] == 20
    assert block["dataset_options"]["output_tokens.max"] == 16
    assert block["dataset_options"]["prefixes"] == 1
    other = document(runner(tmp_path, model, SYNTHETIC.replace("mean: 9", "mean: 10")).measure())["config"]
    assert len(block["dataset_sha256"]) == 64
    assert block["dataset_sha256"] != other["dataset_sha256"]


def test_one_length_of_output_works_in_batches(tmp_path: Path, model: Path) -> None:
    """Without a spread all rows of a batch end together, so any batch size will do."""
    scenario = (
        "{dataset_name: synthetic, num_samples: 4, input_shapes: {batch_size: 3}, "
        "dataset_options: {prompt_tokens: {mean: 30}, output_tokens: {mean: 7}}}"
    )
    assert [each.output_tokens for each in completions(runner(tmp_path, model, scenario).measure())] == [7] * 4


@pytest.mark.parametrize("sampling", ["first", "random", "stratified"])
def test_sampling_takes_other_prompts(tmp_path: Path, model: Path, sampling: str) -> None:
    """Only ``first`` takes them in order; each keeps its index, and the seed makes it the same again."""
    (tmp_path / "prompts.txt").write_text("".join(f"{'word ' * number}\n" for number in range(1, 31)))
    scenario = (
        f"{{dataset_name: {tmp_path / 'prompts.txt'}, num_samples: 10, sampling: {sampling}, "
        "generate_kwargs: {max_new_tokens: 1}}"
    )
    first, again = (runner(tmp_path, model, scenario).measure() for _ in range(2))
    taken = list(first.prompt_indices)
    assert taken == list(again.prompt_indices)
    assert (taken == list(range(10))) == (sampling == "first")
    tenths = {index // 3 for index in taken}
    assert (len(tenths) == 10) == (sampling == "stratified")
    assert document(first)["config"]["sampling"] == sampling


@pytest.mark.parametrize(
    ("overrides", "kind", "words"),
    [
        ({"scenario.dataset_options.prompt_tokens.mean": 0}, ConfigError, r"dataset_options\.prompt_tokens: .*mean"),
        ({"scenario.dataset_options.split": "test"}, ConfigError, r"dataset_options\.split: is not a key"),
        ({"scenario.sampling": "random"}, DatasetError, "no end"),
        ({"scenario.generate_kwargs.max_new_tokens": 5}, DatasetError, "max_new_tokens has no effect"),
        ({"scenario.generate_kwargs.stop_strings": ["x"]}, DatasetError, "stop_strings has no effect"),
        ({"scenario.input_shapes.batch_size": 2}, DatasetError, "different lengths"),
        (
            {"backend": {"type": "openai", "endpoint": "http://localhost:1/v1", "model": "m"}},
            DatasetError,
            r"(?s)does not hand its own out.*backend\.options\.tokenizer",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_loading(
    tmp_path: Path, model: Path, overrides: dict[str, object], kind: type[BenchmarkError], words: str
) -> None:
    """Unknown options, and those that contradict something else, are named."""
    with pytest.raises(kind, match=words):
        runner(tmp_path, model, SYNTHETIC, **overrides).check()


def test_a_server_that_cannot_fix_lengths_is_refused(tmp_path: Path, model: Path) -> None:
    """A plain OpenAI server has no ``min_new_tokens``, and that is said of the dataset's option."""
    from ai_energy_benchmarks.datasets.base import DatasetSettings
    from ai_energy_benchmarks.datasets.builtin import BuiltinDataset
    from ai_energy_benchmarks.domain.prompts import Prompt, Tokenizer

    class WithLengths(BuiltinDataset):
        """The built-in prompts, each with a length of output."""

        def prompts(self, count: int, tokenizer: Tokenizer | None) -> tuple[Prompt, ...]:
            return tuple(Prompt(each.index, each.text, 5) for each in super().prompts(count, tokenizer))

    server = {"type": "openai", "endpoint": "http://localhost:1/v1", "model": "m"}
    made = runner(tmp_path, model, "{num_samples: 2}", backend=server)
    dataset = WithLengths(DatasetSettings("builtin", "text"))
    with pytest.raises(BackendError, match=r"decides the length(?s:.*)min_new_tokens"):
        BenchmarkRunner(made.config, dataset=dataset, reporters=[]).check()
