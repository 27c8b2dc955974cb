"""Result directories back to report documents, whichever version wrote them."""

from __future__ import annotations

from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

from ai_energy_benchmarks.domain.result import SCHEMA_VERSION
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.run_directory import RUNS, left_journals
from ai_energy_benchmarks.safety.files import entries, files_below
from ai_energy_benchmarks.text.json_text import read_json

RESULT_FILE = "result.json"
PAGE_FILE = "report.html"
# Of a column of 64 bits.
_LARGEST = 2**63
_REMEDY = "give the output_dir of a finished run"


def load_results(path: str | Path) -> tuple[dict[str, Any], ...]:
    """Read the report documents under a path, in the order in which the benchmarks were started.

    Args:
        path: a ``result.json``, the directory of one run, or a directory that holds such directories. Runs that did
            not complete count where no completed one is.

    Raises:
        ConfigError: there is no result, a file cannot be read, or a newer version of this package wrote it.
    """
    documents = [load_document(each) for each in result_files(path)]
    return tuple(sorted(documents, key=lambda each: str(each.get("started_utc", ""))))


def result_files(path: str | Path) -> tuple[Path, ...]:
    """The files that ``load_results`` reads, in the order of their names.

    Raises:
        ConfigError: there is none.
    """
    place = Path(path)
    files = _completed(sorted(files_below(place, RESULT_FILE))) if place.is_dir() else [place]
    if not files:
        raise ConfigError(
            f"{place} holds no {RESULT_FILE}",
            remedy=f"{_REMEDY}, or a directory of such directories",
        )
    return tuple(files)


def _completed(files: list[Path]) -> list[Path]:
    known = set(files)
    return [each for each in files if not _is_aside(each) or each.parents[2] / RESULT_FILE not in known]


def _is_aside(file: Path) -> bool:
    """Whether it lies in ``runs/<run id>/``, as results of runs do that did not complete."""
    return len(file.parents) > 2 and file.parents[1].name == RUNS  # its own, ``runs``, and what holds it


def load_document(file: Path) -> dict[str, Any]:
    """Read one report document.

    Raises:
        ConfigError: the file cannot be read, or a newer version of this package wrote it.
    """
    try:
        document = read_json(file)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror or error}", remedy=_instead_of(file)) from error
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}", remedy="run the benchmark again") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ConfigError(f"{file} is not a report document: its schema_version is {version!r}", remedy=_REMEDY)
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"{file} has schema_version {version}; this package knows versions up to {SCHEMA_VERSION}",
            remedy="pip install --upgrade ai_energy_benchmarks",
        )
    _refuse_impossible(file, document)
    return document


def _instead_of(file: Path) -> str:
    """What to give for a report that cannot be read: the one of a run that did not complete, if there is one."""
    directory = file.parent
    with suppress(OSError):  # of a directory that cannot be listed either
        runs = [run for run in entries(directory / RUNS) if (run / RESULT_FILE).is_file()]
        if not file.exists() and runs:
            which = "the run" if len(runs) == 1 else f"the last of {len(runs)} runs"
            return f"give {runs[-1]}, which holds the report of {which} that did not complete"
        if not file.exists() and left_journals(directory):
            return f"ai-energy-benchmark recover {directory} makes the report of the run that was killed"
    return _REMEDY


def _refuse_impossible(file: Path, document: dict[str, Any]) -> None:
    """This package writes null in the place of a number that is not finite; so many digits are of no count either.

    Raises:
        ConfigError: it holds such a number; the message names its key.
    """
    rest: list[tuple[str, Any]] = [("", document)]
    while rest:
        path, value = rest.pop()
        kind = type(value)
        if kind is dict:
            rest.extend((f"{path}.{key}" if path else key, inner) for key, inner in value.items())
        elif kind is list:
            rest.extend((f"{path}[{place}]", inner) for place, inner in enumerate(value))
        elif (kind is float and not isfinite(value)) or (kind is int and abs(value) > _LARGEST):
            shown = value if kind is float else f"a whole number of {value.bit_length()} bits"
            raise ConfigError(f"{file} is not a report document: {path} is {shown}", remedy="run the benchmark again")
