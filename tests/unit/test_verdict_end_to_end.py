"""A whole run on a simulated server: a good one passes, and each fault is in its verdict.

Time is virtual. Everything else is real: the order of the benchmark, the meters' own code around simulated counters,
the edges of windows, the statistics and the checks.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve, field, frozen

from ai_energy_benchmarks.analysis.actions import OTHERWISE
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    GenerateKwargs,
    LoadConfig,
    ProtocolConfig,
    ScenarioConfig,
)
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.domain.verdict import Level
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import VirtualClock
from tests.unit.virtual_gpu import START_S, Fall, Gpu, Kind
from tests.unit.virtual_meters import ENGINE_PID, OTHER_PID, Meters, meters
from tests.unit.virtual_server import Prompts, Script, ScriptedServer

CONFIG = BenchmarkConfig(
    backend=BackendConfig("vllm", "meta-llama/Llama-3.1-8B-Instruct", endpoint="http://127.0.0.1:8000"),
    scenario=ScenarioConfig(num_samples=240, generate_kwargs=GenerateKwargs(max_new_tokens=250)),
    load=LoadConfig(concurrency=16),
)


@frozen
class Host:
    """A server and what is wrong with it; by default nothing is.

    Attributes:
        requests: of one pass.
    """

    gpu: Kind = field(factory=Kind)
    script: Script = field(factory=Script)
    meters: Meters = field(factory=Meters)
    protocol: ProtocolConfig = field(factory=ProtocolConfig)
    requests: int = 96
    concurrency: int = 16

    def run(self, directory: Path) -> BenchmarkResult:
        """The whole benchmark on it; a ``/proc`` is made in the directory."""
        clock, gpu = VirtualClock(START_S), Gpu(self.gpu)
        runner = BenchmarkRunner(
            evolve(
                CONFIG,
                protocol=self.protocol,
                scenario=evolve(CONFIG.scenario, num_samples=self.requests),
                load=LoadConfig(concurrency=self.concurrency),
            ),
            backend=ScriptedServer(clock, gpu, self.script),
            collector=meters(clock, gpu, self.meters, directory / "proc"),
            reporters=[],
            dataset=Prompts(),  # type: ignore[arg-type] # made by hand: no from_settings
            clock=clock,
        )
        return runner.measure()


def levels(result: BenchmarkResult, check: str, component: Component | None) -> set[Level]:
    found = result.verdict.findings
    return {each.level for each in found if (each.check, each.component) == (check, component)}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkResult:
    return Host(requests=400).run(tmp_path_factory.mktemp("good"))


def test_a_well_run_gpu_server_passes(good: BenchmarkResult) -> None:
    """RAPL packages at 150 W at rest, a GPU at its power limit, and vLLM as it comes: nothing to warn of."""
    assert [each for each in good.verdict.findings if each.level in ("WARN", "FAIL")] == []
    assert (good.verdict.headline, good.verdict.level) == ("gpu", "PASS")
    assert good.verdict.levels == {"gpu": "PASS", "cpu": "PASS", "dram": "PASS"}


@pytest.mark.parametrize(("seed", "tick_s"), [(0, 0.1), (1, 0.1), (2, 0.02)])
def test_noise_is_no_fault(seed: int, tick_s: float, tmp_path: Path) -> None:
    """Power readings that scatter by 10 %, and trials that differ by 0.7 %: a good server's are no better."""
    noisy = Host(Kind(noise=0.10, scatter=0.007, seed=seed, tick_s=tick_s), requests=400).run(tmp_path)
    assert [each for each in noisy.verdict.findings if each.level in ("WARN", "FAIL")] == []


def test_its_facts_are_told_without_a_warning(good: BenchmarkResult) -> None:
    """The power limit with its share, the idle share of processors and memory, the template's header in the cache."""
    told = {(each.check, each.component) for each in good.verdict.findings if each.level == "INFO"}
    assert {("throttling", "gpu"), ("idle share", "cpu"), ("idle share", "dram"), ("prefix cache", None)} <= told


def test_its_figure_is_right(good: BenchmarkResult) -> None:
    """Outputs of 250 tokens at 700 W: 0.88 J a token, of the whole pass with its fillers and steady."""
    (gpu,) = (each for each in good.summary.components if each.component == "gpu")
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_j.mean == pytest.approx(
        700 * good.summary.duration_s / good.summary.whole_output_tokens, rel=1e-3
    )
    steady = good.summary.steady
    assert steady is not None
    (gpu,) = (each for each in steady.components if each.component == "gpu")
    assert gpu.per_output_token_j is not None
    assert gpu.per_output_token_j.mean == pytest.approx(700 / steady.output_tokens_per_s, rel=1e-3)


