"""A piece of a very long pass as a table of the frame library, in which it goes to disk and its figures are computed.

A table has columns of ``requests.parquet`` under the same names. A request without an answer has ``ok`` false, and null
in place of its counts; the hash of a request without one is all zeros.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from ai_energy_benchmarks.domain.list_series import of_lengths
from ai_energy_benchmarks.domain.outcome_rows import CODES, FAILED, HASH_BYTES, LISTS, UNTOLD, WHOLE, Lists, Rows

if TYPE_CHECKING:
    import polars

_SOURCES = {code: source for code, (source, _) in CODES.items()}
_REASONS = {code: reason for code, (_, reason) in CODES.items()}


def frame_of(rows: Rows) -> polars.DataFrame:
    """The columns that the rows hold; null where a request has none."""
    import polars

    codes = list(rows.codes)
    hashes, width = rows.hashes.hex(), 2 * HASH_BYTES
    frame = polars.DataFrame(
        {
            **{name: _series(column) for name, column in rows.columns.items()},
            "ok": [code != FAILED for code in codes],
            "token_source": polars.Series(map(_SOURCES.get, codes), dtype=polars.String),
            "finish_reason": polars.Series(map(_REASONS.get, codes), dtype=polars.String),
            "sent_s": _series(rows.times_s[::2]),
            "finished_s": _series(rows.times_s[1::2]),
            "rendered_sha256": [hashes[at : at + width] for at in range(0, len(hashes), width)],
        }
    ).with_columns(polars.col(*WHOLE).replace(UNTOLD, None))
    return frame.with_columns(**{name: _lists(name, each) for name, each in rows.lists.items()})


def rows_of(frame: polars.DataFrame) -> Rows:
    """The rows that ``frame_of`` made a table of."""
    import polars

    rows = Rows()
    for name, code in WHOLE.items():
        rows.columns[name] = array(code, frame[name].fill_null(UNTOLD).to_list())
    codes = {pair: code for code, pair in CODES.items()}
    pairs = zip(frame["token_source"].to_list(), frame["finish_reason"].to_list(), strict=True)
    rows.codes.extend(codes.get(pair, FAILED) for pair in pairs)
    rows.times_s = array("d", frame.select(polars.concat_list("sent_s", "finished_s").explode()).to_series().to_list())
    for name, code in LISTS.items():
        values = frame[name]
        ends = array("q", values.list.len().cast(polars.Int64).cum_sum().to_list())
        rows.lists[name] = Lists(array(code, values.explode().drop_nulls().to_list()), ends)
    rows.hashes = bytearray.fromhex("".join(frame["rendered_sha256"].to_list()))
    return rows


def with_times(frame: polars.DataFrame) -> polars.DataFrame:
    """The table with what follows from each request: the properties of ``Completion`` under their names, and more.

    Null where a completion has None, and for requests without an answer. ``events`` is how many token events were
    seen; ``first_s`` and ``last_s`` are the times of the first and the last.
    """
    from polars import Float64, Int64, coalesce, col, when

    times_s, output = col("token_times_s"), col("output_tokens")
    frame = frame.with_columns(
        events=times_s.list.len().cast(Int64), first_s=times_s.list.first(), last_s=times_s.list.last()
    )
    unseen_end = (col("finish_reason") == "stop") & (col("token_source") != "token_ids") & (col("events") == output - 1)
    frame = frame.with_columns(
        ttft_s=col("first_s") - col("sent_s"),
        e2e_s=when("ok").then(coalesce("last_s", "finished_s") - col("sent_s")),
        shown_tokens=output - unseen_end.cast(Int64),
    )
    later_tokens = col("shown_tokens") - col("first_event_tokens")
    seconds = (col("last_s") - col("first_s")) / later_tokens.cast(Float64)
    return frame.with_columns(tpot_s=when((col("events") >= 2) & (later_tokens >= 1)).then(seconds))


def added(start: float, *columns: polars.Series) -> float:
    """Add the values of the columns to a start, row by row.

    The sum is rounded after each value, as a loop with ``+=`` does, so that it is the same to the last bit; a sum of
    the frame library adds several values at a time.
    """
    import polars

    rows = columns[0] if len(columns) == 1 else polars.select(polars.concat_arr(columns)).to_series().explode()
    return float(polars.concat([polars.Series([start], dtype=polars.Float64), rows]).cum_sum()[-1])


def total(numbers: polars.Series) -> int:
    """The sum of whole numbers; those that are null count as 0."""
    return int(numbers.sum())


def _lists(name: str, of: Lists) -> polars.Series:
    ends = _series(of.ends)
    return of_lengths(name, of.values, ends.diff().fill_null(ends[0]))


def _series(values: array[int] | array[float]) -> polars.Series:
    import polars

    return polars.Series(values=values, dtype=polars.Float64 if values.typecode == "d" else polars.Int64)
