"""Single figures of a report document as they may be quoted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from ai_energy_benchmarks.results.quotable import (
    FIGURES,
    STATISTICS,
    Quoted,
    block,
    checks,
    counted_devices,
    emitted_tokens,
    is_guess,
    latency_figure,
    level,
    quoted,
)


def bounded(value: float | None, low: float | None = None, high: float | None = None, **more: object) -> object:
    """A figure as the document has it."""
    return {"value": value, "low": low, "high": high, **more}


DERIVED = {
    "j_per_output_token": bounded(5.0, 4.5, 6.0, standard_deviation=0.1, n=5),
    "wh_per_request": bounded(0.01, 0.009, 0.0125, standard_deviation=0.0005, n=4),
    "wh_per_1000_queries": bounded(10.0, 9.0, 12.5),
    "average_power_w": bounded(120.0),
    "output_tokens_per_s": 40.0,
}
DOCUMENT = {
    "ending": "completed",
    "derived": {"gpu": DERIVED},
    "components": {"gpu": {"energy_j": 100.0, "energy_low_j": 90.0, "energy_high_j": 115.0}},
    "latency_ms": {"ttft": {"mean": 30.0, "p95": 60.0}},
    "summary": {"total_completion_tokens": 100, "successful_prompts": 25, "throughput_tokens_per_second": 20.0},
    "absent": {"cpu": "no RAPL here"},
}


def figure(name: str, document: Mapping[str, object] = DOCUMENT, component: str = "gpu") -> Quoted | str:
    """One figure, or why it is withheld."""
    return quoted(document, FIGURES[name], component)


def with_derived(**changed: object) -> Mapping[str, object]:
    """The document with other derived figures of the GPU."""
    return {**DOCUMENT, "derived": {"gpu": {**DERIVED, **changed}}}


def test_every_figure_has_its_unit_its_bounds_and_its_scatter() -> None:
    """3,600 J are a Wh, in the value and in both bounds; the scatter is relative; no bounds are the value itself."""
    assert figure("j_per_output_token") == Quoted(5.0, 4.5, 6.0, pytest.approx(0.02), 5)
    assert figure("j_per_request") == Quoted(36.0, pytest.approx(32.4), 45.0, pytest.approx(0.05), 4)
    assert figure("wh_per_1000_queries") == Quoted(10.0, 9.0, 12.5)
    assert figure("average_power_w") == Quoted(120.0, 120.0, 120.0)
    assert figure("energy_j") == Quoted(100.0, 90.0, 115.0)
    assert figure("output_tokens_per_s") == Quoted(40.0, 40.0, 40.0)
    assert figure("ttft_ms") == Quoted(30.0, 30.0, 30.0)
    assert figure("ttft_p95_ms") == Quoted(60.0, 60.0, 60.0)


def test_one_bound_alone_leaves_the_other_at_the_value() -> None:
    """Each end that is missing is the value, in the unit of the figure."""
    assert figure("j_per_request", with_derived(wh_per_request=bounded(0.01, low=0.009))) == Quoted(
        36.0, pytest.approx(32.4), 36.0
    )
    assert figure("j_per_request", with_derived(wh_per_request=bounded(0.01, high=0.0125))) == Quoted(36.0, 36.0, 45.0)


def test_what_is_not_resolved_is_quoted_by_its_bounds_alone() -> None:
    """Both ends of the energy per token; one end says nothing, and energy that is not above zero is no energy."""
    name = "j_per_output_token"
    assert figure(name, with_derived(j_per_output_token=bounded(None, 1, 9))) == "not resolved: within [1.0, 9.0]"
    assert figure(name, with_derived(j_per_output_token=bounded(0.0, 0, 9))) == "not resolved: within [0.0, 9.0]"
    assert figure(name, with_derived(j_per_output_token=bounded(None, low=1))) == "the figure is withheld"
    assert figure(name, with_derived(j_per_output_token=bounded(None, high=9))) == "the figure is withheld"
    assert figure(name, with_derived(j_per_output_token=bounded(-1.0))) == "the figure is withheld"


@pytest.mark.parametrize("missing", ["energy_j", "energy_low_j", "energy_high_j"])
def test_the_energy_of_a_pass_needs_its_bounds(missing: str) -> None:
    """A value without both bounds is withheld, as are bounds without a value."""
    energy = {name: value for name, value in DOCUMENT["components"]["gpu"].items() if name != missing}  # type: ignore[index]
    document = {**DOCUMENT, "components": {"gpu": energy}}
    assert figure("energy_j", document) == "the energy of a pass is not resolved"


@pytest.mark.parametrize(("mark", "guessed"), [(True, True), (False, False), (None, False), ("yes", False)])
def test_a_guess_is_marked_as_one(mark: object, guessed: bool) -> None:
    """By the mark of its own component; older documents have none."""
    document = {"components": {"cpu": {"order_of_magnitude": mark}, "gpu": {}}}
    assert (is_guess(document, "cpu"), is_guess(document, "gpu"), is_guess({}, "cpu")) == (guessed, False, False)


@pytest.mark.parametrize(("tokens", "requests", "mean"), [(130, 40, 3.25), (0, 40, None), (130, 0, None), (3, 4, 0.75)])
def test_tokens_of_a_request_are_a_mean(tokens: int, requests: int, mean: float | None) -> None:
    """It need not be whole; none without tokens or requests."""
    summary = {"total_completion_tokens": tokens, "successful_prompts": requests}
    assert emitted_tokens({"summary": summary}) == mean


def test_the_energy_of_a_pass_is_above_zero() -> None:
    """Half a joule is energy, none is not."""
    some = {"energy_j": 0.5, "energy_low_j": 0.4, "energy_high_j": 0.6}
    assert figure("energy_j", {**DOCUMENT, "components": {"gpu": some}}) == Quoted(0.5, 0.4, 0.6)
    for energy_j in (0.0, -0.5):
        none = {"energy_j": energy_j, "energy_low_j": -1.0, "energy_high_j": 1.0}
        assert figure("energy_j", {**DOCUMENT, "components": {"gpu": none}}) == "the energy of a pass is not resolved"


def test_a_component_that_no_meter_saw_says_why() -> None:
    """With the meter's reason where there is one."""
    assert figure("energy_j", component="cpu") == "no meter saw the CPU: no RAPL here"
    assert figure("j_per_output_token", component="dram") == "no meter saw the DRAM"


