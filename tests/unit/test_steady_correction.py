"""Which figures of a steady state can be corrected, where slices of the window show what context costs."""

from __future__ import annotations

from attrs import evolve

from ai_energy_benchmarks.analysis.steady_correction import correction
from ai_energy_benchmarks.analysis.steady_mix import Shift
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.steady import SliceEnergies, Slices, SteadyWindow
from tests.factories import CPU, GPU, reading
from tests.unit.test_steady_checks import steady_pass

GROUPS = {"gpu": ("gpu",), "cpu": ("cpu",)}


def sliced(number: int = 1, *, cpu: bool = False) -> tuple[Trial, SteadyWindow]:
    """64 s in sixteen slices of whole requests, each with 40 tokens in 2 s at 375 J on the GPU, and 75 J on the CPU."""
    one = evolve(steady_pass(), number=number)
    assert one.steady is not None
    assert one.steady.measurement is not None
    edges_s = tuple(0.05 + 4.0 * edge for edge in range(17))
    devices = [SliceEnergies(GPU.id, "nvml", (375.0,) * 16)]
    devices += [SliceEnergies(CPU.id, "rapl", (75.0,) * 16)] if cpu else []
    both = (reading(energy_j=6000.0), reading(CPU, 1200.0, meter="rapl"))
    window = evolve(
        one.steady, slices=Slices(edges_s, tuple(devices)), measurement=evolve(one.steady.measurement, readings=both)
    )
    return evolve(one, steady=window), window


def test_a_figure_is_known_if_its_devices_have_slices_in_every_trial() -> None:
    """One without is not named, and does not keep the others from being known."""
    for cpu, known in ((True, ("gpu", "cpu")), (False, ("gpu",))):
        trial, window = sliced(cpu=cpu)
        mix = correction([trial], [window], GROUPS).mix
        assert mix is not None
        assert mix.known == known
        assert not mix.corrected
    pairs = [sliced(1, cpu=True), sliced(2)]
    mix = correction([trial for trial, _ in pairs], [window for _, window in pairs], GROUPS).mix
    assert mix is not None
    assert mix.known == ("gpu",)
    only_cpu = correction(*map(list, zip(sliced(), strict=True)), {"cpu": ("cpu",)}).mix
    assert only_cpu is not None
    assert (only_cpu.known, only_cpu.sampling) == ((), None)


def test_the_mix_is_that_of_the_windows_and_of_the_pass() -> None:
    """Ten prompt tokens and on average ten others before each of twenty; 40 tokens in 4 s, in each of two slots."""
    trial, window = sliced()
    found = correction([trial], [window], GROUPS)
    assert found.mix is not None
    assert (found.rate, dict(found.energies)) == ((), {})
    mix = found.mix
    assert (mix.window_context_tokens, mix.steady_context_tokens) == (20.0, 20.0)
    assert (mix.steady_prompt_tokens, mix.window_tokens_per_s) == (0.5, 20.0)


def test_every_trial_needs_its_slices() -> None:
    """A window without them leaves all figures as they are."""
    (first, window), (second, whole) = sliced(1), sliced(2)
    whole = evolve(whole, slices=None)
    found = correction([first, evolve(second, steady=whole)], [window, whole], GROUPS)
    assert (found.mix, found.rate, dict(found.energies)) == (None, (), {})
    assert correction([], [], GROUPS).mix is None


def test_a_change_matters_beyond_chance_and_half_a_percent() -> None:
    """In either direction, and not at the limit."""
    for change, half_width, measured, matters in (
        (0.6, 0.1, 100.0, True), (-0.6, 0.1, 100.0, True), (0.5, 0.1, 100.0, False), (0.6, 0.6, 100.0, False),
        (0.6, 0.7, 100.0, False), (0.0, 0.0, 0.0, False), (-0.6, 0.1, -100.0, True), (-0.4, 0.1, -100.0, False),
    ):  # fmt: skip
        assert Shift(change, half_width, measured).matters is matters
