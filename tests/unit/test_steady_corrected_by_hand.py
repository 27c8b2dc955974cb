"""A server whose tokens cost by a straight line in their context, so that every corrected figure is known."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Mapping

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.steady_correction import Correction, Group, correction
from ai_energy_benchmarks.analysis.steady_mix import Shift
from ai_energy_benchmarks.analysis.steady_summary import steady_state
from ai_energy_benchmarks.analysis.tokens import count
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SliceEnergies, Slices, SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyMix
from tests.factories import CPU, GPU, measurement, reading

# Of 32 batches of two requests the first eight come before the window; each of its slices holds two batches.
BATCHES, BEFORE, TOKENS = 32, 8, 20
JOULES, JOULES_EACH = 0.3, 0.002
GROUPS: Mapping[Group, Collection[Component]] = {"gpu": ("gpu",), "cpu": ("cpu",)}


def batch_s(batch: int) -> float:
    """How long a batch takes: each a twentieth of a second longer than the one before."""
    return 2.0 + 0.05 * batch


def begin_s(batch: int) -> float:
    return sum(map(batch_s, range(batch)))


def prompt(number: int, longer: int) -> int:
    """Ten tokens more in each batch."""
    return 100 + longer + 10 * (number // 2)


def request(number: int, longer: int) -> Completion:
    """Twenty tokens, none of which lies on an edge; all but ten tokens of the prompt come from a cache."""
    batch, tokens = number // 2, prompt(number, longer)
    times_s = array("d", (begin_s(batch) + batch_s(batch) * (at + 0.5) / TOKENS for at in range(TOKENS)))
    return Completion(
        number, tokens, TOKENS, "usage", begin_s(batch), times_s, begin_s(batch + 1), "length",
        cached_prompt_tokens=tokens - 10, rendered_sha256="a" * 64,
    )  # fmt: skip


def costly(number: int = 1, longer: int = 0, base_j: float = JOULES, *, cpu: bool = True) -> Trial:
    """A GPU token costs ``base_j`` and 2 mJ more for each token before it; one of the CPU always 0.1 J."""
    edges_s = tuple(begin_s(batch) for batch in range(BEFORE, BATCHES + 1, 2))
    # The mean token of a slice follows the prompts of its two batches and half of its own answer.
    contexts = [100 + longer + 10 * (batch + 0.5) + TOKENS / 2 for batch in range(BEFORE, BATCHES, 2)]
    gpu_j = [4 * TOKENS * (base_j + JOULES_EACH * context) for context in contexts]
    cpu_j = [4 * TOKENS * 0.1 for _ in contexts]
    devices = [SliceEnergies(GPU.id, "nvml", tuple(gpu_j))]
    devices += [SliceEnergies(CPU.id, "rapl", tuple(cpu_j))] if cpu else []
    both = (reading(energy_j=sum(gpu_j), half_width_j=0), reading(CPU, sum(cpu_j), 0, meter="rapl"))
    seen = measurement(*both, start_s=edges_s[0], duration_s=edges_s[-1] - edges_s[0])
    window = SteadyWindow(edges_s[0], edges_s[-1], 2, seen, slices=Slices(edges_s, tuple(devices)))
    outcomes = [request(at, longer) for at in range(2 * BATCHES)]
    return Trial(number, 0.0, edges_s[-1], seen, outcomes, steady=window)


TRIALS = (costly(), costly(2, 20, 0.4))
# Prompts of 100 to 410 tokens, or from 180 on in the window, and half an answer; in the second trial 20 more.
STEADY_CONTEXTS, WINDOW_CONTEXTS = (265.0, 285.0), (305.0, 325.0)
# Two batches of 40 tokens take 4 s and a tenth of a second more for each batch, that is for ten tokens of context.
SECONDS = tuple(
    (4.0 + 0.01 * (context - longer - 110)) / 80 for context, longer in zip(STEADY_CONTEXTS, (0, 20), strict=True)
)
RATE = 24 * 2 * TOKENS / sum(map(batch_s, range(BEFORE, BATCHES)))


def corrected(*trials: Trial, groups: Mapping[Group, Collection[Component]] = GROUPS) -> Correction:
    return correction(trials, [trial.steady for trial in trials if trial.steady is not None], groups)


def sampling(trial: Trial, per_context_j: float, figure_j: float, context: float) -> float:
    """Standard error of a ratio of sums: each request's own sum less what its tokens would have at the mean."""
    own = (TOKENS * (prompt(done.number, 0) + TOKENS / 2 - context) * per_context_j for done in trial.completions)
    return math.sqrt(sum(each**2 for each in own)) / (len(trial.outcomes) * TOKENS) / figure_j


