"""Studies over a real tiny model on PyTorch: an engine that stays loaded, and a whole study of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from ai_energy_benchmarks.backends.base import BackendSettings, StaysLoaded
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Prompt, Request
from ai_energy_benchmarks.study.frame import load_frame
from ai_energy_benchmarks.study.manifest import read_manifest
from tests.functional.commands import command
from tests.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1])


def test_an_engine_that_stays_loaded_forgets_only_what_a_run_used(model_directory: Path) -> None:
    """The same weights serve the next run, whose facts name its own parameters alone; then they are released."""
    settings = BackendSettings(str(model_directory), "cpu", (0,), None, "text-generation", PyTorchOptions())
    backend = PyTorchBackend(settings)
    assert isinstance(backend, StaysLoaded)
    backend.stays_loaded = True
    models, used = [], []
    for tokens in (3, 5):
        with backend:
            models.append(backend.model)
            asyncio.run(backend.generate(Batch((Request(0, Prompt(0, "a")),), Generation(max_new_tokens=tokens))))
            used.append(dict(backend.facts().generation))
    assert models[0] is models[1]
    assert [each["max_new_tokens"] for each in used] == [3, 5]
    backend.stays_loaded = False
    with backend:
        pass
    assert backend.model is None


@pytest.mark.heavy
@pytest.mark.parametrize("isolation", ["process", "shared"])
def test_a_study_of_a_real_model(model_directory: Path, tmp_path: Path, isolation: str) -> None:
    """Two batch sizes, two cycles in a Williams order, a report and a frame at the end."""
    (tmp_path / "s.yaml").write_text(
        f"base:\n  backend: {{type: pytorch, model: {model_directory}, device: cpu}}\n"
        "  scenario: {num_samples: 4, generate_kwargs: {max_new_tokens: 6}}\n"
        "  protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}}\n"
        "  metrics: {collectors: [modelled]}\n"
        "sweep: {scenario.input_shapes.batch_size: [1, 2]}\n"
        f"design: {{cycles: 2, order: {'latin_square' if isolation == 'process' else 'shuffle'}}}\n"
        f"execution: {{isolation: {isolation}}}\noutput_dir: study\n"
    )
    done = command("run", "s.yaml", cwd=tmp_path, timeout_s=280)
    assert done.code == 0, done.out + done.err
    assert [each.state for each in read_manifest(tmp_path / "study").attempts] == ["completed"] * 4
    frame = load_frame(tmp_path / "study")
    assert sorted(frame["scenario.input_shapes.batch_size"]) == [1, 1, 2, 2]
    assert all(value > 0 for value in frame["j_per_output_token"])
    assert command("study", "report", "--with-failed", "study", cwd=tmp_path).code == 0
