"""vLLM's own engine in process, on the tiny random model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vllm is not installed in this environment")

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.vllm_offline import VllmOfflineBackend, VllmOfflineOptions
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from tests.tiny_model import save_tiny_model

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def test_a_batch_has_token_ids_times_and_prompt_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row has as many times as tokens, in order, and the prompt tokens of its rendered template."""
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    model = save_tiny_model(tmp_path / "tiny", end_ids=[1], hidden_size=256)  # its CPU kernels need heads of 32 or more
    options = VllmOfflineOptions(dtype="float32", enforce_eager=True, max_model_len=256)
    chosen = BackendSettings(str(model), "auto", (0,), None, "text-generation", options)
    texts = ("a", "hello there", "x" * 60)
    requests = tuple(Request(n, Prompt(n, text), (Message("user", text),)) for n, text in enumerate(texts))
    with VllmOfflineBackend(chosen) as backend:
        outcomes = asyncio.run(backend.generate(Batch(requests, Generation(max_new_tokens=9, min_new_tokens=9))))
        assert "vLLM" in backend.facts().engine
    for text, outcome in zip(texts, outcomes, strict=True):
        assert isinstance(outcome, Completion), outcome
        assert outcome.prompt_tokens == len(f"<|user|>{text}\n<|assistant|>")
        assert outcome.output_tokens == len(outcome.token_times_s) == len(outcome.output_token_ids) == 9
        assert list(outcome.token_times_s) == sorted(outcome.token_times_s)
        assert outcome.finish_reason == "length"
