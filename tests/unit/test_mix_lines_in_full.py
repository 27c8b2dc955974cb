"""What is said of the context of steady windows: each line whole, and where it begins to warn."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.mix_checks import cost_of_mix_known, mix_findings
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.summary import ComponentEnergy, SteadyMix, SteadyState, SteadyTrial
from ai_energy_benchmarks.domain.verdict import Finding
from tests.factories import CPU, DRAM, GPU, reading, trial

CHECK = "context of the steady state"
MIX = SteadyMix(700.4, 812.6, 0.31234, 0.40004, ("gpu", "cpu"), corrected=True, window_tokens_per_s=123.456)
# (J/output token in the window, in a steady state)
Figures = Mapping[Component, tuple[float | None, float | None]]


def steady(figures: Figures, mix: SteadyMix | None = MIX) -> SteadyState:
    """A steady state of these components."""
    summary = summarise([trial(1, reading(GPU), reading(CPU), reading(DRAM))], [])
    of: dict[str, ComponentEnergy] = {each.component: each for each in summary.components}
    components = []
    for name, (window_j, mean_j) in figures.items():
        estimate = of[name].per_output_token_j
        assert estimate is not None
        found = None if mean_j is None else evolve(estimate, mean=mean_j)
        components.append(evolve(of[name], per_output_token_j=found, per_output_token_window_j=window_j))
    one = SteadyTrial(1, 10.0, Bounds.exact(10.0), (5.0, 5.0), 10.0)
    return SteadyState((one,), 2, 10.0, 10.0, 98.7654, tuple(components), {}, None, "", 4.0, 5.0, 0.0, 0.0, mix)


HEAD = (
    "tokens of the steady window follow 700 tokens of context, those of a steady state 813, with 0.312 and 0.4 "
    "computed prompt tokens each; the figures are the latter's: "
)
RATES = "123.5 output tokens/s, 98.77"


def gpu(window: str, mean: str) -> str:
    return f"GPU {window} J/output token in the window, {mean} in a steady state; "


@pytest.mark.parametrize(
    ("figures", "large", "shown"),
    [
        ({"gpu": (2.0, 2.1)}, False, gpu("2", "2.1")),
        # More than a tenth, up or down.
        ({"gpu": (4.0, 4.396)}, False, gpu("4", "4.396")),
        ({"gpu": (4.0, 4.404)}, True, gpu("4", "4.404")),
        ({"gpu": (4.0, 3.604)}, False, gpu("4", "3.604")),
        ({"gpu": (4.0, 3.596)}, True, gpu("4", "3.596")),
        ({"gpu": (0.5, 1.5)}, True, gpu("0.5", "1.5")),
        # Any component; one of which either figure is missing is left out, and 0 J has no change.
        (
            {"gpu": (2.0, 2.1), "cpu": (1.0, 1.5)},
            True,
            f"{gpu('2', '2.1')}CPU 1 J/output token in the window, 1.5 in a steady state; ",
        ),
        ({"gpu": (2.0, 2.1), "cpu": (None, 1.5)}, False, gpu("2", "2.1")),
        ({"gpu": (2.0, 2.1), "cpu": (1.0, None)}, False, gpu("2", "2.1")),
        (
            {"gpu": (2.0, 2.1), "cpu": (0.0, 1.5)},
            False,
            f"{gpu('2', '2.1')}CPU 0 J/output token in the window, 1.5 in a steady state; ",
        ),
        ({}, False, ""),
    ],
)
def test_both_figures_are_shown_where_they_differ(figures: Figures, large: bool, shown: str) -> None:
    """A WARN from a change of more than a tenth on."""
    expected = Finding("WARN" if large else "INFO", CHECK, f"{HEAD}{shown}{RATES}")
    assert list(mix_findings(steady(figures))) == [expected]
    assert list(mix_findings(steady(figures, evolve(MIX, corrected=False)))) == []
    assert list(mix_findings(steady(figures, None))) == []


@pytest.mark.parametrize(
    ("sampling", "known", "shown"),
    [
        (None, ("gpu",), None),
        (0.0102, ("gpu",), None),
        (0.0103, ("gpu", "cpu"), "GPU J/output token would differ by ± 2.0%"),
        (0.1, ("dram", "cpu"), "CPU J/output token would differ by ± 19.6%"),
        (0.1, ("dram",), "DRAM J/output token would differ by ± 19.6%"),
    ],
)
def test_other_requests_of_the_kind_may_cost_something_else(
    sampling: float | None, known: tuple[str, ...], shown: str | None
) -> None:
    """1.96 standard errors, from more than 2 % on, of the leading component that the slices know."""
    words = "(95 %) with other requests of the same kind; its interval is for these requests"
    found = evolve(MIX, corrected=False, sampling=sampling, known=known)
    lines = [] if shown is None else [Finding("INFO", CHECK, f"{shown} {words}")]
    assert list(mix_findings(steady({"gpu": (2.0, 2.1)}, found))) == lines
    both = list(mix_findings(steady({"gpu": (2.0, 2.1)}, evolve(found, corrected=True))))
    assert both[1:] == lines
    assert len(both) == len(lines) + 1


@pytest.mark.parametrize(
    ("figures", "known", "is_known"),
    [
        ({"gpu": (2.0, 2.1), "cpu": (1.0, 1.5)}, ("gpu",), True),
        ({"gpu": (2.0, 2.1), "cpu": (1.0, 1.5)}, ("cpu",), False),
        ({"cpu": (1.0, 1.5)}, ("gpu", "cpu"), True),
        ({}, ("gpu", "cpu"), False),
    ],
)
def test_the_cost_of_context_is_that_of_the_leading_component(
    figures: Figures, known: tuple[str, ...], is_known: bool
) -> None:
    """The first of the steady state's."""
    assert cost_of_mix_known(steady(figures, evolve(MIX, known=known))) is is_known
    assert not cost_of_mix_known(steady(figures, None))
