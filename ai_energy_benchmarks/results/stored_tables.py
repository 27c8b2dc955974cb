"""The Parquet files of a result with every cell looked at that figures or pictures are made of.

They may come from anyone, or from a tool that renamed a column: a figure must not be made of what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.results.request_columns import COLUMNS
from ai_energy_benchmarks.results.stored_frames import read_frame
from ai_energy_benchmarks.results.timeline import timeline_schema

if TYPE_CHECKING:
    import polars

# Counts and lengths, which are never negative.
_COUNTS = (
    *("number", "prompt_index", "prompt_tokens", "output_tokens", "reasoning_tokens", "cached_prompt_tokens"),
    *("truncated_prompt_tokens", "first_event_tokens", "budget_tokens", "event_tokens"),
    *("prompt_characters", "output_characters"),
)
_REMEDY = "measure again, or give the files as the parquet reporter wrote them"
_OF_ALL = ("trial", "trial_complete", "number", "sent_s", "finished_s")
_OF_SAMPLES = ("name", "subject", "meter", "value", "before_s", "after_s")
_OF_ANSWERS = ("prompt_tokens", "output_tokens", "truncated_prompt_tokens", "token_source", "finish_reason")
# Versions before these columns were written did not have them; what they hold is unknown then.
_LATER = frozenset(("first_event_tokens", "budget_tokens", "event_tokens", "amounts", "run_id", "prompt", "output"))


_WHOLE = (
    "restore the file from a copy, or measure again: the files of the json and parquet reporters are needed, side by "
    "side under their own names"
)


@frozen
class _Cells:
    """Cells that must be there: columns, and of which rows."""

    columns: tuple[str, ...]
    rows: polars.Expr
    of: str


def read_requests(file: Path) -> polars.DataFrame:
    """The rows of ``requests.parquet`` or ``fillers.parquet``.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
        polars.exceptions.PolarsError: it is no whole Parquet file.
        ConfigError: a column is missing or of another type, or a cell is empty or no finite number; the message names
            the file and the column.
    """
    from polars import col, lit

    frame = read_frame(file)
    known = {column.name: column.dtype() for column in COLUMNS}
    _check_columns(file, frame, known, (name for name in known if name not in _LATER))
    _check_filled(file, frame, _Cells(_OF_ALL, lit(True), "a request"))
    _check_filled(file, frame, _Cells(_OF_ANSWERS, col("ok").fill_null(True), "an answer"))
    _check_texts(file, frame, "rendered_sha256", "^[0-9a-f]*$")
    for name in _COUNTS:
        if name in frame.columns and _any_below_zero(frame[name]):
            raise _refused(file, name, "holds a count below 0")
    if (frame["finished_s"] < frame["sent_s"]).any():
        raise _refused(file, "finished_s", "holds an end before the request was sent")
    return frame


def read_timeline(file: Path) -> polars.DataFrame:
    """The rows of ``timeline.parquet``.

    Raises:
        OSError, polars.exceptions.PolarsError, ConfigError: as ``read_requests``.
    """
    from polars import Float64, col

    frame = read_frame(file)
    known = {name: kind() for name, kind in timeline_schema().items()} | {"unix_s": Float64()}
    _check_columns(file, frame, known, known)
    kinds = {
        "sample": _OF_SAMPLES,
        "mark": ("name", "subject", "after_s"),
        "series": ("name", "subject", "meter", "detail"),
        "clock": ("value",),
        "finding": ("name", "subject", "detail"),
    }
    for kind, columns in kinds.items():
        _check_filled(file, frame, _Cells(columns, col("kind") == kind, f"a row of kind {kind!r}"))
    if (frame["kind"] == "clock").sum() != 1:
        raise _refused(file, "kind", "does not name one clock: rows are missing or there twice")
    _check_devices(file, frame)
    return frame


def whole_table(file: Path, read: Callable[[Path], polars.DataFrame]) -> polars.DataFrame:
    """The rows of a file that a result needs.

    Args:
        read: ``read_requests`` or ``read_timeline``.

    Raises:
        ConfigError: it cannot be read; the message names the file.
    """
    import polars

    try:
        return read(file)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise ConfigError(f"cannot read {file}: {reason_of(error)}", remedy=_WHOLE) from error


def read_samples(file: Path) -> polars.DataFrame:
    """The raw samples that a journal keeps: rows of kind ``sample`` as a timeline has them.

    Raises:
        OSError, polars.exceptions.PolarsError, ConfigError: as ``read_requests``.
    """
    from polars import lit

    frame = read_frame(file)
    known = {name: kind() for name, kind in timeline_schema().items()}
    _check_columns(file, frame, known, known)
    if frame["kind"].ne_missing("sample").any():
        raise _refused(file, "kind", "holds other rows than samples")
    _check_filled(file, frame, _Cells(_OF_SAMPLES, lit(True), "a sample"))
    _check_devices(file, frame)
    return frame


def _check_devices(file: Path, frame: polars.DataFrame) -> None:
    """Rows of devices have times in order, no power below 0, and a component."""
    from polars import col

    if (frame["after_s"] < frame["before_s"]).any():
        raise _refused(file, "after_s", "holds a reading that ended before it began")
    if _any_below_zero(frame.filter(col("name") == "power_w", col("kind") == "sample")["value"]):
        raise _refused(file, "value", "holds a power below 0")
    of_devices = frame.filter(col("kind").is_in(["sample", "series"]))
    _check_texts(file, of_devices, "component", f"^({'|'.join(COMPONENTS)})$")
    if of_devices["component"].null_count():
        raise _refused(file, "component", "is empty in a row of a device")


def _check_columns(
    file: Path, frame: polars.DataFrame, known: Mapping[str, polars.DataType], needed: Iterable[str]
) -> None:
    """Every needed column is there, each known one has its type, and every number is finite."""
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        names = ", ".join(missing)
        raise ConfigError(f"{file} has no column {names}: another version or another tool wrote it", remedy=_REMEDY)
    for name, kind in known.items():
        if name not in frame.columns:
            continue
        if not _alike(frame.schema[name], kind):
            raise _refused(file, name, f"holds {frame.schema[name]}, not {kind}")
        numbers = next(_floats(frame[name]), None)
        if numbers is not None and not numbers.is_finite().all():
            raise _refused(file, name, "holds a number that is not finite")


def _alike(found: polars.DataType, kind: polars.DataType) -> bool:
    import polars

    if found in (kind, polars.Null):
        return True
    if isinstance(found, polars.List) and isinstance(kind, polars.List):
        inner, wanted = found.inner, kind.inner
        return inner == polars.Null or (inner.is_integer() and wanted.is_integer()) or inner == wanted
    return found.is_integer() and kind.is_integer()


def _floats(column: polars.Series) -> Iterator[polars.Series]:
    """The numbers of a column that holds any which may not be finite."""
    import polars

    kind = column.dtype
    if isinstance(kind, polars.List) and kind.inner.is_float():
        yield column.explode()
    elif kind.is_float():
        yield column


def _any_below_zero(column: polars.Series) -> bool:
    import polars

    numbers = column.explode() if isinstance(column.dtype, polars.List) else column
    return numbers.dtype.is_numeric() and bool((numbers < 0).any())


def _check_filled(file: Path, frame: polars.DataFrame, cells: _Cells) -> None:
    empty = frame.filter(cells.rows).select(cells.columns).null_count()
    for name in cells.columns:
        if empty[name].item():
            raise _refused(file, name, f"is empty in {cells.of}")


def _check_texts(file: Path, frame: polars.DataFrame, name: str, pattern: str) -> None:
    import polars

    if frame.schema[name] == polars.String and not frame[name].str.contains(pattern).all():
        raise _refused(file, name, "holds a text that this package never writes there")


def _refused(file: Path, column: str, why: str) -> ConfigError:
    return ConfigError(f"{file}: the column {column} {why}", remedy=_REMEDY)
