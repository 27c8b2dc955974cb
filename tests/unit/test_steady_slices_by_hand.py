"""What each slice of a steady window held and took, on a server whose tokens are known one by one."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.steady_correction import Correction
from ai_energy_benchmarks.analysis.steady_slices import Mix, pass_mix, slice_energies, window_mix, work_slices
from ai_energy_benchmarks.domain.completions import FailedCompletion
from ai_energy_benchmarks.domain.steady import SliceEnergies, Slices
from tests.factories import CPU, GPU, OTHER_GPU, measurement, reading
from tests.unit.test_steady_corrected_by_hand import (
    BATCHES,
    BEFORE,
    STEADY_CONTEXTS,
    TOKENS,
    TRIALS,
    WINDOW_CONTEXTS,
    batch_s,
    begin_s,
    corrected,
    request,
)


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


def test_slices_need_tokens_each_and_events_of_all() -> None:
    """One that is empty, or an answer in one piece that lies in them, leaves none; a failed request does not."""
    trial = TRIALS[0]
    assert trial.steady is not None
    assert trial.steady.slices is not None
    slices = work_slices(trial, trial.steady)
    edges_s = trial.steady.slices.edges_s
    for edges in ((edges_s[0], edges_s[0] + 0.01, edges_s[1]), (*edges_s, edges_s[-1] + 1.0)):
        assert work_slices(trial, evolve(trial.steady, slices=Slices(edges, ()))) is None
    piece = evolve(request(60, 0), number=64, token_times_s=array("d", (begin_s(31),)))
    failed = FailedCompletion(65, "gone", begin_s(20), begin_s(21))
    for with_piece in (evolve(trial, fillers=(piece,)), evolve(trial, outcomes=(*trial.outcomes, piece))):
        for of in (with_piece, evolve(with_piece, steady=None)):
            assert work_slices(of, trial.steady) is None
    for with_failed in (evolve(trial, fillers=(failed,)), evolve(trial, outcomes=(*trial.outcomes, failed))):
        for of in (with_failed, evolve(with_failed, steady=None)):
            assert work_slices(of, trial.steady) == slices


def test_a_pass_without_tokens_has_no_mix() -> None:
    """So that nothing is compared with it; one whose answers say nothing of a cache computed all of its prompts."""
    trial = TRIALS[0]
    silent = [evolve(done, output_tokens=0, token_times_s=array("d")) for done in trial.completions]
    assert pass_mix(evolve(trial, outcomes=silent)) is None
    fillers = [evolve(done, number=64 + done.number) for done in trial.completions]
    assert corrected(evolve(trial, outcomes=silent[:1], fillers=fillers)) == Correction()
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
