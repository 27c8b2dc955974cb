"""Latencies pooled over the completions of several passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import sub
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from ai_energy_benchmarks.analysis.pool import Pool
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.outcome_frames import total
from ai_energy_benchmarks.domain.statistics import Distribution
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding

if TYPE_CHECKING:
    import polars

# With fewer events than this share of the tokens, or fewer tokens than this of the events, a gap between events is not
# one between tokens.
_ONE_EACH = 0.98
_CHUNKS = "a token event carries {:.3g} tokens on average, so its gaps are called inter-chunk"
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
    pooling = Pooling()
    for done in completions:
        pooling.add(done)
    return pooling.latencies()


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

    def add_table(self, table: polars.DataFrame) -> None:
        shown = table.filter(table["events"] > 0)
        self._events += total(shown["events"])
        self._tokens += total(shown["shown_tokens"])

    def __add__(self, other: _EventRate) -> _EventRate:
        return _EventRate(self._events + other._events, self._tokens + other._tokens)

    @property
    def tokens_per_event(self) -> float | None:
        return self._tokens / self._events if self._events else None


def _why_no_tpot(done: Completion) -> str:
    if not len(done.token_times_s):
        return _NO_EVENT
    if done.output_tokens <= 1:
        return _ONE_TOKEN
    return _UNKNOWN_FIRST if done.first_event_tokens is None else _ONE_EVENT


def _why_no_tpots(table: polars.DataFrame) -> Iterator[tuple[str, int]]:
    """The reasons for all rows of a table without a time per token, and how many rows have each."""
    from polars import col, lit, when

    reason = (
        when(col("events") == 0)
        .then(lit(_NO_EVENT))
        .when(col("output_tokens") <= 1)
        .then(lit(_ONE_TOKEN))
        .when(col("first_event_tokens").is_null())
        .then(lit(_UNKNOWN_FIRST))
        .otherwise(lit(_ONE_EVENT))
    )
    reasons = table.filter(col("tpot_s").is_null()).select(reason=reason)["reason"]
    return reasons.value_counts().iter_rows()


def _note(requests: int, reasons: Counter[str]) -> str:
    why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{requests - reasons.total()} of {requests} requests: {why}"


@define
class Pooling:
    """Latencies as completions are added.

    Attributes:
        gaps: whether gaps between token events and times per token are wanted, which take most of the memory.
    """

    gaps: bool = True
    _requests: int = 0
    _rate: _EventRate = field(factory=_EventRate)
    _unknown: dict[str, Counter[str]] = field(factory=lambda: {"ttft": Counter(), "tpot": Counter()})
    _ttft_s: Pool = field(factory=Pool)
    _gaps_s: Pool = field(factory=Pool)
    _tpot_s: Pool = field(factory=Pool)
    _e2e_s: Pool = field(factory=Pool)

    def add(self, done: Completion) -> None:
        """Add one completion."""
        self._requests += 1
        self._e2e_s.add_one(done.e2e_s)
        first_s = done.ttft_s
        if first_s is not None:
            self._ttft_s.add_one(first_s)
        if not self.gaps:
            return
        self._rate.add(done)
        times_s = done.token_times_s
        self._gaps_s.add(map(sub, times_s[1:], times_s))
        if first_s is None:
            self._unknown["ttft"][_NO_EVENT] += 1
        if (per_token_s := done.tpot_s) is not None:
            self._tpot_s.add_one(per_token_s)
        else:
            self._unknown["tpot"][_why_no_tpot(done)] += 1

    def add_table(self, table: polars.DataFrame) -> None:
        """Add each completion of a table with times."""
        self._requests += len(table)
        self._e2e_s.add_column(table["e2e_s"])
        self._ttft_s.add_column(table["ttft_s"].drop_nulls())
        if not self.gaps:
            return
        self._rate.add_table(table)
        self._gaps_s.add_runs(_gaps_s(table), (table["events"] - 1).clip(0))
        if silent := table["ttft_s"].null_count():
            self._unknown["ttft"][_NO_EVENT] += silent
        self._tpot_s.add_column(table["tpot_s"].drop_nulls())
        self._unknown["tpot"].update(dict(_why_no_tpots(table)))

    def __add__(self, other: Pooling) -> Pooling:
        """Both together."""
        both = {name: self._unknown[name] + other._unknown[name] for name in self._unknown}
        return Pooling(
            self.gaps and other.gaps,
            self._requests + other._requests,
            self._rate + other._rate,
            both,
            self._ttft_s + other._ttft_s,
            self._gaps_s + other._gaps_s,
            self._tpot_s + other._tpot_s,
            self._e2e_s + other._e2e_s,
        )

    @property
    def tokens_per_event(self) -> float | None:
        """Output tokens over token events; None where no event was seen."""
        return self._rate.tokens_per_event

    def latencies(self) -> Latencies:
        """The distributions of what was added."""
        notes = {name: _note(self._requests, reasons) for name, reasons in self._unknown.items() if reasons}
        gaps, per_event = self._gaps_s.distribution(), self._rate.tokens_per_event
        chunks = not_single(per_event)
        if chunks:
            notes["itl"] = _CHUNKS.format(per_event)
        return Latencies(
            ttft_s=self._ttft_s.distribution(),
            itl_s=None if chunks else gaps,
            tpot_s=self._tpot_s.distribution(),
            e2e_s=self._e2e_s.distribution(),
            inter_chunk_s=gaps if chunks else None,
            tokens_per_event=per_event,
            notes=notes,
        )


def _gaps_s(table: polars.DataFrame) -> polars.Series:
    """Between the token events of each row, one row after the other."""
    from polars import col

    events = table.select("token_times_s").with_row_index("row").explode("token_times_s")
    same = col("row") == col("row").shift()
    return events.select(col("token_times_s").diff().filter(same)).to_series()
