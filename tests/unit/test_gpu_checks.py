"""Which GPUs worked, which count by that, and what the verdict says of those that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.gpu_checks import gpu_findings
from ai_energy_benchmarks.analysis.gpu_decision import decide
from ai_energy_benchmarks.analysis.gpu_use import gpu_uses
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.gpu_choice import GpuBasis, GpuChoice
from ai_energy_benchmarks.domain.power import Device, Samples
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.results.judging import judged, required_components, uses_gpu
from tests.factories import CPU, ENVIRONMENT, reading, series, step, trial

A, B = Device("gpu", "GPU-A", "A"), Device("gpu", "GPU-B", "B")
UNKNOWN = GpuChoice("unknown", why="the driver lists no processes", by_activity=True)
LIMIT = tuple(series(each, "power_limit_w", (0.0, 200.0), (700.0, 700.0)) for each in (A, B))


def run(
    powers_w: Sequence[tuple[float, float]],
    *,
    counted: Sequence[Device] = (),
    choice: GpuChoice | None = UNKNOWN,
    rest_w: tuple[float, float] | None = (140.0, 140.0),
    hot_w: tuple[float, float] = (140.0, 140.0),
) -> tuple[list[Trial], list[Step]]:
    """Trials of 10 s with the powers of GPUs A and B in each, and the rests around them."""

    def marked(window, watts):  # type: ignore[no-untyped-def] # a trial or a step
        absent = {"gpu": "which GPUs the engine uses is not known"} if choice is UNKNOWN else {}
        readings = tuple(
            reading(each, 10 * power_w, 1.0, counted=each in counted)
            for each, power_w in zip((A, B), watts, strict=True)
        )
        return evolve(
            window, measurement=evolve(window.measurement, readings=readings, absent=absent, gpu_choice=choice)
        )

    trials = [marked(trial(i), watts) for i, watts in enumerate(powers_w, start=1)]
    steps = [] if rest_w is None else [marked(step("resident idle", start_s=0.0), rest_w)]
    steps += [] if rest_w is None else [marked(step("hot idle", start_s=150.0), hot_w)]
    return trials, steps


@pytest.mark.parametrize(
    ("powers_w", "hot_w", "counted"),
    [
        ([(140, 650), (140, 640), (141, 650)], (140, 140), {"GPU-B"}),
        ([(650, 650), (640, 640)], (140, 140), {"GPU-A", "GPU-B"}),
        ([(140, 650)], (140, 150), {"GPU-B"}),
        ([(140, 650), (140, 140), (140, 140)], (140, 140), set()),
        ([(140, 190), (140, 190)], (140, 140), set()),
        ([(140, 650), (140, 640)], (140, 600), set()),
        ([(140, 140), (140, 140)], (140, 140), set()),
    ],
    ids=["one", "both", "one trial", "in one of three trials", "too little", "goes on afterwards", "none"],
)
def test_what_worked_and_rested_counts(
    powers_w: Sequence[tuple[float, float]], hot_w: tuple[float, float], counted: set[str]
) -> None:
    """In two trials at least, by a tenth of what is left to the limit, and not after them too."""
    decided = decide(*run(powers_w, hot_w=hot_w), Samples(LIMIT))
    for each in (*decided.trials, *decided.steps):
        assert each.measurement is not None
        assert {one.device.id for one in each.measurement.readings if one.counted} == counted
        assert each.measurement.gpu_choice is not None
        assert each.measurement.gpu_choice.basis == ("activity" if counted else "unknown")
    for each in decided.trials:
        assert each.measurement is not None
        assert ("gpu" in each.measurement.absent) is not bool(counted)
    assert [each.level for each in decided.findings] == ["WARN"] * bool(counted)
    if not counted:
        assert decided.trials[0].measurement is not None
        assert "no GPU worked in the trials and rested before" in decided.trials[0].measurement.absent["gpu"]


def test_without_a_rest_activity_shows_nothing() -> None:
    """A GPU that worked in the trials may have worked for others all the time."""
    decided = decide(*run([(140, 650), (140, 650)], rest_w=None), Samples(LIMIT))
    measurement = decided.trials[0].measurement
    assert measurement is not None
    assert not any(each.counted for each in measurement.readings)
    assert "without a resident idle" in measurement.absent["gpu"]


def test_what_the_last_trial_knows_holds_for_the_windows_before_it() -> None:
    """A server that loads its model with the first request shows its GPU only then."""
    trials, steps = run([(140, 650), (140, 650)])
    found = GpuChoice("processes", ("GPU-B",))
    last = trials[-1].measurement
    assert last is not None
    readings = tuple(evolve(each, counted=each.device == B) for each in last.readings)
    trials[-1] = evolve(trials[-1], measurement=evolve(last, readings=readings, absent={}, gpu_choice=found))
    decided = decide(trials, steps, Samples())
    assert decided.findings == ()
    for each in (*decided.trials, *decided.steps):
        assert each.measurement is not None
        assert each.measurement.gpu_choice == found
        assert [one.counted for one in each.measurement.readings] == [False, True]


def test_the_windows_before_loading_have_the_same_gpus() -> None:
    """Nobody knew them then; loading a model on one of eight GPUs is not the energy of all eight."""
    trials, steps = run([(140, 650)], counted=(B,), choice=GpuChoice("device_ids"))
    loading = step("load", reading(A, 1400.0), reading(B, 3000.0), reading(CPU, 500.0))
    decided = decide(trials, [loading, *steps], Samples())
    first = decided.steps[0].measurement
    assert first is not None
    assert [(each.device, each.counted) for each in first.readings] == [(A, False), (B, True), (CPU, True)]
    assert (decided.trials, decided.steps[1:]) == (tuple(trials), tuple(steps))


def test_what_is_known_is_left_as_it_is() -> None:
    """However the GPUs worked."""
    trials, steps = run([(140, 650)], counted=(A,), choice=GpuChoice("device_ids"))
    decided = decide(trials, steps, Samples())
    assert (decided.trials, decided.steps, decided.findings) == (tuple(trials), tuple(steps), ())


@pytest.mark.parametrize(
    "choice", [None, GpuChoice("unknown", why="it runs elsewhere"), evolve(UNKNOWN, basis="processes")]
)
def test_activity_decides_only_where_the_meter_leaves_it_open(choice: GpuChoice | None) -> None:
    """Where an engine runs elsewhere, or its processes are known, a GPU that works here shows nothing."""
    trials, steps = run([(140, 650), (140, 650)], choice=choice)
    decided = decide(trials, steps, Samples(LIMIT))
    assert decided.findings == ()
    assert not any(gpu.counted for each in decided.trials if each.measurement for gpu in each.measurement.readings)


def test_the_gpus_of_one_meter_are_judged_once() -> None:
    """A second meter of the same GPUs says the same again; where none counts, the first meter's lines are enough."""
    trials, steps = run([(140, 650)] * 2, choice=GpuChoice("device_ids"))

    def twice(window):  # type: ignore[no-untyped-def] # a trial or a step
        seen = window.measurement
        again = tuple(evolve(each, meter="zeus") for each in seen.readings)
        return evolve(window, measurement=evolve(seen, readings=(*seen.readings, *again)))

    findings = found("uncounted GPU worked", [twice(each) for each in trials], [twice(each) for each in steps])
    assert [each.message.partition(" worked")[0] for each in findings] == ["B (GPU-B)"]


