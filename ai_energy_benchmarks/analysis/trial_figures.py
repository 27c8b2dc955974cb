"""What the requests of one trial come to, in one walk after its window: everything later reads this."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from ai_energy_benchmarks.analysis.answer_facts import AnswerFacts
from ai_energy_benchmarks.analysis.filler_prompts import filler_prompts
from ai_energy_benchmarks.analysis.latency import Pooling
from ai_energy_benchmarks.analysis.pace import Pace, Pacing
from ai_energy_benchmarks.analysis.slice_work import SliceWork
from ai_energy_benchmarks.analysis.steady_tokens import SteadyTokens, needs_pace, some_need_pace
from ai_energy_benchmarks.analysis.tokens import Counting, Counts
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.outcome_frames import added
from ai_energy_benchmarks.domain.outcomes import Outcomes
from ai_energy_benchmarks.domain.result import Trial

if TYPE_CHECKING:
    import polars


@frozen
class TrialFigures:
    """Figures of the requests of a trial; fillers are in ``pace`` and ``in_flight_s`` only.

    Attributes:
        counts: requests and tokens.
        facts: what the checks of answers need.
        pace: of all requests that finished.
        in_flight_s: seconds in flight within the window, all requests together.
        latencies: of all completions; without gaps and times per token where there is a steady window, whose
            latencies lead.
        steady_latencies: of those sent within the steady window; None without one.
        steady_requests: how many those are.
        steady_tokens: the tokens of the steady window; None without one, or where what some requests show of their
            tokens can be told only once the pace of all is known.
        slice_work: that of the slices of the steady window; None without slices, or where there are no steady tokens.
    """

    counts: Counts
    facts: AnswerFacts
    pace: Pace
    in_flight_s: float
    latencies: Pooling
    steady_latencies: Pooling | None
    steady_requests: int
    steady_tokens: SteadyTokens | None
    slice_work: SliceWork | None


def trial_figures(trial: Trial) -> TrialFigures:
    """The figures of a trial, made at the first call and kept with its outcomes."""
    return trial.outcomes.remembered(_key(trial), lambda: _walked(trial).kept())[0]


def walked_parts(trial: Trial) -> Iterator[polars.DataFrame | Sequence[Outcome]]:
    """The parts of its outcomes, of which the figures are made on the way: a second walk would read all again.

    What the figures raise costs whoever stores the parts nothing; ``trial_figures`` raises it again.
    """
    from polars.exceptions import PolarsError

    walk: _Walk | None = _Walk(trial)
    for part in trial.outcomes.parts():
        yield part
        try:
            if walk is not None:
                walk.add_part(part)
        except (ArithmeticError, LookupError, TypeError, ValueError, PolarsError):
            walk = None
    if walk is not None:
        trial.outcomes.remembered(_key(trial), walk.kept)


def _key(trial: Trial) -> Hashable:
    steady = trial.steady
    return "figures", id(trial.fillers), trial.start_s, trial.stop_s, steady and (steady.start_s, steady.stop_s)


_NO_PACE = Pace(None, 0.0)


def _walked(trial: Trial) -> _Walk:
    walk = _Walk(trial)
    for part in trial.outcomes.parts():
        walk.add_part(part)
    return walk


@define
class _Walk:
    """The figures of a trial as its outcomes are added, one by one or as tables of ``domain/outcome_frames``."""

    trial: Trial
    counting: Counting = field(factory=Counting)
    facts: AnswerFacts = field(factory=AnswerFacts)
    pacing: Pacing = field(factory=Pacing)
    in_flight_s: float = 0.0
    latencies: Pooling = field(init=False)
    within: Pooling = field(factory=Pooling)
    sent: int = 0
    tokens: SteadyTokens | None = field(init=False)
    slices: SliceWork | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        steady = self.trial.steady
        self.latencies = Pooling(gaps=steady is None)
        self.tokens = None if steady is None else SteadyTokens(steady)
        self.slices = None if steady is None or steady.slices is None else SliceWork(steady.slices.edges_s)

    def add_part(self, part: polars.DataFrame | Sequence[Outcome]) -> None:
        """Add each request of a part of the pass."""
        if isinstance(part, Sequence):
            for outcome in part:
                self.add(outcome)
        else:
            self.add_table(part)

    def add(self, outcome: Outcome) -> None:
        """Add one request of the pass."""
        self._add_time(outcome)
        self.counting.add(outcome)
        if not isinstance(outcome, Completion):
            return
        self.facts.add(outcome)
        self.pacing.add(outcome)
        self.latencies.add(outcome)
        steady = self.trial.steady
        if steady is None:
            return
        if steady.start_s <= outcome.sent_s <= steady.stop_s:
            self.sent += 1
            self.within.add(outcome)
        if needs_pace(outcome):
            self.tokens = self.slices = None
        if self.tokens is not None:
            self.tokens.add(outcome, _NO_PACE, {})
        if self.slices is not None:
            self.slices.add(outcome, _NO_PACE, {})

    def add_table(self, table: polars.DataFrame) -> None:
        """Add each row, with what ``add`` comes to, to the last bit."""
        from polars import col, max_horizontal, min_horizontal

        begin_s = max_horizontal(self.trial.start_s, "sent_s")
        in_window_s = min_horizontal(self.trial.stop_s, "finished_s") - begin_s
        self.in_flight_s = added(self.in_flight_s, table.select(in_window_s.clip(0.0)).to_series())
        self.counting.add_table(table)
        done = table.filter("ok")
        self.facts.add_table(done)
        self.pacing.add_table(done)
        self.latencies.add_table(done)
        if (steady := self.trial.steady) is None:
            return
        sent = done.filter(col("sent_s").is_between(steady.start_s, steady.stop_s))
        self.sent += len(sent)
        self.within.add_table(sent)
        if some_need_pace(done):
            self.tokens = self.slices = None
        if self.tokens is not None:
            self.tokens.add_table(done)
        if self.slices is not None:
            self.slices.add_table(done)

    def _add_time(self, outcome: Outcome) -> None:
        start_s, stop_s = self.trial.start_s, self.trial.stop_s
        self.in_flight_s += max(0.0, min(outcome.finished_s, stop_s) - max(outcome.sent_s, start_s))

    def figures(self) -> TrialFigures:
        """Those of all requests, once the last one of the pass was added."""
        fillers = [filler for filler in self.trial.fillers if isinstance(filler, Completion)]
        for filler in self.trial.fillers:
            self._add_time(filler)
        for filler in fillers:
            self.pacing.add(filler)
        pace = self.pacing.pace()
        if self.tokens is not None:
            prompts = filler_prompts(self.trial)
            for filler in fillers:
                self.tokens.add(filler, pace, prompts)
                if self.slices is not None:
                    self.slices.add(filler, pace, prompts)
        return TrialFigures(
            self.counting.counts(),
            self.facts,
            pace,
            self.in_flight_s,
            self.latencies,
            None if self.trial.steady is None else self.within,
            self.sent,
            self.tokens,
            self.slices,
        )

    def kept(self) -> tuple[TrialFigures, Outcomes]:
        """The figures with the fillers, so that no others can have their identity meanwhile."""
        return self.figures(), self.trial.fillers
