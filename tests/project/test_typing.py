"""The package as a typed library: a user's file under mypy and pyright, and a list of public names that is true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ai_energy_benchmarks

USER = """
from collections.abc import Mapping
from pathlib import Path

import polars

from ai_energy_benchmarks import (
    BenchmarkConfig, BenchmarkError, BenchmarkResult, BenchmarkRunner, compare_results, create_benchmark, load_config,
    load_frame, load_results, open_result, open_study,
)


def energies(config: Path) -> Mapping[str, float]:
    runner: BenchmarkRunner = create_benchmark(config, overrides={"protocol.trials": 3}, progress=print)
    if not runner.validate():
        raise SystemExit(1)
    result: BenchmarkResult = runner.measure()
    return {component.component: component.energy_j for component in result.summary.components}


def frames(directory: Path) -> list[polars.DataFrame]:
    shown = open_result(directory)
    shown.plot("power").save(directory / "power.svg")
    return [shown.requests, shown.samples, shown.trials, open_study(directory).frame, load_frame(directory)]


def ratio(first: Path, second: Path) -> float:
    return compare_results(first, [second], limit=0.05).comparison.quotient.best


try:
    loaded: BenchmarkConfig = load_config("config.yaml")
except BenchmarkError as error:
    print(error)
names: list[str] = [document["name"] for document in load_results("results")]
"""
WRONG = """
from ai_energy_benchmarks import create_benchmark, open_result

create_benchmark(7)
open_result("results").rows
"""


def mypy(text: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of a user's file, with the package found as an installed one is."""
    file = directory / "user.py"
    file.write_text(text)
    root = Path(ai_energy_benchmarks.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", f"--cache-dir={directory}", str(file)],
        cwd=directory,
        env={"MYPYPATH": str(root), "PATH": "", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_users_file_is_typed(tmp_path: Path) -> None:
    """Strict checking of a program that uses every public function passes, and sees its mistakes."""
    good = mypy(USER, tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    wrong = mypy(WRONG, tmp_path)
    assert 'incompatible type "int"' in wrong.stdout
    assert 'has no attribute "rows"' in wrong.stdout


def pyright(text: str, directory: Path, program: Path) -> list[str]:
    """The errors that pyright's strict mode finds in a user's file."""
    (directory / "user.py").write_text(text)
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(Path(ai_energy_benchmarks.__file__).parents[1])]}
    (directory / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [program, "--pythonpath", sys.executable, "--outputjson", "user.py"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == 1, done.stdout
    return [finding["message"] for finding in found["generalDiagnostics"] if finding["severity"] == "error"]


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_users_file_is_typed_for_pyright_too(tmp_path: Path) -> None:
    """The same program in pyright's strict mode, which editors run."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    # It brings Node.js along; where neither can be downloaded nothing can be checked.
    install = [python, "-m", "pip", "install", "-q", "pyright[nodejs]==1.1.414"]
    program = tmp_path / "venv/bin/pyright"
    for command in (install, [program, "--version"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"pyright cannot be installed here: {(done.stderr or done.stdout).strip()[-200:]}")
    assert pyright(USER, tmp_path, program) == []
    wrong = "\n".join(pyright(WRONG, tmp_path, program))
    assert 'parameter "config_path"' in wrong
    assert 'Cannot access attribute "rows"' in wrong


def test_the_list_of_public_names_is_true() -> None:
    """Every name of ``__all__`` can be imported, is sorted in, says what it is, and ``dir`` shows it."""
    names = ai_energy_benchmarks.__all__
    assert sorted(names) == names
    assert dir(ai_energy_benchmarks) == names
    for name in names:
        assert getattr(ai_energy_benchmarks, name)
    undocumented = [name for name in names if name != "__version__" and not getattr(ai_energy_benchmarks, name).__doc__]
    assert undocumented == []
    assert set(ai_energy_benchmarks._HOMES) == {name for name in names if name != "__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ai_energy_benchmarks.nothing