def test_every_figure_of_a_correction() -> None:
    """All figures are corrected as soon as one needs it; a tenth of a change is uncertain."""
    found = corrected(*TRIALS)
    assert found.mix is not None
    assert found.mix.sampling is not None
    assert evolve(found.mix, sampling=None, window_tokens_per_s=0.0) == SteadyMix(
        315.0, 275.0, 0.5, 0.5, ("gpu", "cpu"), True, 0.0
    )
    assert found.mix.window_tokens_per_s == pytest.approx(RATE)
    assert found.mix.sampling == pytest.approx(sampling(TRIALS[0], JOULES_EACH, 0.3 + 0.002 * 265, 265.0))
    assert list(found.energies) == ["gpu", "cpu"]
    for shift, base_j, context in zip(found.energies["gpu"], (0.3, 0.4), STEADY_CONTEXTS, strict=True):
        assert shift.measured == pytest.approx(base_j + 0.002 * (context + 40))
        assert (shift.change, shift.half_width) == (pytest.approx(-0.08), pytest.approx(0.008))
        assert shift.slopes == (pytest.approx(0.002), 0.0)
    for shift in found.energies["cpu"]:
        assert (shift.change, shift.measured) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.1))
    for shift, seconds in zip(found.rate, SECONDS, strict=True):
        assert (shift.change, shift.change + shift.measured) == (pytest.approx(-0.005), pytest.approx(seconds))
        assert shift.half_width == pytest.approx(0.0005)


def test_the_rate_alone_may_need_it() -> None:
    """As energy alone may; where neither does, both mixes are given and nothing is changed."""
    cpu_alone = corrected(*TRIALS, groups={"cpu": ("cpu",)})
    assert cpu_alone.mix is not None
    assert (cpu_alone.mix.corrected, len(cpu_alone.rate), list(cpu_alone.energies)) == (True, 2, ["cpu"])
    none = corrected(*TRIALS, groups={})
    assert none.mix is not None
    assert (none.mix.known, none.mix.corrected, none.mix.sampling, len(none.rate)) == ((), True, None, 2)
    nearer = [evolve(trial, outcomes=trial.outcomes[14:]) for trial in TRIALS]
    still = corrected(*nearer)
    assert still.mix is not None
    # Without the first seven batches the pass's mean batch is 19 and the window's 19.5.
    assert (still.mix.steady_context_tokens, still.mix.window_context_tokens) == (310.0, 315.0)
    assert evolve(still.mix, sampling=None, window_tokens_per_s=0.0) == SteadyMix(
        315.0, 310.0, 0.5, 0.5, ("gpu", "cpu"), True, 0.0
    )
    same = [evolve(trial, outcomes=trial.outcomes[16:]) for trial in TRIALS]
    unchanged = corrected(*same)
    assert unchanged.mix is not None
    assert (unchanged.mix.known, unchanged.mix.corrected) == (("gpu", "cpu"), False)
    assert unchanged == Correction(unchanged.mix)
    assert unchanged.mix.sampling == pytest.approx(sampling(same[0], JOULES_EACH, 0.3 + 0.002 * 305, 305.0))