@pytest.mark.parametrize(
    ("percent", "power_w", "idle"),
    [(0.0, 141.0, True), (1.0, 140.0, True), (3.0, 140.0, False), (0.0, 150.0, False), (None, 141.0, True)],
)
def test_idle_is_little_utilization_and_the_power_of_rest(percent: float | None, power_w: float, idle: bool) -> None:
    """At most 1 % in every trial, and within 2 % of the resident idle; power alone where no meter reads the other."""
    trials, steps = run([(power_w, 650.0)] * 2, counted=(A,), choice=GpuChoice("device_ids"))
    watched = () if percent is None else (series(A, "utilization_percent", (0.0, 200.0), (percent, percent)),)
    use = gpu_uses(trials, steps, Samples(watched))[0]
    assert use.device == A
    assert use.idle is idle


def test_noise_of_the_sensor_widens_what_idle_power_is() -> None:
    """Three standard deviations of its readings at rest, where that is more than 2 %."""
    trials, steps = run([(150.0, 650.0)], counted=(A,), choice=GpuChoice("device_ids"))
    noise = series(A, "power_w", [i / 2 for i in range(20)], [134.0, 146.0] * 10)
    assert gpu_uses(trials, steps, Samples((noise,)))[0].idle is True


def found(check: str, trials: list[Trial], steps: list[Step], *, served: bool = True) -> list[Finding]:
    return [each for each in gpu_findings(trials, steps, Samples(LIMIT), served=served) if each.check == check]


