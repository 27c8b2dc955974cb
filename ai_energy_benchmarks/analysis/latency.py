"""Latencies pooled over the completions of several passes."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import sub

from attrs import define, field, frozen

from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.statistics import Distribution, distribution
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding

# A hundred million gaps as Python floats would need gigabytes; above this many the frame library sorts them in place.
_MANY = 200_000
# Above this many they are counted in bins, each wider than the one before by this share, from a nanosecond upwards.
_MOST = 4_000_000
_STEP = math.log(1.001)
_LEAST_S = 1e-9
_SHARES = (0.50, 0.90, 0.95, 0.99)
# With fewer events than this share of the tokens, or fewer tokens than this of the events, a gap between events is not
# one between tokens.
_ONE_EACH = 0.98
_NO_EVENT = "showed no token event"
_ONE_TOKEN = "had one token"
_UNKNOWN_FIRST = "had a first event with an unknown number of tokens"
_ONE_EVENT = "had no token after those of the first event"


@frozen
class Latencies:
    """Distributions in seconds, as "Tokens and times" in docs/measurement.md defines them; None where nothing was seen.

    Attributes:
        itl_s: gaps between token events; None where events carry several tokens.
        inter_chunk_s: the same gaps where they do.
        tokens_per_event: output tokens over token events; None where no event was seen.
        notes: latency by its field without ``_s`` → of how many requests it is known, and why not of all.
    """

    ttft_s: Distribution | None
    itl_s: Distribution | None
    tpot_s: Distribution | None
    e2e_s: Distribution | None
    inter_chunk_s: Distribution | None = None
    tokens_per_event: float | None = None
    notes: Mapping[str, str] = field(factory=dict)


def pooled(completions: Iterable[Completion]) -> Latencies:
    """Pool the latencies of all completions; each gap between two token events counts once."""
    ttft_s, gaps_s, tpot_s, e2e_s = (Pool() for _ in range(4))
    requests, rate = 0, _EventRate()
    unknown: dict[str, Counter[str]] = {"ttft": Counter(), "tpot": Counter()}
    for each in completions:
        requests += 1
        rate.add(each)
        times_s = each.token_times_s
        gaps_s.add(map(sub, times_s[1:], times_s))
        e2e_s.add((each.e2e_s,))
        if (first_s := each.ttft_s) is not None:
            ttft_s.add((first_s,))
        else:
            unknown["ttft"][_NO_EVENT] += 1
        if (per_token_s := each.tpot_s) is not None:
            tpot_s.add((per_token_s,))
        else:
            unknown["tpot"][_why_no_tpot(each)] += 1
    notes = {name: _note(requests, reasons) for name, reasons in unknown.items() if reasons}
    gaps, per_event = gaps_s.distribution(), rate.tokens_per_event
    chunks = not_single(per_event)
    if chunks and per_event is not None:
        notes["itl"] = f"a token event carries {per_event:.3g} tokens on average, so its gaps are called inter-chunk"
    return Latencies(
        ttft_s=ttft_s.distribution(),
        itl_s=None if chunks else gaps,
        tpot_s=tpot_s.distribution(),
        e2e_s=e2e_s.distribution(),
        inter_chunk_s=gaps if chunks else None,
        tokens_per_event=per_event,
        notes=notes,
    )


def tokens_per_event(completions: Iterable[Completion]) -> float | None:
    """Output tokens over token events of all completions together; None where no event was seen."""
    rate = _EventRate()
    for each in completions:
        rate.add(each)
    return rate.tokens_per_event


def not_single(per_event: float | None) -> bool:
    """Whether token events carry so many, or so few, tokens that the gaps between them are not those between tokens."""
    return per_event is not None and not _ONE_EACH <= per_event <= 1 / _ONE_EACH


def latency_findings(summary: Summary) -> Iterator[Finding]:
    """That gaps are those between chunks, and which latency is not known of every request."""
    notes: dict[str, list[str]] = {}
    for name, note in summary.latency_notes.items():
        notes.setdefault(note, []).append(name.upper())
    for note, names in notes.items():
        yield Finding("INFO", "latency", f"{', '.join(names)}: {note}")


@define
class _EventRate:
    _events: int = 0
    _tokens: int = 0

    def add(self, done: Completion) -> None:
        if len(done.token_times_s):
            self._events += len(done.token_times_s)
            self._tokens += done.shown_tokens

    @property
    def tokens_per_event(self) -> float | None:
        return self._tokens / self._events if self._events else None


def _why_no_tpot(done: Completion) -> str:
    if not len(done.token_times_s):
        return _NO_EVENT
    if done.output_tokens <= 1:
        return _ONE_TOKEN
    return _UNKNOWN_FIRST if done.first_event_tokens is None else _ONE_EVENT


def _note(requests: int, reasons: Counter[str]) -> str:
    why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{requests - reasons.total()} of {requests} requests: {why}"


@define
class Pool:
    """Seconds of one kind as they come.

    Attributes:
        most: how many are kept; with more, percentiles are told to within 0.05 %, and the mean is still exact.
    """

    most: int = _MOST
    _seconds: array[float] = field(factory=lambda: array("d"))
    _bins: Counter[int] = field(factory=Counter)
    _binned: int = 0
    _binned_sum_s: float = 0.0

    def add(self, seconds: Iterable[float]) -> None:
        self._seconds.extend(seconds)
        if len(self._seconds) > self.most:
            self._count()

    def distribution(self) -> Distribution | None:
        """Mean and percentiles; None if there are none."""
        if self._binned:
            self._count()
            return self._from_bins()
        if len(self._seconds) < _MANY:
            return distribution(self._seconds)
        import polars

        ordered = polars.Series(self._seconds, dtype=polars.Float64).sort()
        at = [ordered.quantile(share, interpolation="linear") or 0.0 for share in _SHARES]
        return Distribution(len(self._seconds), math.fsum(self._seconds) / len(self._seconds), *at)

    def _count(self) -> None:
        """Put what is kept into bins."""
        import polars

        self._binned += len(self._seconds)
        self._binned_sum_s += math.fsum(self._seconds)
        values = polars.Series("bin", self._seconds, dtype=polars.Float64)
        del self._seconds[:]
        bins = ((values.clip(_LEAST_S) / _LEAST_S).log() / _STEP).floor().cast(polars.Int32)
        self._bins.update(dict(bins.value_counts().iter_rows()))

    def _from_bins(self) -> Distribution:
        ordered = sorted(self._bins.items())
        found: list[float] = []
        below = 0
        for number, count in ordered:
            below += count
            while len(found) < len(_SHARES) and below > _SHARES[len(found)] * (self._binned - 1):
                found.append(_LEAST_S * math.exp((number + 0.5) * _STEP))
        return Distribution(self._binned, self._binned_sum_s / self._binned, *found)
