"""How many tokens of an answer existed at a time, by its token events.

Tokens count at the time of their event. An event shows what was made since the one before it, so where events carry
many tokens, half an event of each request in flight has been made and not yet shown: at the end of a window all of that
would be missing, at its begin, just after first events, hardly any. The tokens of such an event are therefore spread
over the time from the event before it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ai_energy_benchmarks.analysis.pace import Pace, is_cancelled
from ai_energy_benchmarks.domain.completions import Completion

if TYPE_CHECKING:
    import polars

# With fewer tokens to an event at most 0.3 % are missing of ten requests of 128 tokens for each in flight.
MANY = 8


def tokens_until(done: Completion, of: Pace, time_s: float) -> float:
    """Output tokens of a request that existed at a time.

    Args:
        of: of the finished requests of the trial, for what a cancelled one does not show.
    """
    times_s, carried, cancelled = done.token_times_s, done.event_tokens, is_cancelled(done)
    events, at = len(times_s), bisect_right(times_s, time_s)
    per_event = _per_event(done, of)
    shown = float(sum(carried[:at])) if len(carried) else at * per_event
    if at == events and not cancelled:
        # What the last usage counts beyond the events is the end token, which shows no text.
        return float(max(done.output_tokens, shown)) if len(carried) else shown
    if per_event < MANY:
        return shown
    gap_s = (times_s[-1] - times_s[0]) / (events - 1) if events > 1 else of.event_gap_s
    end_s = times_s[at] if at < events else (times_s[-1] + gap_s if events else done.sent_s + of.first_event_s)
    begin_s = times_s[at - 1] if at else max(done.sent_s, end_s - gap_s)
    coming = carried[at] if at < events and len(carried) else per_event
    share = (time_s - begin_s) / (end_s - begin_s) if end_s > begin_s else 0.0
    return shown + coming * min(1.0, max(0.0, share))


def tokens_by(table: polars.DataFrame, time_s: float) -> polars.Series:
    """The same for each row of a table with times, of which none needs a pace (``steady_tokens.needs_pace``)."""
    from polars import Float64, col, when

    shown = table.select(when(col("last_s") <= time_s).then(col("events")).otherwise(0)).to_series()
    between = table.select(((col("first_s") <= time_s) & (col("last_s") > time_s)).arg_true()).to_series()
    in_flight = table["token_times_s"].gather(between).to_list()  # few
    shown = shown.scatter(between, [bisect_right(times_s, time_s) for times_s in in_flight])
    return shown.cast(Float64) * (table["output_tokens"] / table["events"])


def _per_event(done: Completion, of: Pace) -> float:
    events, carried = len(done.token_times_s), done.event_tokens
    if len(carried):
        return sum(carried) / len(carried)
    if is_cancelled(done) or not events:
        return of.tokens_per_event or 0.0
    return done.output_tokens / events
