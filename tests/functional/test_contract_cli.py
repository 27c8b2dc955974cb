"""The commands for AI Energy Score, as its container and its operators start them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.functional.commands import command
from tests.tiny_model import save_tiny_model

QUICK = ("protocol.bare_idle_s=0", "protocol.resident_idle_s=0", "protocol.trials=1", "protocol.warmup.requests=1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of random weights."""
    pytest.importorskip("transformers")
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1])


def test_a_container_without_a_gpu_fails_and_says_why(model: Path, tmp_path: Path) -> None:
    """The run is done and its files are there, but there is no score, and the exit code says so."""
    done = command(
        "aienergyscore", "--config-name", "text_generation", "-n", "2", f"backend.model={model}", "backend.device=cpu",
        "scenario.dataset_name=builtin", "metrics.collectors=[modelled]", *QUICK,
        cwd=tmp_path, RESULTS_DIR=str(tmp_path / "out"), BENCHMARK_BACKEND="pytorch", HF_TOKEN="hf_secret",
    )  # fmt: skip
    assert done.code == 1, done.err
    assert "no GPU energy, so no score" in done.err
    summary = json.loads((tmp_path / "out" / "GPU_ENERGY_SUMMARY.json").read_text())
    assert summary["total"] is None
    report = json.loads((tmp_path / "out" / "benchmark_report.json").read_text())["report"]
    assert report["summary"]["total_completion_tokens"] == 2 * 10
    assert not any("hf_secret" in file.read_text(errors="replace") for file in (tmp_path / "out").iterdir())


def test_optimum_is_refused_by_name(tmp_path: Path) -> None:
    """Exit code 2, before anything is loaded."""
    done = command("aienergyscore", "backend.model=x", cwd=tmp_path, BENCHMARK_BACKEND="optimum")
    assert done.code == 2
    assert "not part of this package" in done.err
