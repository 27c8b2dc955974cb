"""Synthetic prompts for a server: their lengths as the server itself counts them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from ai_energy_benchmarks import BenchmarkRunner, load_config
from ai_energy_benchmarks.errors import BackendError
from tests.servers import Exchange, delta, running, usage
from tests.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token a byte."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1])


def runner(directory: Path, endpoint: str, tokenizer: Path, kind: str = "vllm") -> BenchmarkRunner:
    file = directory / "benchmark.yaml"
    file.write_text(f"""
backend:
  type: {kind}
  model: scripted
  endpoint: {endpoint}
  options: {{tokenizer: {tokenizer}, api: completions}}
scenario:
  dataset_name: synthetic
  num_samples: 5
  dataset_options: {{prompt_tokens: {{mean: 60, sigma: 20, min: 20, max: 100}}, output_tokens: {{mean: 4}}}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, warmup: {{requests: 1}}, trials: 1}}
metrics: {{enabled: false}}
output_dir: {directory / "out"}
""")
    return BenchmarkRunner(load_config(file), reporters=[])


async def counting(exchange: Exchange) -> None:
    """A server whose tokens are bytes, as those of the tiny model are."""
    wanted = exchange.body["max_tokens"]
    assert isinstance(wanted, int)
    await exchange.begin_stream()
    for _ in range(wanted):
        await exchange.event(delta(content="a"))
    await exchange.event(delta(finish_reason="length"))
    await exchange.event(usage(len(str(exchange.body["prompt"]).encode()), wanted))
    await exchange.end_stream()


@pytest.mark.parametrize("tokenizer", ["", "tokenizer.json"])
def test_a_server_gets_prompts_of_the_lengths_asked_for(tmp_path: Path, model: Path, tokenizer: str) -> None:
    """Counted with the tokenizer that the config names, a directory or a file, and confirmed by the server's usage."""
    with running(counting) as server:
        result = runner(tmp_path, server.endpoint, model / tokenizer).measure()
    (trial,) = result.trials
    counted = [each.prompt_tokens for each in trial.completions]
    assert counted == [len(result.prompts[index].encode()) for index in result.prompt_indices]
    assert all(20 <= each <= 100 for each in counted)
    assert len(set(counted)) > 2
    sent = [each.body for each in server.seen if each.method == "POST"]
    assert {(each["max_tokens"], each["min_tokens"]) for each in sent} == {(4, 4)}


def test_a_tokenizer_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With the key and what may stand there."""
    with running(counting) as server, pytest.raises(BackendError, match=r"backend\.options\.tokenizer") as refused:
        runner(tmp_path, server.endpoint, tmp_path / "none").measure()
    assert "a directory with the model's tokenizer files" in str(refused.value.remedy)