def test_tokens_in_doubt_withhold_what_is_divided_by_them() -> None:
    """Energy per token and tokens per second, but neither the energy of a pass nor its power."""
    document = {**DOCUMENT, "tokens": {"in_doubt": "usage and events differ"}}
    doubt = "token counts are in doubt: usage and events differ"
    assert {name for name in FIGURES if figure(name, document) == doubt} == {
        "j_per_output_token", "j_per_request", "wh_per_1000_queries", "output_tokens_per_s",
    }  # fmt: skip


def test_a_run_that_did_not_end_has_no_figure() -> None:
    """Each figure says how the run ended; a document of before endings were recorded is of a completed run."""
    assert {figure(name, {**DOCUMENT, "ending": "interrupted"}) for name in FIGURES} == {"the run was interrupted"}
    older = {key: value for key, value in DOCUMENT.items() if key != "ending"}
    assert figure("wh_per_1000_queries", older) == Quoted(10.0, 9.0, 12.5)


def test_the_steady_state_stands_for_a_pass_under_concurrency() -> None:
    """Its figures, or why there are none: the run's reason before the component's."""
    steady = {"j_per_output_token": bounded(2.0, 1.9, 2.1), "output_tokens_per_s": 80.0}
    assert figure("j_per_output_token", with_derived(steady=steady)) == Quoted(2.0, 1.9, 2.1)
    assert figure("output_tokens_per_s", with_derived(steady=steady)) == Quoted(80.0, 80.0, 80.0)
    lost = with_derived(steady=None)
    of_component = {**lost, "steady_state": {"components_absent": {"gpu": "late readings"}}}
    of_run = {**lost, "steady_state": {"absent": "too short", "components_absent": {"gpu": "late readings"}}}
    assert figure("j_per_output_token", lost) == "there is no steady state: it has no figure"
    assert figure("j_per_output_token", of_component) == "there is no steady state: late readings"
    assert figure("j_per_output_token", of_run) == "there is no steady state: too short"


