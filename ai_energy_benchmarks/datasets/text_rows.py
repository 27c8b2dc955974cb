"""Cells of text files: CSV, TSV, JSONL, JSON and TXT, all UTF-8 with or without a byte order mark."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ai_energy_benchmarks.datasets.cells import Cell, Source, missing_column, no_columns

# csv refuses cells above 131,072 characters by default, which a long-context prompt easily has. The limit is the
# process's; it stays raised, because lowering it again would disturb another thread that reads.
_LONGEST_CELL = 2**31 - 1


def txt_cells(path: Path, source: Source) -> Iterator[Cell]:
    """One prompt a line, without its line end."""
    no_columns(source)
    for number, line in _lines(path, source):
        yield Cell(f"line {number}", line.rstrip("\r\n"))


def csv_cells(path: Path, source: Source) -> Iterator[Cell]:
    """One column of a table separated by commas, whose first line names the columns."""
    return _table_cells(path, source, ",")


def tsv_cells(path: Path, source: Source) -> Iterator[Cell]:
    """The same, separated by tabs."""
    return _table_cells(path, source, "\t")


def _table_cells(path: Path, source: Source, separator: str) -> Iterator[Cell]:
    csv.field_size_limit(_LONGEST_CELL)
    lines = (line for _, line in _lines(path, source))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows = _rows(reader, source)
    header = next(rows, None)
    if header is None:
        raise source.error("the file has no line that names the columns", "write the names of the columns first")
    if header.count(source.column or "") > 1:
        raise source.error("two columns have this name", "rename one of them")
    if source.column not in header:
        raise missing_column(source, header)
    position = header.index(source.column)
    for row in rows:
        place = f"line {reader.line_num}"
        if len(row) != len(header):
            raise source.error(
                f"{len(row)} cells where the first line names {len(header)} columns",
                f"put texts that contain {separator!r} or line ends in double quotes",
                place=place,
            )
        yield Cell(place, row[position])


def _rows(reader: Iterator[list[str]], source: Source) -> Iterator[list[str]]:
    """Rows as ``csv`` sees them, blank lines left out."""
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise source.error(
                f"not a well-formed table: {error}",
                "put texts that contain quotes, separators or line ends in double quotes, and double the quotes inside",
                place=f"line {getattr(reader, 'line_num', '?')}",
            ) from error
        if row is None:
            return
        if row:
            yield row


def jsonl_cells(path: Path, source: Source) -> Iterator[Cell]:
    """One JSON object (or string) a line; blank lines are passed over."""
    for number, line in _lines(path, source):
        if line.strip():
            place = f"line {number}"
            yield Cell(place, _of_record(_parse(line, source, place), source, place))


def json_cells(path: Path, source: Source) -> Iterator[Cell]:
    """A list of objects, a list of strings, or an object of columns (lists, or row name → value)."""
    found = _parse("".join(line for _, line in _lines(path, source)), source, "")
    if isinstance(found, list):
        for number, record in enumerate(found, start=1):
            place = f"item {number}"
            yield Cell(place, _of_record(record, source, place))
        return
    column = _of_record(found, source, "") if isinstance(found, Mapping) else None
    values = list(column.values()) if isinstance(column, Mapping) else column
    if not isinstance(values, list):
        raise source.error(
            "the file is neither a list nor an object whose values are columns",
            'write [{"text": "…"}, …], ["…", …] or {"text": ["…", …]}; one object a line is .jsonl',
        )
    for number, value in enumerate(values, start=1):
        yield Cell(f"item {number}", value)


def _of_record(record: object, source: Source, place: str) -> object:
    """The column of one record; a bare string is the prompt itself."""
    if isinstance(record, str):
        no_columns(source)
        return record
    if not isinstance(record, Mapping):
        raise source.error(
            "expected an object or a string", 'write each prompt as {"text": "…"} or as "…"', place=place
        )
    if source.column not in record:
        raise missing_column(source, [str(key) for key in record], place=place)
    return record[source.column]


def _parse(text: str, source: Source, place: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        several = error.msg == "Extra data" and not place
        where = f"character {error.colno}" if place else f"line {error.lineno}, character {error.colno}"
        remedy = "if each line is an object of its own, name the file .jsonl" if several else "correct the JSON there"
        raise source.error(f"not valid JSON: {error.msg} at {where}", remedy, place=place) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits; brackets nested as deep
        raise source.error(f"JSON that cannot be read: {error}", "simplify the values there", place=place) from error


def _lines(path: Path, source: Source) -> Iterator[tuple[int, str]]:
    """Lines with their ends, numbered from 1; split at line feeds only.

    Decoded one by one, so that a bad byte can be told with its line.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise source.error(
                    f"byte 0x{line[error.start]:02x} at position {error.start + 1} is not UTF-8",
                    f"save the file as UTF-8, for instance: iconv -f latin1 -t utf-8 {path.name}",
                    place=f"line {number}",
                ) from error


_Magics = Sequence[tuple[bytes, str, str]]
_MAGICS: _Magics = (
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first: gunzip"),
    (b"PK\x03\x04", "a spreadsheet or zip archive", "save it as CSV with UTF-8 encoding"),
    (b"\xff\xfe", "in UTF-16", "save the file as UTF-8, for instance: iconv -f utf-16 -t utf-8"),
    (b"\xfe\xff", "in UTF-16", "save the file as UTF-8, for instance: iconv -f utf-16 -t utf-8"),
)


def refuse_other_formats(path: Path, source: Source) -> None:
    """Stop at the first bytes if the file is not the text that its name promises.

    Raises:
        DatasetError: the file is empty, or of a known binary format.
    """
    with path.open("rb") as file:
        first = file.read(4)
    if not first:
        raise source.error("the file is empty", "choose a file with prompts in it")
    for magic, what, remedy in _MAGICS:
        if first.startswith(magic):
            raise source.error(f"the file is {what}, not {path.suffix} text", remedy)