SHORT = ProtocolConfig(trials=2)
COLD = ProtocolConfig(thermal_gate=False)
RISING = Kind(growth_per_minute=0.02)
OTHER_PROCESS = frozenset({ENGINE_PID, OTHER_PID})
# What is wrong: the host, and the check with its component and level that must say so.
FAULTS: dict[str, tuple[Host, str, Component | None, Level]] = {
    "no GPU is visible": (Host(meters=Meters(gpus=())), "energy", "gpu", "FAIL"),
    "no GPU is visible, and none is named": (
        Host(meters=Meters(gpus=()), script=Script(board_ids=None)),
        "energy",
        "gpu",
        "FAIL",
    ),
    "the server's GPU is elsewhere": (Host(meters=Meters(gpus=("rests",))), "counted GPU idle", "gpu", "FAIL"),
    "the other GPU works": (Host(meters=Meters(gpus=("rests", "works"))), "uncounted GPU worked", "gpu", "FAIL"),
    "two trials": (Host(protocol=SHORT), "protocol", None, "WARN"),
    "the RAPL counter is reset": (Host(meters=Meters(reset_s=START_S + 300)), "energy", "cpu", "FAIL"),
    "power falls slowly": (Host(Kind(fall=Fall.exponential(0.1))), "window edges", "gpu", "WARN"),
    "power falls very slowly": (Host(Kind(fall=Fall.exponential(0.5))), "window edges", "gpu", "FAIL"),
    "the counter is late": (Host(Kind(delay_s=0.15)), "window edges", "gpu", "WARN"),
    "the counter is very late": (Host(Kind(delay_s=0.3)), "window edges", "gpu", "WARN"),
    "a window of 0.07 s": (Host(script=Script(lambda _: 2), requests=16), "window resolved", "gpu", "FAIL"),
    "the GPU's power keeps rising": (Host(RISING), "trend", "gpu", "WARN"),
    "the thermal gate never opens": (Host(RISING), "thermal gate", "gpu", "WARN"),
    "the trials begin cold": (Host(Kind(warming_s=90.0), protocol=COLD), "temperature", "gpu", "WARN"),
    "a thermal brake": (Host(Kind(throttle_reasons=0x44)), "throttling", "gpu", "FAIL"),
    "another process on the GPU": (Host(meters=Meters(processes=OTHER_PROCESS)), "foreign process", "gpu", "FAIL"),
    "the server counts other tokens": (Host(script=Script(counted=1.05)), "token counts", None, "FAIL"),
    "half of each prompt is cached": (Host(script=Script(cached_tokens=75)), "prefix cache", None, "FAIL"),
    "fewer requests than should be in flight": (Host(requests=12), "steady state", None, "FAIL"),
    "a pass of six times the requests in flight": (Host(), "steady state", None, "WARN"),
    "the server runs half of what is sent": (Host(script=Script(slots=7)), "server load", None, "FAIL"),
    "the server runs seven eighths of what is sent": (Host(script=Script(slots=14)), "server load", None, "WARN"),
    "the server goes on with cancelled requests": (Host(script=Script(goes_on=True)), "server stopped", None, "FAIL"),
    "two of 96 requests fail": (Host(script=Script(failing=2)), "requests", None, "FAIL"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_in_the_verdict(fault: str, tmp_path: Path) -> None:
    """By its own check, at the component that it spoils; of the run as a whole where it spoils all.

    What makes the edges of windows doubtful widens their bounds until they hold the truth.
    """
    host, check, component, level = FAULTS[fault]
    result = host.run(tmp_path)
    for finding in result.verdict.findings:
        if finding.level in ("WARN", "FAIL"):
            assert "fix: " in finding.message, finding
            assert OTHERWISE not in finding.message, finding
    assert level in levels(result, check, component), result.verdict.findings
    spoiled = component or result.verdict.headline
    assert spoiled is not None
    assert result.verdict.levels[spoiled] == level, result.verdict.findings
    if check == "window edges":
        (gpu,) = (each for each in result.summary.components if each.component == "gpu")
        assert gpu.bounds_j.low <= host.gpu.work_w * result.summary.duration_s <= gpu.bounds_j.high


def test_a_fault_of_the_processors_counter_leaves_the_gpu_alone(tmp_path: Path) -> None:
    """The headline passes; the report lists the CPU's failure next to it."""
    result = Host(meters=Meters(reset_s=START_S + 300), requests=400).run(tmp_path)
    assert (result.verdict.level, result.verdict.levels["cpu"]) == ("PASS", "FAIL")
