"""One board under watch: what was read of it so far, and the energy of a window."""

from __future__ import annotations

from attrs import evolve, frozen

from ai_energy_benchmarks.domain import edges, integral
from ai_energy_benchmarks.domain.edges import Delay
from ai_energy_benchmarks.domain.power import Mark, Provenance, Quantity, Reading, Recipe, Rule, Series
from ai_energy_benchmarks.domain.recipes import Outcome, follow
from ai_energy_benchmarks.metrics.nvml_library import NvmlBoard
from ai_energy_benchmarks.metrics.recording import Recorder, keep_around, thinning
from ai_energy_benchmarks.metrics.strangers import Listings

METER = "nvml"
# Readings before a window that its first edge may need: some ticks of any board.
_LOOK_BACK_S = 2.0
# From how much of its recent past the period of a power sensor is learned.
_LEARNING_S = 10.0
# Gauges are read twice a second at most: hours of them, even if each differs from the last.
_GAUGE_ROWS = 20_000
# Beyond the ends of a series growth is bounded by what a board can draw: its limit with room for spikes.
_CEILING_PER_LIMIT = 2.0
_CEILING_UNKNOWN_W = 2000.0
_GUARD_LEAST_S, _GUARD_UNKNOWN_S, _GUARD_MARGIN_S = 0.2, 0.4, 0.02


@frozen
class Window:
    """A board's energy over a window.

    Attributes:
        note: why the board's first choice of a source was not used.
    """

    outcome: Outcome
    recipe: Recipe
    provenance: Provenance
    note: str | None = None


