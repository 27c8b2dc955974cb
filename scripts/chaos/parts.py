"""The kinds of runs that are killed, each so small that it is killed anywhere between its start and its end."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from attrs import frozen

_HERE = Path(__file__).parent
TRIALS = 6
REQUESTS = 4
WARMUP = 1
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
        name: of it.
        counted: whether its requests reach a server that counts them.
        models: how many runs it makes, one after the other.
        modules: what takes long to import and is imported before it is started.
    """

    name: str
    counted: bool = True
    models: int = 1
    modules: tuple[str, ...] = ()


_TRANSFORMERS = (
    "torch", "transformers", "transformers.modeling_utils", "transformers.modeling_layers",
    "transformers.models.llama.modeling_llama", "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto", "transformers.generation", "transformers.activations",
    "ai_energy_benchmarks.backends.pytorch.backend",
)  # fmt: skip
KINDS = (
    Kind("server"),
    Kind("launched"),
    Kind("batch", models=2),
    Kind("pytorch", counted=False, modules=_TRANSFORMERS),
)


def configure(kind: Kind, directory: Path, port: int, *, trials: int) -> list[str]:
    """Write what the run needs; returns its command line. Its results go to ``out`` in the directory."""
    out = directory / "out"
    if kind.name == "batch":
        return _batch(directory, port, trials)
    backend = {
        "server": f"type: openai, model: m, endpoint: 'http://127.0.0.1:{port}/v1'",
        "launched": f"type: vllm, model: {_model_files(directory)}, device: cpu, launch: true, "
        f"options: {{python: {_program(directory)}}}",
        "pytorch": f"type: pytorch, model: {directory / 'tiny'}, device: cpu, options: {{threads: 1}}",
    }[kind.name]
    if kind.name == "pytorch":
        _tiny_model(directory / "tiny")
    file = directory / "b.yaml"
    file.write_text(_CONFIG.format(backend=backend, requests=REQUESTS, trials=trials, out=out))
    return ["run", str(file), "--log-file", str(directory / "log")]


def _batch(directory: Path, port: int, trials: int) -> list[str]:
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
    return ["batch", "models.csv", "--output-dir", "out", "--backend", "openai", "-n", str(REQUESTS), *options]


def _model_files(directory: Path) -> Path:
    model = directory / "model"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"\0" * 64)
    return model


def _program(directory: Path) -> Path:
    """In the place of an interpreter that has vLLM."""
    program = directory / "python"
    # The package starts servers with PYTHONSAFEPATH, so that what stands next to the script has to be named.
    program.write_text(f'#!/bin/sh\nPYTHONPATH={_HERE} exec {sys.executable} {_HERE / "server.py"} "$@"\n')
    program.chmod(0o755)
    return program


def _tiny_model(directory: Path) -> None:
    """A copy of one that is made once, since making it takes longer than all the rest."""
    once = directory.parents[2] / "tiny"
    if not once.exists():
        sys.path.insert(0, str(_HERE.parents[1]))
        from tests.tiny_model import save_tiny_model

        save_tiny_model(once, end_ids=[1])
    if not directory.exists():
        shutil.copytree(once, directory)
