"""What the columns of requests are made from: some requests of one trial, as objects or as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias, cast

from attrs import field, frozen

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.outcome_frames import with_times

if TYPE_CHECKING:
    import polars

    Cells: TypeAlias = Sequence[object] | polars.Series


@frozen
class RowFacts:
    """What the rows of one run have in common.

    Attributes:
        prompts: prompt index → its text.
        prompt_indices: the prompt index of each request of a pass, by request number.
    """

    run_id: str
    save_texts: bool
    clock_offset_s: float
    prompts: Mapping[int, str]
    prompt_indices: Sequence[int]


class Requests(ABC):
    """Some requests of one trial."""

    trial: int
    complete: bool
    facts: RowFacts

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def every(self, name: str) -> Cells:
        """A field that every outcome has."""

    @abstractmethod
    def done(self, name: str) -> Cells:
        """A field or a property of completions; null in the place of a failure."""

    @abstractmethod
    def reasons(self) -> Sequence[str | None]:
        """Why requests failed; None in the place of a completion."""

    @abstractmethod
    def amounts(self) -> Sequence[Mapping[str, float] | None]:
        """What was produced besides tokens, by unit."""

    @abstractmethod
    def event_tokens(self) -> Cells:
        """Tokens of each token event; null where none are reported."""

    @abstractmethod
    def texts(self) -> Sequence[str | None]:
        """The answers' texts, where they are known: a server's is decoded only where its text is to be kept."""

    def prompt_indices(self) -> list[int | None]:
        """Where each request's prompt lies in the dataset; fillers repeat the pass."""
        indices = self.facts.prompt_indices
        length = len(indices)
        return [indices[number % length] if length else None for number in cast("Iterable[int]", self.every("number"))]

    def prompts(self) -> list[str | None]:
        """The prompts' texts, where they are known."""
        known = self.facts.prompts
        return [None if index is None else known.get(index) for index in self.prompt_indices()]


@frozen
class RequestList(Requests):
    """Requests as objects."""

    trial: int
    complete: bool
    facts: RowFacts
    outcomes: Sequence[Outcome]
    _completions: Sequence[Completion | None] = field(init=False)

    @_completions.default
    def _of_outcomes(self) -> Sequence[Completion | None]:
        return [request if isinstance(request, Completion) else None for request in self.outcomes]

    def __len__(self) -> int:
        return len(self.outcomes)

    def every(self, name: str) -> Cells:
        return list(map(attrgetter(name), self.outcomes))

    def done(self, name: str) -> Cells:
        get = attrgetter(name)
        return [None if done is None else get(done) for done in self._completions]

    def reasons(self) -> Sequence[str | None]:
        return [request.reason if isinstance(request, FailedCompletion) else None for request in self.outcomes]

    def amounts(self) -> Sequence[Mapping[str, float] | None]:
        return cast("Sequence[Mapping[str, float] | None]", self.done("amounts"))

    def event_tokens(self) -> Cells:
        carried = cast("Sequence[Sequence[int] | None]", self.done("event_tokens"))
        return [None if tokens is None or not len(tokens) else tokens for tokens in carried]

    def texts(self) -> Sequence[str | None]:
        return [None if done is None else _text(done) for done in self._completions]


def _text(done: Completion) -> str | None:
    return done.text if done.text or done.output_token_ids or not done.output_tokens else None


class RequestTable(Requests):
    """Requests as a table of ``domain/outcome_frames``, which holds no texts, no token ids and no amounts."""

    def __init__(self, trial: int, complete: bool, facts: RowFacts, table: polars.DataFrame) -> None:
        self.trial, self.complete, self.facts, self._table = trial, complete, facts, with_times(table)

    def __len__(self) -> int:
        return len(self._table)

    def every(self, name: str) -> Cells:
        return self._table[name]

    def done(self, name: str) -> Cells:
        from polars import col, when

        return self._table.select(when("ok").then(col(name))).to_series()

    def reasons(self) -> Sequence[str | None]:
        return self._table["reason"].to_list()

    def amounts(self) -> Sequence[Mapping[str, float] | None]:
        return [None] * len(self)

    def event_tokens(self) -> Cells:
        from polars import col, when

        carried = col("event_tokens")
        return self._table.select(when(carried.list.len() > 0).then(carried)).to_series()

    def texts(self) -> Sequence[str | None]:
        return ["" if output_tokens == 0 else None for output_tokens in self._table["output_tokens"].to_list()]
