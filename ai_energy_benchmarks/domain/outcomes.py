"""The outcomes of a pass behind one interface: a list of objects, or columns where there are very many."""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast, overload

from attrs import define, field

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome, TokenSource

if TYPE_CHECKING:
    import polars

# A pass with more requests than this is kept in columns.
MANY_REQUESTS = 100_000
# Objects take ten times what they take in a table, so only some of a long pass exist at a time.
PART_ROWS = 8 * 4096

T = TypeVar("T")


class TokenCounts(NamedTuple):
    """The tokens of one completion, under the names that they have there."""

    prompt_tokens: int
    output_tokens: int
    cached_prompt_tokens: int | None


_counts_of = attrgetter(*TokenCounts._fields)


class Outcomes(Sequence[Outcome], ABC):
    """What became of the requests of a pass; how they are kept is nobody's business."""

    shelved_rows: int = 0
    """How many were written to disk for want of memory while outcomes were added."""

    @property
    def problem(self) -> str:
        """Why some of those stayed in memory after all; empty if none did."""
        return ""

    @property
    @abstractmethod
    def failed(self) -> int:
        """How many are failures."""

    @abstractmethod
    def extend(self, outcomes: Iterable[Outcome]) -> None:
        """Add outcomes at the end.

        Args:
            outcomes: in order of sending.
        """

    @abstractmethod
    def finish(self, finished: Callable[[Outcome], Outcome], sources: Collection[TokenSource] | None = None) -> None:
        """Order the outcomes by their numbers, and put in the place of each what ``finished`` makes of it.

        Args:
            finished: makes the final outcome of each.
            sources: only completions whose tokens come from these can change; None for all.
        """

    @property
    @abstractmethod
    def in_pieces(self) -> bool:
        """Whether there is no room for all as objects, so that they are to be read one after the other."""

    @abstractmethod
    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives for these outcomes, made once: nothing that follows from them changes any more.

        Args:
            key: what names the value.
            make: computes it the first time.
        """

    def parts(self) -> Iterator[polars.DataFrame | Sequence[Outcome]]:
        """The outcomes in their order, at most ``PART_ROWS`` at a time.

        Where they are kept in columns, a part is a table with times as in ``outcome_frames``, and with the ``reason``
        of each failure; else, or where a part holds more than the columns do, its outcomes.
        """
        for first in range(0, len(self), PART_ROWS):
            yield self[first : first + PART_ROWS]

    def token_counts(self) -> Iterator[TokenCounts]:
        """The tokens of all completions in their order; of very many, no objects with times and texts are made."""
        for part in self.parts():
            if isinstance(part, Sequence):
                done = (each for each in part if isinstance(each, Completion))
                yield from (TokenCounts(*_counts_of(each)) for each in done)
            else:
                answered = part.filter("ok")
                yield from map(TokenCounts, *(answered[name].to_list() for name in TokenCounts._fields))

    def first_begun_s(self, count: int) -> list[float]:
        """When those that were sent first had their first token, or had ended without one.

        Args:
            count: how many; of those sent at the same time the ones that were added first count.
        """
        spans = ((outcome.sent_s, position, begun_s(outcome)) for position, outcome in enumerate(self))
        return [span[2] for span in heapq.nsmallest(count, spans)]

    def last_finished_s(self) -> float:
        """When the last of them had ended; minus infinity if there is none."""
        return max((outcome.finished_s for outcome in self), default=-math.inf)

    @property
    def completions(self) -> Sequence[Completion]:
        """Those that succeeded."""
        return Completions(self)

    @property
    def failures(self) -> tuple[FailedCompletion, ...]:
        """Those that failed."""
        return tuple(outcome for outcome in self if isinstance(outcome, FailedCompletion)) if self.failed else ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # they hold arrays


@define(eq=False)
class OutcomeList(Outcomes):
    """Outcomes as objects."""

    _outcomes: list[Outcome] = field(factory=list)
    _memory: dict[Hashable, object] = field(factory=dict, init=False, repr=False)

    @property
    def failed(self) -> int:
        return self.remembered("failed", lambda: sum(not isinstance(outcome, Completion) for outcome in self._outcomes))

    @property
    def in_pieces(self) -> bool:
        return False

    @property
    def completions(self) -> Sequence[Completion]:
        done = (outcome for outcome in self._outcomes if isinstance(outcome, Completion))
        return self.remembered("completions", lambda: tuple(done))

    def extend(self, outcomes: Iterable[Outcome]) -> None:
        self._outcomes.extend(outcomes)
        self._memory.clear()

    def finish(self, finished: Callable[[Outcome], Outcome], sources: Collection[TokenSource] | None = None) -> None:
        self._outcomes = [finished(outcome) for outcome in sorted(self._outcomes, key=lambda outcome: outcome.number)]
        self._memory.clear()

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._memory:
            self._memory[key] = make()
        return cast("T", self._memory[key])

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._outcomes)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...

    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        return tuple(self._outcomes[index]) if isinstance(index, slice) else self._outcomes[index]


def begun_s(outcome: Outcome) -> float:
    """When a request had its first token, or had ended without one."""
    times_s = outcome.token_times_s if isinstance(outcome, Completion) else ()
    return times_s[0] if len(times_s) else outcome.finished_s


def as_outcomes(outcomes: Sequence[Outcome]) -> Outcomes:
    """Any sequence behind the interface; what is behind it already stays as it is."""
    return outcomes if isinstance(outcomes, Outcomes) else OutcomeList(list(outcomes))


@define(eq=False)
class Completions(Sequence[Completion]):
    """The completions among outcomes, without copying them."""

    _outcomes: Outcomes

    def __len__(self) -> int:
        return len(self._outcomes) - self._outcomes.failed

    def __iter__(self) -> Iterator[Completion]:
        return (outcome for outcome in self._outcomes if isinstance(outcome, Completion))

    @overload
    def __getitem__(self, index: int) -> Completion: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Completion]: ...

    def __getitem__(self, index: int | slice) -> Completion | Sequence[Completion]:
        return tuple(self)[index]
