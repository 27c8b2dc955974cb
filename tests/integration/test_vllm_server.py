"""A real vLLM server with the real small model: launched, attached to, and killed in the middle of a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.filler_tokens import filler_prompt_tokens, filler_tokens
from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.backends.server.probe import Server
from ai_energy_benchmarks.backends.server.tokens import local_counter, server_counter
from ai_energy_benchmarks.backends.server.vllm import VllmBackend
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.config.model import BackendConfig, BenchmarkConfig
from ai_energy_benchmarks.domain.prompts import Message, Prompt, Request
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests.functional.commands import PROGRAM
from tests.real_vllm import INTERPRETER

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

pytest.importorskip("transformers", reason="the small model cannot be converted without transformers")

REQUESTS, TOKENS, CONCURRENCY = 8, 16, 4
SHORT: dict[str, object] = {
    "backend.options.python": INTERPRETER,
    "scenario.num_samples": REQUESTS,
    "scenario.generate_kwargs.max_new_tokens": TOKENS,
    "scenario.generate_kwargs.min_new_tokens": TOKENS,
    "protocol.resident_idle_s": 0,
    "protocol.trials": 2,
}


def quickstart(root: Path, output_dir: Path, **more: object) -> BenchmarkConfig:
    """``configs/vllm_quickstart.yaml``, shortened."""
    return load_config(root / "configs" / "vllm_quickstart.yaml", {**SHORT, "output_dir": str(output_dir), **more})


@pytest.fixture(scope="module")
def attached(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendConfig]:
    """A server that runs already, as far as the benchmark can tell."""
    config = quickstart(root, tmp_path_factory.mktemp("attached"))
    settings = BackendSettings(
        config.backend.model, "auto", (0,), None, "text-generation", config.backend.options, True, config.output_dir
    )
    with VllmBackend(settings) as backend:
        address = backend.address
        yield evolve(config.backend, launch=False, endpoint=f"http://{address.authority}/v1")


@pytest.fixture(scope="module")
def result(root: Path, attached: BackendConfig, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkResult:
    """A run against that server."""
    config = evolve(quickstart(root, tmp_path_factory.mktemp("result")), backend=attached)
    return BenchmarkRunner(config, reporters=[]).measure()


def test_tokens_agree_with_the_server_s_own_counters(result: BenchmarkResult) -> None:
    """What the answers and the fillers say is what vLLM's metrics page grew by.

    A filler that is cancelled may have had its prompt computed, and one token, that never reached the client.
    """
    assert [failure.reason for trial in result.trials for failure in trial.failures] == []
    longest_prompt = max(done.prompt_tokens for trial in result.trials for done in trial.completions)
    for trial in result.trials:
        assert trial.output_tokens == REQUESTS * TOKENS
        assert trial.server is not None
        assert trial.server.output_tokens is not None
        assert trial.server.prompt_tokens is not None
        assert 0 <= trial.server.output_tokens - trial.output_tokens - filler_tokens(trial) <= CONCURRENCY
        more_tokens = trial.server.prompt_tokens - trial.prompt_tokens - filler_prompt_tokens(trial)
        assert 0 <= more_tokens <= CONCURRENCY * longest_prompt
        assert trial.server.prefix_cache_hit_tokens in (0, None)


def test_the_client_does_not_stand_in_the_way(result: BenchmarkResult) -> None:
    """The self-check is in the verdict, with as many requests on their way as were asked for."""
    levels = {finding.check: finding.level for finding in result.verdict.findings}
    assert (levels["client CPU"], levels["token counts"], levels["requests"]) == ("PASS", "PASS", "PASS")
    assert {trial.client.concurrency for trial in result.trials if trial.client} == {CONCURRENCY}


def test_the_energy_is_that_of_the_server_s_process_tree(result: BenchmarkResult) -> None:
    """The port's owner is found, and its processor time is the work of the window."""
    assert result.summary.total is not None
    assert result.summary.total.energy_j > 0
    assert result.summary.total.per_output_token_j is not None


