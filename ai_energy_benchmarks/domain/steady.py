"""The steady part of a pass under concurrency, without its ramp and its drain."""

from __future__ import annotations

from attrs import frozen

from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.serving import ServerLoad


@frozen
class SliceEnergies:
    """The energy of one device in each slice of a steady window, in joules, as one meter saw it.

    Attributes:
        device_id: of the device.
        meter: which collector saw it.
        energies_j: one for each slice, in order.
    """

    device_id: str
    meter: str
    energies_j: tuple[float, ...]


@frozen
class Slices:
    """A steady window cut into slices of equal length, to see what energy depends on within it.

    Attributes:
        edges_s: of the slices, on the monotonic clock; one more than there are slices.
        devices: those of which the meter can tell the energy of so short a time.
    """

    edges_s: tuple[float, ...]
    devices: tuple[SliceEnergies, ...]


@frozen
class SteadyWindow:
    """The steady state of one trial.

    It opens once ``concurrency`` requests are in flight and each of the first ``concurrency`` has its first token or
    has ended, and closes when the last request of the pass has ended. Filler requests keep the load up until then.

    Attributes:
        start_s, stop_s: seconds on the monotonic clock.
        concurrency: requests that should be in flight (N).
        measurement: the energy between the two, by the recipes of the trial's own readings; None if nothing was
            measured.
        first_half, second_half: the same for the two halves of the time.
        server_load: the server's gauges within the window; None if no reading fell into it.
        slices: the energy of parts of the window; None where it is too short for them, or no meter can be cut.
    """

    start_s: float
    stop_s: float
    concurrency: int
    measurement: Measurement | None = None
    first_half: Measurement | None = None
    second_half: Measurement | None = None
    server_load: ServerLoad | None = None
    slices: Slices | None = None

    @property
    def duration_s(self) -> float:
        """Seconds between its edges."""
        return self.stop_s - self.start_s

    @property
    def middle_s(self) -> float:
        """The moment halfway, on the monotonic clock."""
        return (self.start_s + self.stop_s) / 2
