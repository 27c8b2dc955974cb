"""Figures of a run while it goes on: on a terminal redrawn in place, elsewhere as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import define, field
from rich.text import Text

from ai_energy_benchmarks.analysis.so_far import SoFar, energies_of, mean_power_w
from ai_energy_benchmarks.cli.progress import TerminalProgress
from ai_energy_benchmarks.domain.digits import figure as digits
from ai_energy_benchmarks.domain.power import Provenance
from ai_energy_benchmarks.domain.result import Step, Trial
from ai_energy_benchmarks.reporters.figures import component_name
from ai_energy_benchmarks.runner.plain_progress import PlainProgress


@define
class LiveProgress(TerminalProgress):
    """The stage with power, tokens/s and J per token so far below it, redrawn between windows only."""

    _so_far: SoFar = field(factory=SoFar)
    _idle: tuple[str, ...] = ()

    def step(self, step: Step) -> None:
        """A step outside the trials is over."""
        self._idle = tuple(_step_lines(step))

    def trial(self, trial: Trial) -> None:
        """A trial is recorded."""
        self._idle = ()
        self._so_far.add(trial)

    def begin(self, stage: str, total: int | None = None) -> None:
        # The figures of a stage stay with it; the next one has its own.
        self.end()
        self._idle = ()
        super().begin(stage, total)

    def figures(self) -> Sequence[Text]:
        if self._idle:
            return [Text(f"    {line}") for line in self._idle]
        shown = self._stage == "trials" and self._so_far.trials
        return [Text(f"    {line}", style="bold") for line in trial_lines(self._so_far)] if shown else []


@define
class LiveLines:
    """The same where lines cannot be redrawn: plain ones, each written once and without colour."""

    inner: PlainProgress
    _so_far: SoFar = field(factory=SoFar)

    def begin(self, stage: str, total: int | None = None) -> None:
        self.inner.begin(stage, total)

    def advance(self, amount: int = 1) -> None:
        self.inner.advance(amount)

    def end(self) -> None:
        self.inner.end()

    def step(self, step: Step) -> None:
        """A step outside the trials is over."""
        for line in _step_lines(step):
            self.inner.write(f"        {line}")

    def trial(self, trial: Trial) -> None:
        """A trial is recorded."""
        self._so_far.add(trial)
        for line in trial_lines(self._so_far):
            self.inner.write(f"        {line}")


def _step_lines(step: Step) -> Iterator[str]:
    if step.name in ("bare idle", "resident idle", "hot idle"):
        for component, energy in energies_of(step.measurement):
            if (power_w := mean_power_w(energy, step.measurement)) is not None:
                yield f"{component_name(component):<7}{_figure(power_w, energy.provenance)} W ({energy.provenance})"


def trial_lines(so_far: SoFar) -> Iterator[str]:
    """Power and speed of the last trial, and energy per token over all of them; the verdict comes at the end."""
    if so_far.last_tokens_per_s is not None:
        yield f"{'speed':<7}{digits(so_far.last_tokens_per_s)} output tokens/s"
    for part in so_far.components():
        power = "power not resolved" if part.power_w is None else f"{_figure(part.power_w, part.provenance)} W"
        energy = part.j_per_output_token
        per_token = (
            "energy not resolved" if energy is None else f"{_figure(energy, part.provenance)} J/output token so far"
        )
        yield f"{component_name(part.component):<7}{power}, {per_token} ({part.provenance})"


def _figure(value: float, provenance: Provenance) -> str:
    """As few digits as the method allows; a model is good for two at best."""
    return digits(value, 2 if provenance == "modelled" else 4)