def test_the_throughput_is_that_of_the_steady_state_before_that_of_the_passes() -> None:
    """That of the component's window, then of the run's steady state, then of the summary."""
    elsewhere = {**with_derived(output_tokens_per_s=None), "steady_state": {"output_tokens_per_s": 60.0}}
    assert figure("output_tokens_per_s", elsewhere) == Quoted(60.0, 60.0, 60.0)
    assert figure("output_tokens_per_s", elsewhere, "cpu") == Quoted(60.0, 60.0, 60.0)
    assert figure("output_tokens_per_s", {**elsewhere, "steady_state": {}}) == Quoted(20.0, 20.0, 20.0)
    assert figure("output_tokens_per_s", {"derived": {}}) == "no throughput is known"


def test_a_latency_that_was_not_measured_is_named() -> None:
    """By its usual abbreviation, for each statistic of its own."""
    assert (figure("ttft_p50_ms"), figure("e2e_ms")) == ("TTFT is not known", "E2E is not known")


def test_a_throughput_is_better_when_it_is_higher() -> None:
    """Of energy and latency the lower."""
    assert [name for name, each in FIGURES.items() if each.higher_is_better] == ["output_tokens_per_s"]


def test_checks_of_a_component_are_its_own_and_those_of_the_run() -> None:
    """The total has every check; another component's are not the GPU's."""
    found = [("steal time", None), ("outlier", "gpu"), ("modelled energy", "cpu"), ("protocol", "")]
    findings = [{"check": name, "level": "WARN", "component": about} for name, about in found]
    findings.append({"check": "tokens", "level": "FAIL", "component": "gpu"})
    document = {"verdict": {"findings": findings, "level": "FAIL", "components": {"cpu": "WARN"}}}
    assert list(checks(document, "WARN", "gpu")) == ["steal time", "outlier", "protocol"]
    assert list(checks(document, "WARN")) == [name for name, _ in found]
    assert list(checks(document, "FAIL", "cpu")) == []
    assert list(checks({}, "FAIL")) == []
    assert (level(document, "cpu"), level(document, "gpu"), level({}, "gpu")) == ("WARN", "FAIL", "unknown")


def test_emitted_tokens_are_a_mean_of_the_requests_that_succeeded() -> None:
    """A hundred tokens in 25 answers are four; where either is missing or nothing there is no mean."""
    assert emitted_tokens(DOCUMENT) == 4.0
    assert emitted_tokens({"summary": {"total_completion_tokens": 100, "successful_prompts": 0}}) is None
    assert emitted_tokens({"summary": {"total_completion_tokens": 100}}) is None
    assert emitted_tokens({"summary": {"total_completion_tokens": 0, "successful_prompts": 25}}) is None


def test_devices_are_told_apart_by_machine_where_their_name_does_not() -> None:
    """A GPU has one id everywhere; package 0 of another processor is another device; uncounted ones are none."""
    devices = [
        {"id": "GPU-1", "component": "gpu", "counted": True},
        {"id": "GPU-2", "component": "gpu", "counted": False},
        {"id": "package-0", "component": "cpu", "counted": True},
    ]
    documents = [{"metrics_metadata": {"devices": devices}, "environment": {"cpu_model": name}} for name in ("A", "B")]
    assert counted_devices(documents, "total") == {("GPU-1", ""), ("package-0", "A"), ("package-0", "B")}
    assert counted_devices(documents, "gpu") == {("GPU-1", "")}
    assert counted_devices([{}], "gpu") == frozenset()


def test_latencies_have_names_and_blocks_may_be_any_mapping() -> None:
    """The mean is the plain name; a document may come from elsewhere than a file."""
    assert [latency_figure("ttft", statistic) for statistic in STATISTICS] == [
        "ttft_ms",
        "ttft_p50_ms",
        "ttft_p95_ms",
        "ttft_p99_ms",
    ]
    assert block({"a": MappingProxyType({"b": MappingProxyType({"c": 1})})}, "a", "b") == {"c": 1}
    assert block({"a": [1]}, "a") == {}
