"""The starting points, run: as they stand, but for a tiny model and few short requests.

Most of them run in this process, where PyTorch is imported once.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.main import exit_code
from tests.functional.commands import command

pytest.importorskip("torch", reason="these tests run PyTorch")
pytest.importorskip("transformers", reason="these tests run PyTorch")

# What a config needs that a machine may lack, and why some cannot run with a tiny model on any.
NEEDS = {"codecarbon": "codecarbon", "pytorch_4bit": "bitsandbytes"}
ELSEWHERE = {
    "vllm_quickstart": "starts vLLM; tests/integration/test_vllm_server.py does",
    "server": "needs a server; tests/integration/test_openai_server.py has one",
    "hub_dataset": "needs the hub; tests/unit/test_datasets_huggingface.py has a double of it",
    "reasoning": "a tiny model has no switch; tests/unit/test_formatters_reasoning.py has",
}
# As users start them: one whose meter is a library that keeps threads; tests/functional/test_cli_run.py has others.
OWN_PROCESS = ("codecarbon",)
CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
SHORT = {
    "scenario.num_samples": 2, "scenario.generate_kwargs.max_new_tokens": 4, "protocol.bare_idle_s": 0,
    "protocol.resident_idle_s": 0, "protocol.warmup.requests": 1, "protocol.trials": 1, "output_dir": "out",
    "metrics.output_dir": "emissions",
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a context that the longest synthetic prompt fits into."""
    from tests.tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", end_ids=[1], context_tokens=4096, hidden_size=64)


@pytest.fixture
def folder(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present directory, from which the configs see the files that they name."""
    (tmp_path / "configs").symlink_to(root / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_starting_point_runs(path: Path, model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends well, every request succeeds, and the tokens are counted."""
    if path.stem in ELSEWHERE:
        pytest.skip(ELSEWHERE[path.stem])
    package = NEEDS.get(path.stem)
    if package is not None and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    changes = {**SHORT, "backend.model": str(model)}
    if path.stem == "synthetic":
        changes["scenario.generate_kwargs.min_new_tokens"] = 4
    overrides = [part for key, value in changes.items() for part in ("-o", f"{key}={value}")]
    if path.stem in OWN_PROCESS:
        done = command("run", path, *overrides, cwd=folder, timeout_s=200)
        assert done.code == 0, done.err
    else:
        assert exit_code(["run", str(path), *overrides]) == 0, capsys.readouterr().err
    summary = json.loads((folder / "out" / "result.json").read_text())["summary"]
    assert (summary["successful_prompts"], summary["failed_prompts"]) == (2, 0)
    assert summary["total_completion_tokens"] > 0


def test_every_use_has_a_config() -> None:
    """One each for the quick start, PyTorch, its quantised weights, servers, datasets, meters and reasoning."""
    assert {path.stem for path in CONFIGS} >= {
        *("quickstart", "pytorch", "pytorch_4bit", "pytorch_sampling", "pytorch_local_file", "synthetic"),
        "conversations",
        *("hub_dataset", "vllm_quickstart", "server", "codecarbon", "tokens_only", "reasoning"),
    }