def test_a_counted_gpu_that_stayed_idle_fails() -> None:
    """Each of them, with its figures and the fix, and about the GPU's figure."""
    trials, steps = run([(141, 650), (140, 650)], counted=(A, B), choice=GpuChoice("device_ids"))
    [finding] = found("counted GPU idle", trials, steps)
    assert (finding.level, finding.component) == ("FAIL", "gpu")
    assert "A (GPU-A) is counted, but stayed idle in all trials: 140 W, at rest 140 W" in finding.message
    assert found("GPUs counted", trials, steps) == []


def test_a_gpu_whose_power_stands_still_at_full_utilization_fails() -> None:
    """Its figure would be that of a rest, whatever the sensor is; not where nothing is known of its utilization."""
    trials, steps = run([(141, 650), (140, 650)], counted=(A,), choice=GpuChoice("device_ids"))
    starts_s = [window.start_s for window in (steps[0], trials[0], steps[-1])]
    assert starts_s == sorted(starts_s)
    worked = series(A, "utilization_percent", (starts_s[0], starts_s[1] - 0.1, starts_s[2] - 0.1), (0.0, 98.0, 0.0))
    findings = list(gpu_findings(trials, steps, Samples((*LIMIT, worked)), served=False))
    [finding] = [finding for finding in findings if finding.check == "GPU power"]
    assert (finding.level, finding.component) == ("FAIL", "gpu")
    assert "A (GPU-A) reports the same power at full work as at rest" in finding.message
    assert "fix: " in finding.message
    assert found("GPU power", trials, steps) == []


def test_an_engine_whose_workers_are_not_seen_fails_twice() -> None:
    """Rank 0 is in the driver of a cluster: its GPU is listed and idles, and the others work uncounted."""
    trials, steps = run([(140, 650)] * 2, counted=(A,), choice=GpuChoice("processes", ("GPU-A",)))
    assert [each.level for each in found("counted GPU idle", trials, steps)] == ["FAIL"]
    assert [each.level for each in found("uncounted GPU worked", trials, steps)] == ["FAIL"]


@pytest.mark.parametrize(
    ("a_w", "engine_gpus", "served", "level"),
    [
        (650, (), True, "WARN"),
        (650, ("GPU-B",), True, "FAIL"),
        (140, (), True, "FAIL"),
        (650, ("GPU-B",), False, "WARN"),
        (140, (), False, "WARN"),
    ],
)
def test_a_gpu_that_worked_uncounted_is_said(
    a_w: float, engine_gpus: tuple[str, ...], served: bool, level: str
) -> None:
    """It fails a served model if it is the engine's, or if no counted GPU worked."""
    trials, steps = run([(a_w, 650)] * 2, counted=(A,), choice=GpuChoice("device_ids", engine_gpus))
    [finding] = found("uncounted GPU worked", trials, steps, served=served)
    assert (finding.level, finding.component) == (level, "gpu" if level == "FAIL" else None)
    assert "B (GPU-B) worked in the trials" in finding.message


@pytest.mark.parametrize(
    ("basis", "engine_gpus", "levels"),
    [("device_ids", ("GPU-B",), ["WARN"]), ("device_ids", (), []), ("processes", ("GPU-B",), [])],
)
def test_a_gpu_of_the_engine_that_the_user_did_not_name_warns_though_it_rests(
    basis: GpuBasis, engine_gpus: tuple[str, ...], levels: list[str]
) -> None:
    """The driver lists the engine's processes on it; where the driver's list decides, the GPU would count."""
    trials, steps = run([(650, 141)] * 2, counted=(A,), choice=GpuChoice(basis, engine_gpus))
    findings = found("uncounted GPU worked", trials, steps)
    assert [each.level for each in findings] == levels
    assert all("processes of the engine on B (GPU-B), which is not counted" in each.message for each in findings)
    assert (found("other devices", trials, steps) == []) is bool(levels)


