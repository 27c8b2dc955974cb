"""When to read a counter that moves in ticks: often around the next tick, seldom between."""

from __future__ import annotations

from statistics import median

# Until the tick is known a counter is read so often; from then on a few times a tick.
DISCOVERY_POLL_S = 0.002
_DISCOVERY_CHANGES = 8
_LONGEST_DISCOVERY_S = 2.0
_NARROWEST_S = 0.0005
# How fast the prediction follows what is seen, and how much wider than the errors seen it aims.
_PHASE_GAIN, _TICK_GAIN = 0.4, 0.02
_MARGIN, _NARROWING = 1.5, 0.98
# Ticks so short, in polls, are bracketed closely only every second time: readings cost more than they tell.
_SHORT_TICK_POLLS = 1.5


class Cadence:
    """Predicts a counter's ticks from the changes seen so far, and places the readings around them.

    Attributes:
        tick_s: time between two changes; None until it has been discovered.
    """

    def __init__(self, poll_s: float, now_s: float) -> None:
        self.tick_s: float | None = None
        self._poll_s = poll_s
        self._give_up_s = now_s + _LONGEST_DISCOVERY_S
        self._changed_s: float | None = None
        self._intervals_s: list[float] = []
        self._half_width_s = 0.0
        self._polls_since = 0
        self._loose = False  # whether the next tick is bracketed by the last reading and the one after it only

    def seen(self, before_s: float, after_s: float, changed: bool) -> float:
        """Take note of one reading; when to make the next."""
        if changed:
            self._change(before_s, after_s)
        else:
            self._polls_since += 1
        if self.tick_s is None:
            return after_s + (DISCOVERY_POLL_S if after_s < self._give_up_s else self._poll_s)
        return self._next_s(after_s, self.tick_s)

    def _change(self, before_s: float, after_s: float) -> None:
        middle_s, tick_s = (before_s + after_s) / 2, self.tick_s
        if tick_s is None or self._changed_s is None:
            self._discover(middle_s)
        else:
            # Seen by the first reading already, it had most likely just happened.
            early = self._polls_since == 0
            changed_s = max(middle_s, after_s - self._half_width_s)
            ticks = max(1, round((changed_s - self._changed_s) / tick_s))
            expected_s = self._changed_s + ticks * tick_s
            if self._loose and early:
                self._changed_s = expected_s  # where in the wide bracket it happened is not known
            else:
                self._follow(tick_s, ticks, expected_s, changed_s - expected_s, early)
            self._loose = not self._loose and tick_s < _SHORT_TICK_POLLS * self._poll_s
        self._polls_since = 0

    def _follow(self, tick_s: float, ticks: int, expected_s: float, error_s: float, early: bool) -> None:
        """As a phase-locked loop does: phase and tick follow a part of the error."""
        self._changed_s = expected_s + _PHASE_GAIN * error_s
        self.tick_s = tick_s + _TICK_GAIN * error_s / ticks
        aim_s = _MARGIN * (self._half_width_s if early else abs(error_s)) + _NARROWEST_S
        self._half_width_s = min(max(aim_s, self._half_width_s * _NARROWING), tick_s / 4)

    def _discover(self, changed_s: float) -> None:
        if self._changed_s is not None:
            self._intervals_s.append(changed_s - self._changed_s)
        self._changed_s = changed_s
        if len(self._intervals_s) >= _DISCOVERY_CHANGES:
            # A change that was missed makes an interval of two ticks; the median does not care.
            self.tick_s = median(self._intervals_s)
            self._half_width_s = self.tick_s / 20 + DISCOVERY_POLL_S

    def _gaps(self, tick_s: float) -> int:
        """How many gaps lie between the first reading before a predicted tick and the last one after it."""
        return min(max(1, int(1.5 * tick_s / self._poll_s)), 3)

    def _next_s(self, now_s: float, tick_s: float) -> float:
        """The next reading around the predicted tick; at the plain pace if the counter is late."""
        assert self._changed_s is not None
        expected_s = self._changed_s + tick_s
        first_s = expected_s - self._half_width_s
        gaps = self._gaps(tick_s)
        step_s = 2 * self._half_width_s / gaps
        for number in range(gaps if self._loose else 0, gaps + 1):
            if first_s + number * step_s > now_s:
                return first_s + number * step_s
        return now_s + min(max(step_s, _NARROWEST_S), self._poll_s)
