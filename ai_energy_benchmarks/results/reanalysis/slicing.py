"""A steady window cut into slices, with the energy of each from the raw series."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from attrs import evolve

from ai_energy_benchmarks.domain.power import Measurement, Reading
from ai_energy_benchmarks.domain.steady import SliceEnergies, Slices, SteadyWindow
from ai_energy_benchmarks.domain.sums import add_up
from ai_energy_benchmarks.results.reanalysis.cutting import SeriesByName, cut_reading, measured_again

# As many slices as have a figure each; fewer than the least say too little of what energy depends on.
_NUMBERS = (48, 32, 16)
_SHORTEST_S = 1.0
# An edge between two slices moves energy from one to the other; bounds wider than this leave no slice to compare.
_WIDEST = 0.25


def slice_edges(start_s: float, stop_s: float, number: int) -> tuple[float, ...]:
    """The edges of so many slices of equal length."""
    inner = (start_s + (stop_s - start_s) * index / number for index in range(1, number))
    return (start_s, *inner, stop_s)


def possible_edges(start_s: float, stop_s: float) -> list[tuple[float, ...]]:
    """The edges of every division whose slices are long enough, the finest first."""
    return [slice_edges(start_s, stop_s, number) for number in _NUMBERS if (stop_s - start_s) / number >= _SHORTEST_S]


def sliced(measurement: Measurement, of: SeriesByName) -> Slices | None:
    """The finest division of a window of which every device that counts has the energy of each slice.

    Args:
        measurement: of the window itself, with the recipes of its readings.

    Returns:
        None where a meter's readings are too far apart, or cannot be cut at all, or the window is too short.
    """
    counting = {_name(reading) for reading in measurement.readings if reading.counted}
    best: Slices | None = None
    for edges_s in possible_edges(measurement.start_s, measurement.stop_s):
        found = slices_at(measurement, edges_s, of)
        names = {(device.device_id, device.meter) for device in found.devices}
        if counting <= names:
            return found
        if best is None or len(found.devices) > len(best.devices):
            best = found
    return best if best is not None and best.devices else None


def slices_at(measurement: Measurement, edges_s: Sequence[float], of: SeriesByName) -> Slices:
    """The energy of each slice, of every device whose slices can be distinguished."""
    devices = []
    for reading in measurement.readings:
        energies_j = _energies_j(reading, edges_s, of)
        if energies_j is not None:
            devices.append(SliceEnergies(reading.device.id, reading.meter, energies_j))
    return Slices(tuple(edges_s), tuple(devices))


def steady_again(window: SteadyWindow, of: SeriesByName) -> SteadyWindow:
    """A steady window with every energy computed from the raw series again."""
    parts = (window.measurement, window.first_half, window.second_half)
    whole, first, second = (part and measured_again(part, of) for part in parts)
    slices = window.slices
    if slices is not None and whole is not None:
        slices = slices_at(whole, slices.edges_s, of)
    return evolve(window, measurement=whole, first_half=first, second_half=second, slices=slices)


def _name(reading: Reading) -> tuple[str, str]:
    return reading.device.id, reading.meter


def _energies_j(reading: Reading, edges_s: Sequence[float], of: SeriesByName) -> tuple[float, ...] | None:
    """None if the meter cannot tell them."""
    parts = []
    for start_s, stop_s in pairwise(edges_s):
        part = cut_reading(reading, start_s, stop_s, of)
        if part is None:
            return None
        parts.append(part)
    half_widths_j = add_up(part.bounds_j.half_width for part in parts)
    if half_widths_j > _WIDEST * add_up(part.energy_j for part in parts):
        return None
    return tuple(part.energy_j for part in parts)
