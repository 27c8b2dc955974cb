"""The kinds of runs that are killed, each so small that it is killed anywhere between its start and its end."""

from __future__ import annotations

import sys
from pathlib import Path

from attrs import frozen

_HERE = Path(__file__).parent
_MODELS = "link,downloads,class,task,reasoning_state,chat_template\n"
_CONFIG = """
backend: {{{backend}}}
scenario: {{num_samples: {requests}, repeat: true, generate_kwargs: {{max_new_tokens: 3}}}}
protocol: {{bare_idle_s: 0, resident_idle_s: 0, thermal_gate: false, warmup: {{requests: 1}}, trials: {trials}}}
metrics: {{enabled: false}}
output_dir: {out}
"""


@frozen
class Kind:
    """One kind.

    Attributes:
        longest_s: the latest instant of a kill after the start.
        many: trials of a run that is killed; more than it has time for.
        requests: of one trial.
        counted: whether the requests are those of our own server, which counts its answers.
    """

    name: str
    longest_s: float
    many: int = 100_000
    requests: int = 4
    warmup: int = 1
    counted: bool = False


KINDS = (
    Kind("server", 3.0, counted=True),
    Kind("launched", 5.0),
    Kind("batch", 5.0, counted=True),
    Kind("pytorch", 9.0),
)


def configure(kind: Kind, directory: Path, port: int, *, trials: int) -> tuple[list[str], Path]:
    """Write what the run needs; returns its command line and where its results go."""
    out = directory / "out"
    if kind.name == "batch":
        return _batch(kind, directory, port, trials), out
    backend = {
        "server": f"type: openai, model: m, endpoint: 'http://127.0.0.1:{port}/v1'",
        "launched": f"type: vllm, model: {_model_files(directory)}, device: cpu, launch: true, "
        f"options: {{python: {_program(directory)}}}",
        "pytorch": f"type: pytorch, model: {directory / 'tiny'}, device: cpu",
    }[kind.name]
    if kind.name == "pytorch":
        _tiny_model(directory / "tiny")
    file = directory / "b.yaml"
    file.write_text(_CONFIG.format(backend=backend, requests=kind.requests, trials=trials, out=out))
    return ["run", str(file)], out


def _batch(kind: Kind, directory: Path, port: int, trials: int) -> list[str]:
    """Two models, so that the kill may fall between them."""
    sys.path.insert(0, str(_HERE.parents[1]))
    from tests.unit.test_contract_batch import HEADER

    (directory / "models.csv").write_text(f"{HEADER},org/a,1,A,text_gen,,\n,org/b,1,A,text_gen,,\n")
    changes = {
        "backend.endpoint": f"http://127.0.0.1:{port}/v1", "metrics.enabled": "false", "protocol.trials": trials,
        "scenario.dataset_name": "builtin", "scenario.repeat": "true", "protocol.bare_idle_s": "0",
        "protocol.resident_idle_s": "0", "protocol.warmup.requests": "1", "scenario.generate_kwargs.max_new_tokens": 3,
    }  # fmt: skip
    options = [word for name, value in changes.items() for word in ("-o", f"{name}={value}")]
    return ["batch", "models.csv", "--output-dir", "out", "--backend", "openai", "-n", str(kind.requests), *options]


def _model_files(directory: Path) -> Path:
    model = directory / "model"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"\0" * 64)
    return model


def _program(directory: Path) -> Path:
    """In the place of an interpreter that has vLLM."""
    program = directory / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {_HERE / "server.py"} "$@"\n')
    program.chmod(0o755)
    return program


def _tiny_model(directory: Path) -> None:
    if not directory.exists():
        sys.path.insert(0, str(_HERE.parents[1]))
        from tests.tiny_model import save_tiny_model

        save_tiny_model(directory, end_ids=[1])