def test_the_server_s_tokenizer_counts_what_its_usage_says(result: BenchmarkResult, attached: BackendConfig) -> None:
    """Re-tokenising a prompt through ``/tokenize`` gives the count that the server's usage reports."""
    settings = BackendSettings(attached.model, "auto", (0,), attached.endpoint, "text-generation", attached.options)
    counter = server_counter(Server(OpenAIServerBackend(settings).address), attached.model)
    assert counter is not None
    assert counter.renders
    for each in result.trials[0].completions[:3]:
        prompt = Prompt(0, result.prompts[result.prompt_indices[each.number]])
        assert counter.prompt_tokens(Request(0, prompt, (Message("user", prompt.text),))) == each.prompt_tokens


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_synthetic_prompts_are_exact_by_the_server_s_own_count(
    root: Path, tmp_path: Path, attached: BackendConfig, api: str
) -> None:
    """Its usage says as many tokens as were drawn, and as many more for each chat as the template has."""
    backend = evolve(attached, options=evolve(attached.options, tokenizer=attached.model, api=api))  # type: ignore[type-var] # vLLM's
    scenario = {
        "scenario.dataset_name": "synthetic",
        "scenario.dataset_options": {
            "prompt_tokens": {"mean": 60, "sigma": 20, "min": 20, "max": 100},
            "output_tokens": {"mean": 9, "sigma": 4, "min": 2, "max": 16},
        },
    }
    short = {name: value for name, value in SHORT.items() if "_new_tokens" not in name and "python" not in name}
    file = root / "configs" / "vllm_quickstart.yaml"
    left_out = {"scenario.generate_kwargs.max_new_tokens": 100, "scenario.generate_kwargs.min_new_tokens": None}
    config = load_config(file, {**short, **left_out, **scenario, "output_dir": str(tmp_path), "protocol.trials": 1})
    run = BenchmarkRunner(evolve(config, backend=backend), reporters=[]).measure()
    counter = local_counter(attached.model)
    drawn = [len(counter.tokenizer.encode(run.prompts[index])) for index in run.prompt_indices]
    (trial,) = run.trials
    extra = {each.prompt_tokens - drawn[each.number] for each in trial.completions}
    assert len(trial.completions) == REQUESTS
    assert (extra == {0}) if api == "completions" else (len(extra) == 1 and min(extra) > 0)
    assert len(set(drawn)) > 2
    assert {each.token_source for each in trial.completions} == {"usage"}
    assert all(2 <= each.output_tokens <= 16 for each in trial.completions)
    assert len({each.output_tokens for each in trial.completions}) > 2


def test_a_server_killed_in_a_run_leaves_a_report(root: Path, tmp_path: Path) -> None:
    """The run ends with exit code 1 and a report of what was measured, and no process of the server is left."""
    overrides = {**SHORT, "output_dir": str(tmp_path), "protocol.trials": 50}
    options = [word for name, value in overrides.items() for word in ("-o", f"{name}={value}")]
    command = [*PROGRAM, "run", str(root / "configs" / "vllm_quickstart.yaml"), *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            group = _answering(tmp_path / "server.log", run)
            os.kill(group, signal.SIGKILL)
            out, _ = run.communicate(timeout=120)
        finally:
            run.kill()
    assert run.returncode == 1, out
    [file] = (tmp_path / "runs").glob("*/result.json")
    report = json.loads(file.read_text())
    assert (report["verdict"]["level"], report["ending"]) == ("FAIL", "stopped")
    assert report["summary"]["successful_prompts"] > 0
    assert report["trials"][0]["complete"]
    assert _alive(group) == []


def _answering(log: Path, run: subprocess.Popen[str]) -> int:
    """Wait until the second trial is under way; returns the server's first process, which leads its group."""
    wanted = CONCURRENCY + REQUESTS + 2
    for _ in range(1200):
        assert run.poll() is None, run.stdout.read() if run.stdout else ""
        if log.exists() and log.read_text(errors="replace").count("POST /v1/chat/completions") >= wanted:
            [server] = [child for child in _children(run.pid) if b"vllm" in _command(child)]  # not its watcher
            return server
        time.sleep(0.2)
    pytest.fail("the run did not come to its second trial")


def _command(process_id: int) -> bytes:
    return Path(f"/proc/{process_id}/cmdline").read_bytes()


def _children(process_id: int) -> list[int]:
    """Processes whose parent it is."""
    return [number for number, (_, parent, _) in _processes().items() if parent == process_id]


def _alive(group: int) -> list[int]:
    """Processes of a group that have not ended; those that nobody has waited for yet have."""
    return [number for number, (state, _, own) in _processes().items() if own == group and state != "Z"]


def _processes() -> dict[int, tuple[str, int, int]]:
    """State, parent and group of every process (proc(5))."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            found[int(folder.name)] = (status[0], int(status[1]), int(status[2]))
    return found