def test_sampling_counts_prompts_that_are_computed() -> None:
    """Costs of prefill that show are in it next to those of context, request by request."""
    trial = TRIALS[0]
    assert trial.steady is not None
    assert trial.steady.slices is not None
    # From 12 to 2 computed tokens and back, two requests of a batch alike; each of them costs 1 J.
    computed = [12 - abs(5 - number // 2 % 10) * 2 for number in range(2 * BATCHES)]
    # One before the window found nothing in the cache, which its server did not report.
    computed[5] = prompt(5, 0)
    outcomes = [
        evolve(done, cached_prompt_tokens=done.prompt_tokens - computed[done.number]) for done in trial.completions
    ]
    outcomes[5] = evolve(outcomes[5], cached_prompt_tokens=None)
    energies_j = []
    for batch in range(BEFORE, BATCHES, 2):
        own = range(2 * batch, 2 * batch + 4)
        energies_j.append(
            sum(TOKENS * (0.002 * (prompt(at, 0) + TOKENS / 2) + 1.0 * computed[at] / TOKENS) for at in own)
        )
    window = evolve(
        trial.steady,
        slices=evolve(trial.steady.slices, devices=(SliceEnergies(GPU.id, "nvml", tuple(energies_j)),)),
    )
    found = correction([evolve(trial, outcomes=outcomes, steady=window)], [window], {"gpu": ("gpu",)})
    assert found.mix is not None
    ratio = sum(computed) / (TOKENS * 2 * BATCHES)
    assert found.mix.steady_prompt_tokens == pytest.approx(ratio)
    assert found.energies["gpu"][0].slopes == (pytest.approx(0.002), pytest.approx(1.0))
    figure_j = 0.002 * 265 + ratio
    squares = (
        (0.002 * TOKENS * (prompt(at, 0) + TOKENS / 2 - 265.0) + 1.0 * (computed[at] - ratio * TOKENS)) ** 2
        for at in range(2 * BATCHES)
    )
    assert found.mix.sampling == pytest.approx(math.sqrt(sum(squares)) / (TOKENS * 2 * BATCHES) / figure_j)


def test_a_component_without_slices_in_one_trial_stays_as_measured() -> None:
    """The others and the rate are corrected, in the steady state too."""
    trials = (costly(cpu=False), TRIALS[1])
    found = corrected(*trials, groups={**GROUPS, "total": ("gpu", "cpu")})
    assert found.mix is not None
    assert (found.mix.known, list(found.energies)) == (("gpu",), ["gpu"])
    state = steady_state(trials, [count(trial.outcomes) for trial in trials], (), (), None)
    assert state is not None
    assert state.total is not None
    gpu, cpu = state.components
    for energy, per_token_j, window_j in (
        (gpu, (0.3 + 0.002 * 265 + 0.4 + 0.002 * 285) / 2, (0.3 + 0.002 * 305 + 0.4 + 0.002 * 325) / 2),
        (cpu, 0.1, None),
        (state.total, (0.3 + 0.002 * 305 + 0.4 + 0.002 * 325) / 2 + 0.1, None),
    ):
        assert energy.per_output_token_j is not None
        assert energy.per_output_token_j.mean == pytest.approx(per_token_j)
        assert energy.per_output_token_window_j == (None if window_j is None else pytest.approx(window_j))
    assert state.output_tokens_per_s == pytest.approx(2 / sum(SECONDS))
    assert (state.mix, state.output_tokens) == (found.mix, 960)


def test_the_steady_state_is_given_at_its_own_context() -> None:
    """Also the total; where tokens are in doubt nothing is corrected, and the rate is that of the window."""
    counts = [count(trial.outcomes) for trial in TRIALS]
    state, doubted = (steady_state(TRIALS, counts, (), (), doubt) for doubt in (None, "counted twice"))
    assert state is not None
    assert doubted is not None
    assert state.total is not None
    assert state.total.per_output_token_j is not None
    assert state.total.per_output_token_j.mean == pytest.approx((0.3 + 0.002 * 265 + 0.4 + 0.002 * 285) / 2 + 0.1)
    assert state.mix is not None
    assert state.mix.known == ("gpu", "cpu", "total")
    assert (doubted.mix, doubted.output_tokens_per_s) == (None, pytest.approx(RATE))


def test_a_figure_that_is_not_positive_has_no_sampling_error() -> None:
    """A meter that ran backwards; nor is there one in a pass that made no tokens."""
    for base_j in (-2.0, -1.2):
        found = corrected(costly(base_j=base_j), groups={"gpu": ("gpu",)})
        assert found.mix is not None
        assert (found.mix.known, found.mix.sampling) == (("gpu",), None)
    trial = TRIALS[0]
    assert trial.steady is not None
    assert trial.steady.slices is not None
    none = evolve(trial.steady.slices, devices=(SliceEnergies(GPU.id, "nvml", (0.0,) * 12),))
    found = corrected(evolve(trial, steady=evolve(trial.steady, slices=none)), groups={"gpu": ("gpu",)})
    assert found.mix is not None
    assert (found.mix.known, found.mix.sampling) == (("gpu",), None)
    assert Shift(0.0, 0.0, 1.0).slopes == (0.0, 0.0)
