"""A cycle of the study over two engines and two batch sizes, on a real Ray of two nodes and on a real Slurm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch", reason="PyTorch is one of the engines")
pytest.importorskip("transformers", reason="the tiny model cannot be made without transformers")

from ai_energy_benchmarks.study.cells import read_cells
from ai_energy_benchmarks.study.locks import DIRECTORY_VARIABLE
from ai_energy_benchmarks.study.manifest import read_manifest
from tests.real_ray import real_ray
from tests.real_ray import why_not as no_ray
from tests.real_slurm import real_slurm
from tests.real_slurm import why_not as no_slurm
from tests.two_engines import PROGRAM, write_study
from tests.unit.test_runners import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600)]


@contextmanager
def ray(place: Path) -> Iterator[dict[str, str]]:
    with real_ray(place) as cluster:
        yield cluster.environment


@pytest.mark.parametrize(
    ("execution", "started", "why_not"),
    [
        pytest.param({"executor": "ray"}, ray, no_ray(), id="ray"),
        pytest.param(
            {"executor": "slurm", "slurm": {"time_limit_s": 3000, "poll_s": 2}}, real_slurm,
            no_slurm() or ("" if find_spec("submitit") else "submitit is not installed"), id="slurm",
        ),
    ],
)  # fmt: skip
def test_a_cycle_of_two_engines_completes_there(
    tmp_path: Path, execution: dict[str, object], started: Callable[[Path], Iterator[dict[str, str]]], why_not: str
) -> None:
    """The same cells as on this machine, each engine in its own environment, and an answer."""
    if why_not:
        pytest.skip(why_not)
    file, results = write_study(tmp_path), tmp_path / "results"
    study = yaml.safe_load(file.read_text())
    study["base"]["metrics"] = {"collectors": ["modelled"]}
    study["design"] = {"cycles": 1}
    study["sweep"]["vllm_offline"]["of vLLM"][0]["backend.options.max_model_len"] = 256  # what the tiny model has
    study["execution"] |= execution
    file.write_text(yaml.safe_dump(study))
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "PYTHONPATH": ROOT, DIRECTORY_VARIABLE: str(tmp_path)}
    with started(tmp_path / "cluster") as further:  # type: ignore[attr-defined] # a context manager
        done = subprocess.run(
            [*PROGRAM, "run", str(file)], env=environment | further, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = read_manifest(results)
    assert {(each.cell, each.cycle, each.state) for each in manifest.attempts} == {
        (cell.id, 1, "completed") for cell in read_cells(results)
    }
    assert len(manifest.attempts) == 4
    assert {each.runner["kind"] for each in manifest.attempts} == {"process", "venv"}
    assert len({each.host for each in manifest.attempts}) == 1
