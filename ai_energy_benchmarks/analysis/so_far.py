"""What the trials of a run that goes on add up to: for people who watch it, not for quoting."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field, frozen

from ai_energy_benchmarks.analysis.windows import WindowEnergy, counted, is_resolved, window_energy
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.components import COMPONENTS, Component
from ai_energy_benchmarks.domain.power import Measurement, Provenance
from ai_energy_benchmarks.domain.result import Trial


@frozen
class ComponentSoFar:
    """One component until now.

    Attributes:
        power_w: mean of the last window; None where its energy is not resolved.
        j_per_output_token: energy of all complete trials over all tokens that were generated in them, fillers included;
            None where it is not resolved or no token was generated.
    """

    component: Component
    provenance: Provenance
    power_w: float | None
    j_per_output_token: float | None


@define
class SoFar:
    """Sums over the complete trials; nothing is judged before the end of the run."""

    trials: int = 0
    output_tokens: int = 0
    last_tokens_per_s: float | None = None
    _last: Measurement | None = None
    _energy_j: dict[Component, list[Bounds]] = field(factory=dict)

    def add(self, trial: Trial) -> None:
        """Add a trial; one that was cut short changes nothing."""
        if not trial.complete:
            return
        tokens = trial.output_tokens + sum(filler.output_tokens for filler in trial.fillers.completions)
        self.trials += 1
        self.output_tokens += tokens
        self.last_tokens_per_s = tokens / trial.duration_s if trial.duration_s > 0 else None
        self._last = trial.measurement
        for component, energy in energies_of(trial.measurement):
            self._energy_j.setdefault(component, []).append(energy.bounds_j)

    def components(self) -> tuple[ComponentSoFar, ...]:
        """Each component that the last trial's meters saw."""
        return tuple(self._of(component, energy) for component, energy in energies_of(self._last))

    def _of(self, component: Component, energy: WindowEnergy) -> ComponentSoFar:
        windows = self._energy_j[component]
        sum_j = Bounds.total(windows)
        known = len(windows) == self.trials and self.output_tokens > 0 and energy.settled and is_resolved(sum_j)
        return ComponentSoFar(
            component,
            energy.provenance,
            mean_power_w(energy, self._last),
            sum_j.best / self.output_tokens if known else None,
        )


def energies_of(measurement: Measurement | None) -> Iterator[tuple[Component, WindowEnergy]]:
    """The energy of each component of a window that a meter saw."""
    for component in COMPONENTS if measurement is not None else ():
        assert measurement is not None  # else there is no component
        readings = counted(measurement, (component,))
        if readings:
            yield component, window_energy(readings)


def mean_power_w(energy: WindowEnergy, window: Measurement | None) -> float | None:
    """The mean power of a window; None where its energy is not resolved."""
    if window is None or window.duration_s <= 0 or not energy.resolved:
        return None
    return energy.energy_j / window.duration_s
