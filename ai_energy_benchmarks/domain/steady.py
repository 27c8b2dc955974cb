"""The steady part of a pass under concurrency, without its ramp and its drain."""

from __future__ import annotations

from attrs import frozen

from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.serving import ServerLoad


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
    """

    start_s: float
    stop_s: float
    concurrency: int
    measurement: Measurement | None = None
    first_half: Measurement | None = None
    second_half: Measurement | None = None
    server_load: ServerLoad | None = None

    @property
    def duration_s(self) -> float:
        return self.stop_s - self.start_s

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.stop_s) / 2