class WatchedBoard:
    """Collects what is read of one board.

    Attributes:
        shared: why the board's energy is not the workload's alone; None if it is.
        lost: why nothing can be read any more; None while all is well.
        listings: which processes the driver listed, and when.
    """

    def __init__(self, board: NvmlBoard, delay: Delay, shared: str | None) -> None:
        self.board = board
        self.shared = shared
        self.lost: str | None = None
        self.listings = Listings()
        if board.counter_problem and board.power_problem:
            self.lost = f"its driver tells neither energy ({board.counter_problem}) nor power ({board.power_problem})"
        self.integrates = board.counter_problem is not None
        self._delay = delay
        # A mean over the last second shows what happened up to a second ago.
        self._power_delay = Delay(delay.low_s, delay.high_s + board.power_average_s)
        self._tick_s: float | None = None
        limit_w = board.power_limit_w
        self._ceiling_w = _CEILING_UNKNOWN_W if limit_w is None else limit_w * _CEILING_PER_LIMIT
        meters: tuple[Quantity, ...] = ("energy_j", "power_w")
        self._recorders = {quantity: Recorder(board.device, quantity, METER) for quantity in meters}
        self._recorders |= {each: Recorder(board.device, each, METER, _GAUGE_ROWS) for each in board.gauges}
        self._energy, self._power = self._recorders["energy_j"], self._recorders["power_w"]

    def reading(self, quantity: Quantity, before_s: float, after_s: float, value: float) -> None:
        """Store one reading."""
        self._recorders[quantity].add(before_s, after_s, value)
        if quantity == "memory_used_bytes" and self.listings.memory_before_bytes is None:
            self.listings.memory_before_bytes = value

    def tick(self, tick_s: float) -> None:
        """Take note of the counter's tick."""
        self._tick_s = tick_s

    def processes(self, time_s: float, listed: frozenset[int] | None) -> None:
        """Take note of who runs on it."""
        self.listings.add(time_s, listed)

    @property
    def id(self) -> str:
        """Its UUID."""
        return self.board.device.id

    def process_ids(self) -> frozenset[int] | None:
        """Who runs on it now, as the driver counts processes; None if it does not list them."""
        return self.board.process_ids()

    def gone(self, reason: str) -> None:
        """Take note that nothing more will come."""
        self.lost = reason

    def notes(self) -> tuple[str, ...]:
        """What became of old readings."""
        return thinning(self._recorders.values(), self.board.device.id)

    @property
    def guard_s(self) -> float:
        """How much rest beside a window makes its edge exact: some ticks that surely fall into it."""
        if self.integrates:
            return 0.0
        if self._tick_s is None:
            return _GUARD_UNKNOWN_S
        return max(_GUARD_LEAST_S, self._delay.high_s + 3 * self._tick_s + _GUARD_MARGIN_S)

    def settled(self, stop: Mark) -> bool:
        """Whether everything that the energy until ``stop`` needs has been read, or never will be."""
        if self.lost is not None:
            return True
        stop_s = stop.time_s
        # What is read of the rest later must not change the figure: re-analysis sees it too.
        if self._latest_s() <= stop_s + stop.quiet_s:
            return False
        # Power is waited for beside the counter too: it takes over should the counter prove unusable.
        hold_s = self._hold_s(stop_s) if self.integrates else 0.0
        if self.board.power_problem is None and not _covers(
            self._power.series(stop_s), stop_s, self._power_delay, hold_s
        ):
            return False
        return self.integrates or edges.settled(self._energy.series(stop_s - _LOOK_BACK_S), stop_s, self._delay)

    def keep_around(self, start: Mark, stop: Mark) -> None:
        """Leave the readings around a window's edges when older ones are thinned."""
        keep_around(self._recorders.values(), start, stop)

    def measure(self, start: Mark, stop: Mark, counted: bool) -> tuple[Reading | None, str | None]:
        """The board's reading of a window, or None; and what the reader should know of it."""
        power = self._power.series(start.time_s - _LOOK_BACK_S)
        window = self._window(power, start, stop)
        name = self.board.device.id
        if window is None:
            return None, f"{name} has no figure: {self.lost or 'nothing was read of it in the window'}"
        outcome = window.outcome
        low_j, best_j, high_j = outcome.level
        reading = Reading(
            device=self.board.device,
            energy_j=best_j,
            energy_low_j=low_j,
            energy_high_j=high_j,
            provenance=window.provenance,
            meter=METER,
            estimator=outcome.estimator,
            counted=counted,
            peak_power_w=integral.peak(power, start.time_s, stop.time_s),
            recipe=window.recipe,
        )
        return reading, window.note and f"{name}: {window.note}"

    def _window(self, power: Series, start: Mark, stop: Mark) -> Window | None:
        if self.integrates:
            return self._integrated(power, start, stop, None)
        series = self._energy.series(start.time_s - _LOOK_BACK_S)
        if edges.falls(series, start.time_s, stop.time_s, self._delay):
            return self._integrated(power, start, stop, "its energy counter went backwards; power was integrated")
        if edges.settled(series, stop.time_s, self._delay):
            return self._counted(series, start, stop)
        return self._integrated(power, start, stop, "its energy counter stands still; power was integrated")

    def _counted(self, series: Series, start: Mark, stop: Mark) -> Window:
        recipe = self._recipe("latched", "energy_j", self._delay, start, stop)
        return Window(follow(recipe, series), recipe, "measured")

    def _integrated(self, power: Series, start: Mark, stop: Mark, note: str | None) -> Window | None:
        if not _covers(power, stop.time_s, self._power_delay):
            return None
        recipe = self._recipe("integral", "power_w", self._power_delay, start, stop)
        recipe = evolve(recipe, hold_s=self._hold_s(stop.time_s))
        return Window(follow(recipe, power), recipe, "integrated", note)

    def _hold_s(self, stop_s: float) -> float:
        """How long the sensor shows one value, learned from what was read until now."""
        learned_s = integral.hold_s(self._power.series(stop_s - _LEARNING_S))
        return integral.LONGEST_HOLD_S if learned_s is None else learned_s

    def _recipe(self, rule: Rule, quantity: Quantity, delay: Delay, start: Mark, stop: Mark) -> Recipe:
        return Recipe(
            rule=rule,
            quantity=quantity,
            series_id=self.board.device.id,
            start_s=start.time_s,
            stop_s=stop.time_s,
            rest_before_s=start.quiet_s,
            rest_after_s=stop.quiet_s,
            delay_low_s=delay.low_s,
            delay_high_s=delay.high_s,
            ceiling_per_s=self._ceiling_w,
            look_back_s=_LOOK_BACK_S,
        )

    def _latest_s(self) -> float:
        return max(self._energy.latest_s, self._power.latest_s)

    def series(self) -> tuple[Series, ...]:
        """Copies of everything that was read."""
        return tuple(recorder.series() for recorder in self._recorders.values() if len(recorder))


def _covers(power: Series, stop_s: float, delay: Delay, hold_s: float = 0.0) -> bool:
    return bool(power.before_s) and power.before_s[-1] >= stop_s + delay.high_s + hold_s
