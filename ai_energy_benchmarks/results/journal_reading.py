"""The journal of a run that ended without writing its report, read back."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs
from attrs import define, field

from ai_energy_benchmarks.config.loading import config_from_yaml
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Device, Quantity, Samples, Series
from ai_energy_benchmarks.domain.result import Ending, Reasoning, RowFiles, Step, Trial
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.results.details import stored
from ai_energy_benchmarks.results.reanalysis.stored import in_order, outcomes_of
from ai_energy_benchmarks.results.run_directory import JOURNAL, LINES_FILE
from ai_energy_benchmarks.results.stored_tables import read_requests, read_samples
from ai_energy_benchmarks.safety.files import entries, refuse_special
from ai_energy_benchmarks.text.json_text import parsed

if TYPE_CHECKING:
    import polars

# What is lost with the line that names a damaged file.
_WITH_REQUESTS = "its intact requests too"
_FOR_FILLERS = "although only its filler requests are damaged"
_READINGS = "the meters' readings in it, which the timeline and re-analysis then lack"


@define
class Left:
    """What a run left behind.

    Attributes:
        ending: how the run ended, if it lived to note that; None if it was killed before.
        prompt_indices: the prompt index of each request of a pass.
        row_files: the rows of requests of ``trials``.
    """

    run_id: str
    started_utc: str
    clock_offset_s: float
    environment: Environment
    config: BenchmarkConfig
    ending: Ending | None = None
    engine: EngineFacts | None = None
    reasoning: Reasoning | None = None
    meter_notes: tuple[str, ...] = ()
    dataset_sha256: str = ""
    steps: list[Step] = field(factory=list)
    trials: list[Trial] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    samples: Samples = field(factory=Samples)
    prompt_indices: Sequence[int] = ()
    row_files: RowFiles = field(factory=lambda: RowFiles(()))


def is_empty(run_directory: Path) -> bool:
    """Whether the run was killed before it had measured anything: at most a part of the first line, and no rows."""
    directory = run_directory / JOURNAL
    try:
        content = (directory / LINES_FILE).read_bytes()
        has_rows = any(file.suffix == ".parquet" for file in entries(directory))
    except OSError:
        return False  # whoever reads it will say what is wrong
    return not has_rows and b"\n" not in content and not _lines(directory / LINES_FILE, content)


def read_journal(run_directory: Path) -> Left:
    """Read ``journal/`` of a run's directory; a last line that was cut short does not count.

    Raises:
        ConfigError: there is no journal, it does not hold even the start of a run, a line is damaged, or another
            program wrote it.
    """
    from polars.exceptions import PolarsError

    directory = run_directory / JOURNAL
    file = directory / LINES_FILE
    try:
        content = file.read_bytes()
        config_yaml = (directory / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = "restore the file from a copy, or give the output_dir of the run"
        raise ConfigError(f"cannot read {directory}: {error}", remedy=remedy) from error
    lines = _lines(file, content)
    if not lines or "run" not in lines[0]:
        remedy = (
            f"restore it from a copy; without its first line no trial can be recovered: then remove {run_directory}"
        )
        raise ConfigError(f"{file} does not hold the start of a run", remedy=remedy)
    try:
        return _left(directory, lines, config_yaml)
    except ConfigError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OSError, PolarsError) as error:
        text = f"{directory} is no journal that this package wrote: {type(error).__name__}: {error}"
        raise ConfigError(text, remedy=f"remove {run_directory}") from error


def _left(directory: Path, lines: Sequence[Mapping[str, Any]], config_yaml: str) -> Left:
    run = lines[0]["run"]
    left = Left(
        run_id=run["run_id"],
        started_utc=datetime.fromisoformat(run["started_utc"]).isoformat(),
        clock_offset_s=float(run["clock_offset_s"]),
        environment=stored(run["environment"], Environment, f"the first line of {directory / LINES_FILE}"),
        config=config_from_yaml(config_yaml, source=str(directory / "config.yaml"), stored=True),
    )
    trials: dict[int, Mapping[str, Any]] = {}
    series: list[list[str]] = []
    sample_files: list[Path] = []
    for line in lines:
        _take(left, line, directory / LINES_FILE)
        series = line.get("series", series)
        sample_files += [_piece(directory, name) for name in line.get("samples", ())]
        if "trial" in line:
            trials[line["trial"]["number"]] = line
    left.samples = _samples(series, sample_files)
    _add_trials(left, directory, trials.values())
    if not left.trials:
        _refuse_rows_without_a_line(directory)
    return left


def _lines(file: Path, content: bytes) -> list[dict[str, Any]]:
    """The lines of a journal; only the last one may be cut short, by a kill while it was written.

    Raises:
        ConfigError: another line is damaged; the message has its number.
    """
    found = []
    *whole, last = content.split(b"\n")
    for number, line in enumerate(whole, start=1):
        try:
            found.append(parsed(line.decode("utf-8")))
        except ValueError as error:
            raise _damaged(file, number, error) from error
    with suppress(ValueError):
        found.append(parsed(last.decode("utf-8")))
    return [value for value in found if isinstance(value, dict)]


def _damaged(file: Path, number: int, error: ValueError) -> ConfigError:
    why = f"no JSON from its character {error.colno} on" if isinstance(error, JSONDecodeError) else str(error)
    loss = "without it no trial can be recovered"
    if number > 1:
        loss = "removing it costs what it holds, the whole trial if it is the line of one"
    return ConfigError(
        f"line {number} of {file} is damaged: {why}",
        remedy=f"restore the file from a copy, or correct the line; {loss}",
    )


def _piece(directory: Path, name: object) -> Path:
    """A file of rows that a line of the journal names, which may only be one next to it.

    Raises:
        ConfigError: the name leads elsewhere, as one that another program wrote may.
        OSError: it is a pipe or a device.
    """
    path = directory / str(name)
    if not isinstance(name, str) or path.name != name or path.resolve().parent != directory.resolve():
        raise ConfigError(
            f"{directory / LINES_FILE} names the file {str(name)!r}, which is not in {directory}",
            remedy=f"another program wrote it: remove {directory.parent}",
        )
    refuse_special(path)
    return path


def _take(left: Left, line: Mapping[str, Any], file: Path) -> None:
    place = f"a line of {file}"
    if "step" in line:
        left.steps.append(stored(line["step"], Step, place))
    if "finding" in line:
        left.findings.append(stored(line["finding"], Finding, place))
    if line.get("engine"):
        left.engine = stored(line["engine"], EngineFacts, place)
    if line.get("reasoning"):
        left.reasoning = stored(line["reasoning"], Reasoning, place)
    left.meter_notes = tuple(line.get("notes", left.meter_notes))
    left.dataset_sha256 = line.get("dataset_sha256", left.dataset_sha256)
    left.ending = line.get("ended", left.ending)


def _add_trials(left: Left, directory: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    requests: list[Path] = []
    fillers: list[Path] = []
    indices: dict[int, int] = {}
    for line in lines:
        trial = stored(line["trial"], Trial, f"a line of {directory / LINES_FILE}")
        own = [[_piece(directory, name) for name in line[kind]] for kind in ("requests", "fillers")]
        losses = [f"the whole trial {trial.number}, {which}" for which in (_WITH_REQUESTS, _FOR_FILLERS)]
        rows = [[_rows(path, read_requests, loss) for path in paths] for paths, loss in zip(own, losses, strict=True)]
        for paths, frames, loss in zip(own, rows, losses, strict=True):
            for path, frame in zip(paths, frames, strict=True):
                _check_origin(path, frame, left.run_id, trial.number, loss)
        outcomes, filled = ([outcome for frame in frames for outcome in outcomes_of(frame)] for frames in rows)
        left.trials.append(attrs.evolve(trial, outcomes=tuple(outcomes), fillers=tuple(filled)))
        for frame in rows[0]:
            indices.update(zip(frame["number"], frame["prompt_index"], strict=True))
        requests += own[0]
        fillers += own[1]
    left.prompt_indices = in_order(indices)
    left.row_files = RowFiles(tuple(requests), tuple(fillers))


def _refuse_rows_without_a_line(directory: Path) -> None:
    """Where no line of a trial is left, rows of requests are more than a report without a trial is worth.

    Raises:
        ConfigError: there are such rows; a table that was cut by a kill is none.
    """
    from polars.exceptions import PolarsError

    files = []
    for file in (each for each in entries(directory) if each.suffix == ".parquet"):
        with suppress(ConfigError, OSError, PolarsError):
            read_requests(file)
            files.append(file.name)
    if files:
        raise ConfigError(
            f"{directory / LINES_FILE} holds no trial, and {' and '.join(files)} next to it the requests of one: lines "
            "are cut off, or the run was killed while it stored its first trial",
            remedy=f"restore {LINES_FILE} from a copy; if there is none, remove {' and '.join(files)}: no trial can be "
            "recovered without its line",
        )


def _rows(file: Path, read: Callable[[Path], polars.DataFrame], loss: str) -> polars.DataFrame:
    """The rows of one of the journal's files, every cell of which is looked at.

    Args:
        loss: what is lost with the line that names the file.

    Raises:
        ConfigError: the file is missing or damaged, or another program wrote it.
    """
    from polars.exceptions import PolarsError

    try:
        return read(file)
    except ConfigError as error:
        raise _unusable(file, error.message, loss) from error
    except (OSError, PolarsError) as error:
        raise _unusable(file, f"cannot read {file}: {reason_of(error)}", loss) from error


def _check_origin(file: Path, frame: polars.DataFrame, run_id: str, trial: int, loss: str) -> None:
    """The rows of requests are those of this run and trial; versions before wrote no run."""
    runs = set(frame["run_id"].drop_nulls()) if "run_id" in frame.columns else set()
    if runs - {run_id}:
        raise _unusable(file, f"{file} holds requests of the run {', '.join(sorted(runs))}, not of {run_id}", loss)
    if others := set(frame["trial"]) - {trial}:
        raise _unusable(file, f"{file} holds requests of trial {min(others)}, not of trial {trial}", loss)


def _unusable(file: Path, message: str, loss: str) -> ConfigError:
    lines = file.parent / LINES_FILE
    remedy = f"restore the file from a copy, or remove the line of {lines} that names it, which costs {loss}"
    return ConfigError(message, remedy=f"{remedy}: the rest is then recovered")


def _samples(series: Sequence[Sequence[str]], files: Sequence[Path]) -> Samples:
    import polars

    if not files:
        return Samples()
    rows = polars.concat([_rows(file, read_samples, _READINGS) for file in files], how="vertical_relaxed")
    key = ("name", "subject", "component", "meter")
    parts = rows.partition_by(key, as_dict=True, maintain_order=True)
    found = []
    for quantity, device_id, component, meter, label in series:
        part = parts.get((quantity, device_id, component, meter))
        if part is not None:
            if not part["after_s"].is_sorted():
                raise ConfigError(
                    f"the samples of {quantity} of {device_id} in {files[0].parent} are not in the order of time",
                    remedy=f"another program wrote them: remove {files[0].parents[1]}",
                )
            device = Device(cast("Component", component), device_id, label)
            columns = (array("d", part[each].to_list()) for each in ("before_s", "after_s", "value"))
            found.append(Series(device, cast("Quantity", quantity), meter, *columns))
    return Samples(tuple(found))
