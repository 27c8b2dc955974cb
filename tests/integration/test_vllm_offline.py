"""vLLM's own engine in process, on the tiny random model: a whole run in the environment that has vLLM."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import polars
import pytest

pytest.importorskip("transformers", reason="the tiny model cannot be made without transformers")

from tests.real_vllm import INTERPRETER
from tests.tiny_model import save_tiny_model

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def test_a_run_has_token_ids_times_and_prompt_counts(tmp_path: Path, root: Path) -> None:
    """Every row has as many times as tokens, in order, and the prompt tokens of its rendered template."""
    model = save_tiny_model(tmp_path / "tiny", end_ids=[1], hidden_size=256)  # its CPU kernels need heads of 32 or more
    texts = ("a", "hello there", "x" * 60)
    (tmp_path / "prompts.txt").write_text("\n".join(texts) + "\n")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"backend:\n  type: vllm_offline\n  model: '{model}'\n"
        "  options: {dtype: float32, enforce_eager: true, max_model_len: 256}\n"
        f"scenario:\n  dataset_name: '{tmp_path / 'prompts.txt'}'\n  num_samples: 3\n"
        "  input_shapes: {batch_size: 3}\n  generate_kwargs: {max_new_tokens: 9, min_new_tokens: 9}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 1}\n"
        f"output_dir: '{tmp_path / 'out'}'\n"
    )
    done = subprocess.run(
        [INTERPRETER, "-m", "ai_energy_benchmarks", "run", str(config)],
        cwd=root,
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads((tmp_path / "out" / "result.json").read_text())
    assert "vLLM" in report["backend_info"]["engine"]
    rows = polars.read_parquet(tmp_path / "out" / "requests.parquet").sort("number")
    assert rows["prompt_tokens"].to_list() == [len(f"<|user|>{text}\n<|assistant|>") for text in texts]
    assert rows["output_tokens"].to_list() == [9, 9, 9]
    assert set(rows["finish_reason"]) == {"length"}
    assert set(rows["token_source"]) == {"token_ids"}
    for times_s in rows["token_times_s"].to_list():
        assert len(times_s) == 9
        assert times_s == sorted(times_s)
