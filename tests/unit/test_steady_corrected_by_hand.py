"""A server whose tokens cost by a straight line in their context, so that every corrected figure is known."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Mapping

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.steady_correction import Correction, Group, correction
from ai_energy_benchmarks.analysis.steady_mix import Shift
from ai_energy_benchmarks.analysis.steady_slices import Mix, pass_mix, slice_energies, window_mix, work_slices
from ai_energy_benchmarks.analysis.steady_summary import steady_state
from ai_energy_benchmarks.analysis.tokens import count
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SliceEnergies, Slices, SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyMix
from tests.factories import CPU, GPU, OTHER_GPU, measurement, reading

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


def test_slices_by_hand() -> None:
    """Eighty tokens each, with half a computed prompt token; together they are the window, all requests the pass."""
    trial = TRIALS[0]
    assert trial.steady is not None
    slices = work_slices(trial, trial.steady)
    assert slices is not None
    assert [part.output_tokens for part in slices] == [80.0] * 12
    durations_s = [batch_s(batch) + batch_s(batch + 1) for batch in range(BEFORE, BATCHES, 2)]
    assert [part.duration_s for part in slices] == pytest.approx(durations_s)
    assert [part.mix for part in slices] == [Mix(110 + 10 * (batch + 0.5), 0.5) for batch in range(BEFORE, BATCHES, 2)]
    assert window_mix(slices) == Mix(WINDOW_CONTEXTS[0], 0.5)
    assert pass_mix(trial) == Mix(STEADY_CONTEXTS[0], 0.5)
    # A window that is cut otherwise than the trial's own, and one of a trial whose figures have no slices.
    halves = evolve(trial.steady, slices=Slices(trial.steady.slices.edges_s[::6], ()))  # type: ignore[union-attr] # known
    for other in (trial, evolve(trial, steady=None)):
        assert [part.output_tokens for part in work_slices(other, halves) or ()] == [480.0, 480.0]
    assert work_slices(evolve(trial, steady=None), trial.steady) == slices
    # A filler brings its tokens and its prompt too, and no part in the mix of the pass.
    fuller = evolve(trial, fillers=(evolve(request(60, 0), number=64),))
    last = (work_slices(fuller, trial.steady) or ())[-1]
    assert (last.output_tokens, last.mix) == (100.0, Mix((80 * 415 + 20 * 410) / 100, 0.5))
    assert pass_mix(fuller) == Mix(STEADY_CONTEXTS[0], 0.5)
    assert work_slices(evolve(fuller, steady=None), trial.steady) == work_slices(fuller, trial.steady)


def test_a_pass_without_tokens_has_no_mix() -> None:
    """So that nothing is compared with it; one whose answers say nothing of a cache computed all of its prompts."""
    trial = TRIALS[0]
    silent = [evolve(done, output_tokens=0, token_times_s=array("d")) for done in trial.completions]
    assert pass_mix(evolve(trial, outcomes=silent)) is None
    untold = [evolve(done, cached_prompt_tokens=None) for done in trial.completions]
    assert pass_mix(evolve(trial, outcomes=untold)) == Mix(265.0, 255 / TOKENS)


def test_energies_of_slices_add_up_over_devices() -> None:
    """Those that count, each as its own meter saw it; one of them without slices is enough to know none."""
    trial = TRIALS[0]
    assert trial.steady is not None
    parts = {"nvml": (1.0, 2.0, 4.0), "other": (100.0, 100.0, 100.0)}
    devices = [SliceEnergies(device.id, meter, parts[meter]) for device in (GPU, OTHER_GPU) for meter in parts]
    devices.append(SliceEnergies(CPU.id, "rapl", (0.25, 0.5, 0.75)))
    seen = measurement(reading(), reading(OTHER_GPU), reading(CPU, meter="rapl"))
    window = evolve(trial.steady, measurement=seen, slices=Slices((0.0, 1.0, 2.0, 3.0), tuple(devices)))
    assert slice_energies(window, ("gpu",)) == [2.0, 4.0, 8.0]
    assert slice_energies(window, ("gpu", "cpu")) == [2.25, 4.5, 8.75]
    assert slice_energies(window, ("dram",)) == [0.0, 0.0, 0.0]
    other = evolve(seen, readings=(reading(), reading(OTHER_GPU, counted=False)))
    assert slice_energies(evolve(window, measurement=other), ("gpu",)) == [1.0, 2.0, 4.0]
    for without in (devices[1:], devices[:2]):
        assert slice_energies(evolve(window, slices=Slices((0.0, 1.0, 2.0, 3.0), tuple(without))), ("gpu",)) is None
    assert slice_energies(evolve(window, measurement=None), ("gpu",)) is None
    assert slice_energies(evolve(window, slices=None), ("gpu",)) is None


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
    outcomes = [
        evolve(done, cached_prompt_tokens=done.prompt_tokens - computed[done.number]) for done in trial.completions
    ]
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
    trial = costly(base_j=-2.0)
    found = corrected(trial, groups={"gpu": ("gpu",)})
    assert found.mix is not None
    assert (found.mix.known, found.mix.sampling) == (("gpu",), None)
    assert Shift(0.0, 0.0, 1.0).slopes == (0.0, 0.0)
