"""The one table of what a request is in files: its columns, and how those that are stored are written and read back.

The schema of ``requests.parquet``, its rows (``request_tables``), those of the journal, and the outcomes of re-analysis
follow from ``COLUMNS``; spilled pieces hold some of the same columns.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.list_series import of_cells

if TYPE_CHECKING:
    import polars

_TOO_LARGE = 2**63


@frozen
class Column:
    """One column of a request.

    Attributes:
        type: name of the frame library's type; of the elements, where the cell is a list.
        attribute: field of ``Completion`` that the column is read back into; empty if it is none.
        lists: whether a cell is a list.
        with_texts: whether the column is there only with ``save_texts``.
    """

    name: str
    type: str
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

    def series(self, values: Sequence[Any]) -> polars.Series:
        """The column from values of the field of completions; None in the place of a failure."""
        import polars

        if self.lists:
            return of_cells(self.name, values, self.code)
        if self.attribute == "amounts":
            values = [json.dumps(amounts) if amounts else None for amounts in values]
        try:
            return polars.Series(self.name, values, dtype=self.dtype())
        except (OverflowError, TypeError, polars.exceptions.PolarsError):
            # A count that no column can hold, such as 10³⁰ tokens, costs its own cell.
            return polars.Series(self.name, map(_holdable, values), dtype=self.dtype(), strict=False)

    def read(self, cell: Any) -> Any:
        """A cell as the field of a completion has it."""
        if self.lists:
            return array(self.code, cell or ())
        if self.attribute == "amounts":
            return json.loads(cell) if cell else {}
        return "" if cell is None and self.type == "String" else cell


def _holdable(value: object) -> object:
    return None if isinstance(value, int) and abs(value) >= _TOO_LARGE else value


def stored(name: str, kind: str, *, lists: bool = False) -> Column:
    """A column that is a field of completions, under its name."""
    return Column(name, kind, attribute=name, lists=lists)


COLUMNS: tuple[Column, ...] = (
    Column("trial", "Int32"),
    Column("trial_complete", "Boolean"),
    stored("number", "Int64"),
    Column("prompt_index", "Int64"),
    Column("ok", "Boolean"),
    Column("reason", "String"),
    stored("finish_reason", "String"),
    stored("token_source", "String"),
    stored("prompt_tokens", "Int64"),
    stored("output_tokens", "Int64"),
    stored("reasoning_tokens", "Int64"),
    stored("cached_prompt_tokens", "Int64"),
    stored("truncated_prompt_tokens", "Int64"),
    Column("ttft_s", "Float64"),
    Column("tpot_s", "Float64"),
    Column("e2e_s", "Float64"),
    stored("sent_s", "Float64"),
    stored("finished_s", "Float64"),
    Column("sent_unix_s", "Float64"),
    stored("rendered_sha256", "String"),
    Column("output_sha256", "String"),
    Column("prompt_characters", "Int64"),
    Column("output_characters", "Int64"),
    stored("first_event_tokens", "Int64"),
    stored("budget_tokens", "Int64"),
    Column("prompt", "String", with_texts=True),
    Column("output", "String", with_texts=True),
    stored("token_times_s", "Float64", lists=True),
    stored("event_tokens", "Int64", lists=True),
    stored("amounts", "String"),
    Column("run_id", "String"),
)
STORED = tuple(column for column in COLUMNS if column.attribute)
OF_FAILURES = ("number", "sent_s", "finished_s")


def columns(save_texts: bool) -> tuple[Column, ...]:
    """The columns of a run."""
    return tuple(column for column in COLUMNS if save_texts or not column.with_texts)


def outcome(row: Mapping[str, object]) -> Outcome:
    """A row of requests back to the outcome; columns that an older version did not write are as if unknown."""
    read = ((column.attribute, column.read(row.get(column.name))) for column in STORED)
    if row["ok"] is False:
        known = {name: value for name, value in read if name in OF_FAILURES}
        return FailedCompletion(reason=str(row["reason"]), **known)
    return Completion(**dict(read))
