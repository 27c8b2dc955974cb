"""The one table of what a request is in files: its columns, how each follows from an outcome, and how it is read back.

The schema of ``requests.parquet``, its rows, those of the journal, and the outcomes of re-analysis follow from
``COLUMNS``; spilled pieces hold some of the same columns.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.results.request_cells import Requests

if TYPE_CHECKING:
    import polars

    from ai_energy_benchmarks.results.request_cells import Cells

    Values: TypeAlias = Callable[[Requests], Cells]


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
    return lambda requests: requests.every(name)


def of_completion(name: str) -> Values:
    """A field or a property of completions."""
    return lambda requests: requests.done(name)


def stored(name: str, kind: str, *, lists: bool = False) -> Column:
    """A column that is a field of completions, under its name."""
    return Column(name, kind, of_completion(name), attribute=name, lists=lists)


def _ok(requests: Requests) -> Cells:
    """A filler that was cancelled is neither answered nor failed."""
    ends: Mapping[object, bool | None] = {None: False, "cancelled": None}
    return [ends.get(end, True) for end in requests.done("finish_reason")]


def _amounts(requests: Requests) -> Cells:
    """What was produced besides tokens, by unit, as JSON."""
    return [json.dumps(amounts) if amounts else None for amounts in requests.amounts()]


def _unix_s(requests: Requests) -> Cells:
    offset_s = requests.facts.clock_offset_s
    return [sent_s + offset_s for sent_s in cast("Iterable[float]", requests.every("sent_s"))]


def _rendered(requests: Requests) -> Cells:
    return [rendered or None for rendered in requests.done("rendered_sha256")]


def _reasons(requests: Requests) -> Cells:
    return _written(requests.reasons())


def _output_sha256(requests: Requests) -> Cells:
    return [sha256(_utf8(text).encode()).hexdigest() if text else None for text in requests.texts()]


def _lengths(texts: Sequence[str | None]) -> Cells:
    return [None if text is None else len(text) for text in texts]


def _written(texts: Sequence[str | None]) -> Cells:
    return [None if text is None else _utf8(text) for text in texts]


def _utf8(text: str) -> str:
    """A server may send a lone surrogate, which neither a hash nor a file can hold."""
    return text.encode("utf-8", "replace").decode()


COLUMNS: tuple[Column, ...] = (
    Column("trial", "Int32", lambda requests: [requests.trial] * len(requests)),
    Column("trial_complete", "Boolean", lambda requests: [requests.complete] * len(requests)),
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
    Column("sent_unix_s", "Float64", _unix_s),
    Column("rendered_sha256", "String", _rendered, attribute="rendered_sha256"),
    Column("output_sha256", "String", _output_sha256),
    Column("prompt_characters", "Int64", lambda requests: _lengths(requests.prompts())),
    Column("output_characters", "Int64", lambda requests: _lengths(requests.texts())),
    stored("first_event_tokens", "Int64"),
    stored("budget_tokens", "Int64"),
    Column("prompt", "String", lambda requests: _written(requests.prompts()), with_texts=True),
    Column("output", "String", lambda requests: _written(requests.texts()), with_texts=True),
    stored("token_times_s", "Float64", lists=True),
    Column("event_tokens", "Int64", lambda requests: requests.event_tokens(), attribute="event_tokens", lists=True),
    Column("amounts", "String", _amounts, attribute="amounts"),
    Column("run_id", "String", lambda requests: [requests.facts.run_id or None] * len(requests)),
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
