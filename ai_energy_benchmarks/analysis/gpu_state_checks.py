"""Whether the GPUs kept the power limit and the clock that they were set to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from ai_energy_benchmarks.analysis.gpu_conditions import GpuConditions, gpu_conditions
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding, not_checked

_CHECK = "GPU state"
# Limits are kept in mW, but some drivers round to a watt; clocks lie 15 MHz apart, under 1 % of any in use.
_SAME_W, _SAME_CLOCK = 1.0, 0.02


@frozen
class GpuState:
    """What the config asks for; None leaves it as it is.

    Attributes:
        limit_share: of the GPU's default power limit.
        clock_share: of its highest clock.
    """

    limit_w: float | None = None
    limit_share: float | None = None
    clock_hz: float | None = None
    clock_share: float | None = None


def gpu_state_findings(
    wanted: GpuState, boards: Sequence[Board], samples: Samples, trials: Sequence[Trial]
) -> Iterator[Finding]:
    """One line for each GPU and setting: WARN where the trials ran otherwise, INFO where that is not known."""
    by_id = {board.id: board for board in boards}
    conditions = gpu_conditions(samples, trials)
    if not conditions and wanted != GpuState():
        yield not_checked(_CHECK, "no energy of a GPU counted in a complete trial", "gpu")
    for gpu in conditions:
        yield from _limit(wanted, by_id.get(gpu.id), gpu)
        yield from _clock(wanted, by_id.get(gpu.id), gpu)


def _limit(wanted: GpuState, board: Board | None, gpu: GpuConditions) -> Iterator[Finding]:
    limit_w = wanted.limit_w
    if wanted.limit_share is not None and board is not None and board.default_power_limit_w is not None:
        limit_w = wanted.limit_share * board.default_power_limit_w
    if limit_w is None and wanted.limit_share is None:
        return
    if limit_w is None or gpu.power_limit_w is None:
        why = "its default" if limit_w is None else "it during the trials"
        yield not_checked(_CHECK, f"{gpu.name}: its power limit was set, but its driver does not report {why}", "gpu")
        return
    kept = abs(gpu.power_limit_w - limit_w) <= _SAME_W
    message = f"{gpu.name}: a mean power limit of {gpu.power_limit_w:.4g} W in the trials, set to {limit_w:.4g} W"
    yield Finding("PASS" if kept else "WARN", _CHECK, message, "gpu")


def _clock(wanted: GpuState, board: Board | None, gpu: GpuConditions) -> Iterator[Finding]:
    clock_hz = wanted.clock_hz
    if wanted.clock_share is not None and board is not None and board.graphics_clock_max_hz is not None:
        clock_hz = wanted.clock_share * board.graphics_clock_max_hz
    if clock_hz is None and wanted.clock_share is None:
        return
    if clock_hz is None or gpu.sm_clock_hz is None:
        why = "its highest one" if clock_hz is None else "it during the trials"
        yield not_checked(_CHECK, f"{gpu.name}: its SM clock was set, but its driver does not report {why}", "gpu")
        return
    kept = abs(gpu.sm_clock_hz / clock_hz - 1) <= _SAME_CLOCK
    message = (
        f"{gpu.name}: a mean SM clock of {gpu.sm_clock_hz / 1e6:.4g} MHz in the trials, set to {clock_hz / 1e6:.4g}"
    )
    why = f"; held down by {', '.join(gpu.throttled)}" if gpu.throttled and not kept else ""
    yield Finding("PASS" if kept else "WARN", _CHECK, f"{message} MHz{why}", "gpu")
