"""Sending batches to the backend, giving up where nothing succeeds, and completing outcomes after a window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

from attrs import define, evolve, field, frozen

from ai_energy_benchmarks.backends.base import Backend, KeepsCancelled, Recounts
from ai_energy_benchmarks.datasets.base import Dataset
from ai_energy_benchmarks.domain.clock import Clock
from ai_energy_benchmarks.domain.completions import Completion, Outcome, TokenSource
from ai_energy_benchmarks.domain.outcomes import Outcomes, as_outcomes
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.load.closed_loop import closed_loop
from ai_energy_benchmarks.metrics.base import MetricsCollector
from ai_energy_benchmarks.runner.event_loop import let_interrupts_in
from ai_energy_benchmarks.runner.reasoning import ReasoningPlan, count_thinking
from ai_energy_benchmarks.runner.record import Record

# After this many attempts in a row without one success, nothing more is tried.
GIVE_UP_AFTER = 10
_RECOUNTED: tuple[TokenSource, ...] = ("retokenised",)


class GaveUpError(Exception):
    """Nothing succeeds any more; what was seen so far is reported."""


@frozen
class Members:
    """Who takes part."""

    backend: Backend
    collector: MetricsCollector
    dataset: Dataset
    reasoning: ReasoningPlan
    clock: Clock
    progress: Progress


@define
class Generating:
    """The backend under the load's rule.

    Attributes:
        thinking_begun: whether the prompt's template has opened the thinking already.
    """

    members: Members
    record: Record
    concurrency: int
    thinking_begun: bool = False
    _recent: deque[bool] = field(factory=lambda: deque(maxlen=GIVE_UP_AFTER))

    async def run(
        self,
        batches: Iterable[Batch],
        take: Callable[[Sequence[Outcome]], None],
        fillers: Iterable[Batch] = (),
        take_filler: Callable[[Sequence[Outcome]], None] | None = None,
    ) -> bool:
        """Generate the batches under load; fillers keep it up until the last of them has ended, or until they fail.

        Returns:
            Whether a filler had to be cancelled.
        """

        def seen(outcomes: Sequence[Outcome]) -> None:
            take(outcomes)
            self._watch(outcomes)

        filling = _Filling(fillers, take_filler)
        try:
            return await closed_loop(
                batches, self._generate, self.concurrency, seen, fillers=filling, take_filler=filling.take
            )
        finally:
            filling.take(self._cancelled())

    def _cancelled(self) -> Sequence[Outcome]:
        """What cancelled requests had brought until then."""
        backend = self.members.backend
        return backend.take_cancelled() if isinstance(backend, KeepsCancelled) else ()

    async def _generate(self, batch: Batch) -> tuple[Outcome, ...]:
        await let_interrupts_in()
        try:
            return await self.members.backend.generate(batch)
        except BackendError as error:
            self._give_up(f"the backend is dead: {error.message}")

    def _watch(self, outcomes: Sequence[Outcome]) -> None:
        """Stop where going on cannot help."""
        for outcome in outcomes:
            failed = not isinstance(outcome, Completion)
            self._recent.append(failed)
            if not isinstance(outcome, Completion) and outcome.backend_dead:
                self._give_up(f"the backend is dead: {outcome.reason}")
            if not isinstance(outcome, Completion) and len(self._recent) == GIVE_UP_AFTER and all(self._recent):
                self._give_up(f"the last {GIVE_UP_AFTER} requests have all failed, this one because: {outcome.reason}")

    def _give_up(self, reason: str) -> NoReturn:
        if not any(each.check == "stopped" for each in self.record.findings):  # of many in flight, the first says it
            self.record.findings.append(Finding("FAIL", "stopped", reason))
        raise GaveUpError(reason)

    def finished(self, outcomes: Outcomes) -> Outcomes:
        """The outcomes in order, with everything that the window had no time for."""
        # Where no text is kept, as in columns, a server's answers change only in tokens that it did not count.
        recounts = outcomes.in_pieces and isinstance(self.members.backend, Recounts)
        outcomes.finish(self._with_text, _RECOUNTED if recounts else None)
        return outcomes

    def _with_text(self, outcome: Outcome) -> Outcome:
        """Decode ids to text, count tokens and separate thinking, which the window had no time for."""
        backend, tokenizer = self.members.backend, self.members.backend.tokenizer
        if isinstance(outcome, Completion) and isinstance(backend, Recounts):
            return backend.recount(outcome)
        if tokenizer is None or not isinstance(outcome, Completion) or not outcome.output_token_ids:
            return outcome
        ids, family = outcome.output_token_ids, self.members.reasoning.family
        thinking = outcome.reasoning_tokens
        if thinking is None:
            thinking = count_thinking(family, self.thinking_begun, ids, tokenizer)
        return evolve(outcome, text=tokenizer.decode(list(ids)), reasoning_tokens=thinking)


@define
class _Filling:
    """Fillers for as long as some of them succeed: a server that refuses them would be sent thousands a second."""

    batches: Iterable[Batch]
    taken: Callable[[Sequence[Outcome]], None] | None
    _failures: int = 0

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches:
            if self._failures >= GIVE_UP_AFTER:
                return
            yield batch

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Hand over the outcomes of fillers, and count how many have failed one after another."""
        for outcome in outcomes:
            self._failures = 0 if isinstance(outcome, Completion) else self._failures + 1
        if self.taken is not None:
            self.taken(outcomes)


def as_seen(outcomes: Outcomes) -> Outcomes:
    """What an interruption after the window leaves; nothing where tokens were still to be counted."""
    if outcomes.in_pieces or any(_uncounted(each) for each in outcomes):
        return as_outcomes(())
    return as_outcomes(sorted(outcomes, key=lambda each: each.number))


def _uncounted(outcome: Outcome) -> bool:
    return isinstance(outcome, Completion) and outcome.token_source == "retokenised"
