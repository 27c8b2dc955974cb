"""The composite action: its metadata, and its step run as a runner of GitHub would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.functional.test_cli_compare import write


@pytest.fixture
def action(root: Path) -> Path:
    return root / "action"


def step(action: Path, directory: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the step with inputs in its environment, and the files of a runner in a directory."""
    defaults = {"FAIL_ABOVE": "5%", "FIGURE": "j_per_output_token", "COMPONENT": "", "ALLOW": ""}
    files = {name: str(directory / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    environment = os.environ | defaults | files | {"RUNNER_TEMP": str(directory)} | inputs
    return subprocess.run(
        [sys.executable, action / "gate.py"], env=environment, capture_output=True, text=True, check=False
    )


def test_the_gate_fails_on_a_regression_and_says_so(action: Path, tmp_path: Path) -> None:
    """The exit code is the command's; outputs and the summary hold the decision and the ratio."""
    first, second = write(tmp_path / "a", 1.0), write(tmp_path / "b", 1.1)
    done = step(action, tmp_path, BASELINE=f"{first}\n\n", CANDIDATE=str(second))
    assert done.returncode == 4, done.stderr
    outputs = dict(line.split("=", 1) for line in (tmp_path / "GITHUB_OUTPUT").read_text().splitlines())
    assert outputs["decision"] == "regression"
    assert float(outputs["low"]) < float(outputs["ratio"]) < float(outputs["high"])
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert summary == Path(outputs["comment"]).read_text() + "\n"
    assert summary.startswith("### ❌ REGRESSION: B is more than 5% worse")


def test_an_inconclusive_gate_may_pass_if_told(action: Path, tmp_path: Path) -> None:
    """By default what is not shown to be fine fails."""
    first, second = write(tmp_path / "a", 1.0), write(tmp_path / "b", 1.1)
    inputs = {"BASELINE": str(first), "CANDIDATE": str(second), "FAIL_ABOVE": "10%"}
    assert step(action, tmp_path, **inputs).returncode == 5
    assert step(action, tmp_path, **inputs, FAIL_INCONCLUSIVE="false").returncode == 0


def test_what_cannot_be_compared_fails(action: Path, tmp_path: Path) -> None:
    """A path that is not there, also one that looks like an option."""
    first = write(tmp_path / "a", 1.0)
    done = step(action, tmp_path, BASELINE=str(first), CANDIDATE="--help")
    assert done.returncode == 2
    assert "there is no --help" in done.stderr
    assert "cannot be compared" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_the_metadata_matches_the_step(action: Path) -> None:
    """Every input reaches the step through its environment and no command; every output is one that the step writes."""
    metadata = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
    script = (action / "gate.py").read_text(encoding="utf-8")
    steps = metadata["runs"]["steps"]
    assert metadata["runs"]["using"] == "composite"
    assert all("${{" not in each["run"] and each["shell"] == "bash" for each in steps)
    environment = steps[-1]["env"]
    for name, of in metadata["inputs"].items():
        assert of["description"], name
        variable = name.upper().replace("-", "_")
        assert environment[variable] == f"${{{{ inputs.{name} }}}}"
        assert f'"{variable}"' in script or f"'{variable}'" in script, name
    assert len(environment) == len(metadata["inputs"])
    for name, of in metadata["outputs"].items():
        assert of["value"] == f"${{{{ steps.gate.outputs.{name} }}}}"
        assert re.search(rf'"{name}"', script), name
