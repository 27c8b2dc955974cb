"""The one table of what a request is in files: its columns, how each follows from an outcome, and how it is read back.

The schema of ``requests.parquet``, its rows, those of the journal, and the outcomes of re-analysis follow from
``COLUMNS``; spilled pieces hold some of the same columns.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome

if TYPE_CHECKING:
    import polars


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


@frozen
class Requests:
    """Some requests of one trial, as the columns see them.

    Attributes:
        completions: the outcomes that are completions; None in the place of a failure.
    """

    trial: int
    complete: bool
    outcomes: Sequence[Outcome]
    facts: RowFacts
    completions: Sequence[Completion | None] = field(init=False)

    @completions.default
    def _completions(self) -> Sequence[Completion | None]:
        return [request if isinstance(request, Completion) else None for request in self.outcomes]

    def prompt_indices(self) -> list[int | None]:
        """Where each request's prompt lies in the dataset; fillers repeat the pass."""
        indices = self.facts.prompt_indices
        length = len(indices)
        return [indices[request.number % length] if length else None for request in self.outcomes]

    def prompts(self) -> list[str | None]:
        """The prompts' texts, where they are known."""
        known = self.facts.prompts
        return [None if index is None else known.get(index) for index in self.prompt_indices()]


Values = Callable[[Requests], Sequence[object]]


@frozen
class Column:
    """One column of a request.

    Attributes:
        type: name of the frame library's type; of the elements, where the cell is a list.
        values: the cells of several requests; null where there is none.
        attribute: field of ``Completion`` that the column is read back into; empty if it is none.
        lists: whether a cell is a list.
        with_texts: whether the column is there only with ``save_texts``.
    """

    name: str
    type: str
    values: Values
    attribute: str = ""
    lists: bool = False
    with_texts: bool = False

    @property
    def code(self) -> str:
        """Type code of an array of its values."""
        return "d" if self.type == "Float64" else "q"

    def dtype(self) -> polars.DataType:
        import polars

        inner: type[polars.DataType] = getattr(polars, self.type)
        return polars.List(inner) if self.lists else inner()

    def read(self, cell: Any) -> Any:
        """A cell as the field of a completion has it."""
        if self.lists:
            return array(self.code, cell or ())
        if self.attribute == "amounts":
            return json.loads(cell) if cell else {}
        return "" if cell is None and self.type == "String" else cell


def of_outcome(name: str) -> Values:
    """A field that every outcome has."""
    get = attrgetter(name)
    return lambda requests: [get(request) for request in requests.outcomes]


def of_completion(name: str) -> Values:
    """A field or a property of completions."""
    get = attrgetter(name)
    return lambda requests: [None if done is None else get(done) for done in requests.completions]


def stored(name: str, kind: str, *, lists: bool = False) -> Column:
    """A column that is a field of completions, under its name."""
    return Column(name, kind, of_completion(name), attribute=name, lists=lists)


def _ok(requests: Requests) -> Sequence[object]:
    """A filler that was cancelled is neither answered nor failed."""
    return [
        False if done is None else None if done.finish_reason == "cancelled" else True for done in requests.completions
    ]


def _amounts(requests: Requests) -> Sequence[object]:
    """What was produced besides tokens, by unit, as JSON."""
    return [json.dumps(done.amounts) if done is not None and done.amounts else None for done in requests.completions]


def _reasons(requests: Requests) -> Sequence[object]:
    return [_utf8(request.reason) if isinstance(request, FailedCompletion) else None for request in requests.outcomes]


def _output_sha256(requests: Requests) -> Sequence[object]:
    return [
        sha256(_utf8(done.text).encode()).hexdigest() if done is not None and done.text else None
        for done in requests.completions
    ]


def _texts(requests: Requests) -> list[str | None]:
    """A server's answer is decoded only where its text is to be kept."""
    return [
        done.text if done is not None and (done.text or done.output_token_ids or not done.output_tokens) else None
        for done in requests.completions
    ]


def _events(requests: Requests) -> Sequence[object]:
    carried = (None if done is None else done.event_tokens for done in requests.completions)
    return [None if tokens is None or not len(tokens) else tokens for tokens in carried]


def _lengths(texts: Sequence[str | None]) -> Sequence[object]:
    return [None if text is None else len(text) for text in texts]


def _written(texts: Sequence[str | None]) -> Sequence[object]:
    return [None if text is None else _utf8(text) for text in texts]


def _utf8(text: str) -> str:
    """A server may send a lone surrogate, which neither a hash nor a file can hold."""
    return text.encode("utf-8", "replace").decode()


COLUMNS: tuple[Column, ...] = (
    Column("trial", "Int32", lambda requests: [requests.trial] * len(requests.outcomes)),
    Column("trial_complete", "Boolean", lambda requests: [requests.complete] * len(requests.outcomes)),
    Column("number", "Int64", of_outcome("number"), attribute="number"),
    Column("prompt_index", "Int64", Requests.prompt_indices),
    Column("ok", "Boolean", _ok),
    Column("reason", "String", _reasons),
    stored("finish_reason", "String"),
    stored("token_source", "String"),
    stored("prompt_tokens", "Int64"),
    stored("output_tokens", "Int64"),
    stored("reasoning_tokens", "Int64"),
    stored("cached_prompt_tokens", "Int64"),
    stored("truncated_prompt_tokens", "Int64"),
    Column("ttft_s", "Float64", of_completion("ttft_s")),
    Column("tpot_s", "Float64", of_completion("tpot_s")),
    Column("e2e_s", "Float64", of_completion("e2e_s")),
    Column("sent_s", "Float64", of_outcome("sent_s"), attribute="sent_s"),
    Column("finished_s", "Float64", of_outcome("finished_s"), attribute="finished_s"),
    Column(
        "sent_unix_s",
        "Float64",
        lambda requests: [request.sent_s + requests.facts.clock_offset_s for request in requests.outcomes],
    ),
    Column(
        "rendered_sha256",
        "String",
        lambda requests: [None if done is None else done.rendered_sha256 or None for done in requests.completions],
        attribute="rendered_sha256",
    ),
    Column("output_sha256", "String", _output_sha256),
    Column("prompt_characters", "Int64", lambda requests: _lengths(requests.prompts())),
    Column("output_characters", "Int64", lambda requests: _lengths(_texts(requests))),
    stored("first_event_tokens", "Int64"),
    stored("budget_tokens", "Int64"),
    Column("prompt", "String", lambda requests: _written(requests.prompts()), with_texts=True),
    Column("output", "String", lambda requests: _written(_texts(requests)), with_texts=True),
    stored("token_times_s", "Float64", lists=True),
    Column("event_tokens", "Int64", _events, attribute="event_tokens", lists=True),
    Column("amounts", "String", _amounts, attribute="amounts"),
    Column("run_id", "String", lambda requests: [requests.facts.run_id or None] * len(requests.outcomes)),
)
_OF_FAILURES = ("number", "sent_s", "finished_s")
_STORED = tuple(column for column in COLUMNS if column.attribute)


def columns(save_texts: bool) -> tuple[Column, ...]:
    """The columns of a run."""
    return tuple(column for column in COLUMNS if save_texts or not column.with_texts)


def outcome(row: Mapping[str, object]) -> Outcome:
    """A row of requests back to the outcome; columns that an older version did not write are as if unknown."""
    read = ((column.attribute, column.read(row.get(column.name))) for column in _STORED)
    if row["ok"] is False:
        known = {name: value for name, value in read if name in _OF_FAILURES}
        return FailedCompletion(reason=str(row["reason"]), **known)
    return Completion(**dict(read))