@pytest.mark.parametrize(("power_w", "level"), [(150.0, "PASS"), (160.0, "WARN")])
def test_another_gpu_that_draws_a_tenth_more_is_a_warning(power_w: float, level: str) -> None:
    """It disturbs what is next to it, without having worked."""
    trials, steps = run([(650, power_w)] * 2, counted=(A,), choice=GpuChoice("device_ids"))
    assert [each.level for each in found("other devices", trials, steps)] == [level]


def config(backend: str, device: str = "auto") -> BenchmarkConfig:
    served = {"endpoint": "http://localhost:8000"} if not backend.endswith("_offline") else {}
    return config_from_mapping({"backend": {"type": backend, "model": "m", "device": device, **served}})


@pytest.mark.parametrize(
    ("backend", "device", "board_ids", "expected"),
    [
        ("vllm", "auto", None, True),
        ("tensorrt", "cuda", None, True),
        ("vllm_offline", "auto", None, True),
        ("tensorrt_llm_offline", "auto", None, True),
        ("vllm", "cpu", None, False),
        ("vllm", "auto", (), False),
        ("openai", "auto", None, None),
        ("openai", "cpu", None, False),
        ("openai", "auto", ("GPU-A",), True),
    ],
)
def test_a_served_model_has_a_gpu_unless_it_is_said(
    backend: str, device: str, board_ids: tuple[str, ...] | None, expected: bool | None
) -> None:
    """By the config, or by the engine itself; of a server of which only the protocol is known nothing is."""
    engine = EngineFacts(backend, backend, "m", board_ids=board_ids)
    assert uses_gpu(config(backend, device), engine) is expected


@pytest.mark.parametrize(
    ("backend", "device", "levels", "total"),
    [("vllm", "auto", ["FAIL"], False), ("vllm", "cpu", [], True), ("openai", "auto", ["WARN"], True)],
)
def test_a_server_whose_gpu_no_meter_sees(backend: str, device: str, levels: list[str], total: bool) -> None:
    """Its model ran on a GPU, so what is left is no total; or nothing is known of that, which is a warning."""
    trials = [trial(i, reading(CPU, 50.0), absent={"gpu": "NVML cannot be opened"}) for i in range(1, 4)]
    chosen = config(backend, device)
    engine = EngineFacts(backend, backend, "m")
    required = required_components(chosen, engine, trials, [], Samples())
    summary = summarise(trials, [], required=required)
    verdict = judged(
        chosen, ending="completed", steps=[], trials=trials, summary=summary, environment=ENVIRONMENT, engine=engine,
        meter_notes=(), samples=Samples(), noticed=(),
    )  # fmt: skip
    lines = [each for each in verdict.findings if each.check in ("energy", "GPU use")]
    assert [each.level for each in lines] == levels
    assert all("NVML cannot be opened" in each.message and "fix: " in each.message for each in lines)
    assert (summary.total is not None) is total
    assert total or "NVML cannot be opened" in (summary.total_absent or "")


def test_whoever_names_the_gpus_of_a_server_says_that_it_has_some() -> None:
    """Where no meter sees them the energy is missing, and what is left is no total."""
    chosen = config("openai")
    named = evolve(chosen, backend=evolve(chosen.backend, device_ids=(0,)))
    trials = [trial(1, reading(CPU, 50.0), absent={"gpu": "NVML cannot be opened"})]
    assert uses_gpu(named, None) is True
    assert required_components(named, None, trials, [], Samples()) == ("gpu",)
    assert uses_gpu(evolve(named, backend=evolve(named.backend, device="cpu")), None) is False


def test_work_of_which_it_is_unknown_whose_it_was_leaves_no_total() -> None:
    """A GPU worked while an unknown server answered, and no rest shows whether that was for it."""
    trials, steps = run([(140, 650)] * 2, rest_w=None)
    assert required_components(config("openai"), None, trials, steps, Samples(LIMIT)) == ("gpu",)
    resting, steps = run([(140, 140)] * 2)
    assert required_components(config("openai"), None, resting, steps, Samples(LIMIT)) == ()
