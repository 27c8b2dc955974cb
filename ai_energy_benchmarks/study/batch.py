"""A batch: every model of a list in a process of its own, resumable, with one master table."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from attrs import frozen

from ai_energy_benchmarks.config.aienergyscore.profiles import with_profile
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.config.user_defaults import SWITCH, laid_under
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.machine.interpreter import module_command
from ai_energy_benchmarks.results.no_score import why_no_score
from ai_energy_benchmarks.results.writing import write_text
from ai_energy_benchmarks.safety.handing_over import handed_over
from ai_energy_benchmarks.study.master_table import failed_row, master_row, write_master
from ai_energy_benchmarks.study.model_list import TEXT_TASK, ListedModel
from ai_energy_benchmarks.text.yaml_text import dump

MASTER_FILE = "master_results.csv"
_ASKED = "asked.yaml"
Outcome = Literal["done", "kept", "failed"]
Launch = Callable[[Path, Path], int]
Told = Callable[[ListedModel, Outcome, str], None]
Begun = Callable[[ListedModel, Path], None]


@frozen
class Batch:
    """What is measured, and where it goes.

    Attributes:
        directory: gets ``individual_runs/<model and state>/``, ``logs/`` and the master table.
        backend: the engine's name.
        overrides: keys of the config, the same for all models.
        defaults: keys that lie under it all, which are then not looked for in the user's own file.
    """

    directory: Path
    backend: str = "pytorch"
    overrides: Mapping[str, object] = {}
    defaults: Mapping[str, object] = {}

    def run_directory(self, row: ListedModel) -> Path:
        """Where the results of one row are."""
        return self.directory / "individual_runs" / row.slug

    def config_text(self, row: ListedModel) -> str:
        """The config of one row as YAML: the profile, the row, the overrides.

        Raises:
            ConfigError: the row or the overrides ask for what cannot be; the message has every problem.
        """
        if row.task not in ("", TEXT_TASK):
            raise ConfigError(f"task {row.task!r} is not text generation, which is all that this package measures")
        scenario: dict[str, object] = {"reasoning": row.reasoning}
        if row.reasoning_params:
            scenario["reasoning_params"] = dict(row.reasoning_params)
        mapping = {
            "name": row.slug,
            "backend": {"type": self.backend, "model": row.model},
            "scenario": scenario,
            "output_dir": str(self.run_directory(row)),
        }
        profiled = with_profile("aienergyscore", with_overrides(mapping, self.overrides))
        profiled = laid_under(self.defaults, profiled)
        config_from_mapping(profiled, source=f"line {row.line}")
        return dump(handed_over(profiled)[0])

    def variables(self) -> Mapping[str, str]:
        """Environment variables with the secrets of the overrides, which the configs of the runs only name."""
        return handed_over(laid_under(self.defaults, with_overrides({}, self.overrides)))[1]


def run_batch(
    batch: Batch,
    rows: Sequence[ListedModel],
    told: Told,
    launch: Launch | None = None,
    begun: Begun = lambda row, log: None,
) -> tuple[int, int]:
    """Measure every row that has no complete result from the same config; the master table is rewritten after each.

    A row that fails, or whose figure is withheld, has its reason in the table and does not stop the others. An
    interrupt does; the next call goes on with the row that was interrupted.

    Args:
        told: called after each row with its outcome and the reason of a failure.
        begun: called before a row is measured, with the file that everything it prints goes to.
        launch: runs a config file with a log file and returns the exit code; a process of our own command if None.

    Returns:
        How many rows have a result, and how many failed.
    """
    start = launch or partial(launch_process, variables=batch.variables())
    reasons: dict[str, str] = {}
    for row in rows:
        outcome, reason = _one(batch, row, start, begun)
        if outcome == "failed":
            reasons[row.slug] = reason
        told(row, outcome, reason)
        write_master(batch.directory / MASTER_FILE, _table(batch, rows, reasons))
    return len(rows) - len(reasons), len(reasons)


def launch_process(config: Path, log: Path, variables: Mapping[str, str] = {}) -> int:
    """Run a config in a process of its own, with everything it prints in ``log``; it ends with this process.

    Args:
        variables: environment variables that the config names.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = module_command("ai_energy_benchmarks.cli.attended", "run", str(config), "-v")
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches it once, through the pipe, and it may end in its own time.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **variables, SWITCH: "1"},  # what the user's defaults say stands in the config already
        )
        assert process.stdin is not None
        try:
            return process.wait()
        finally:
            process.stdin.close()
            process.wait()


def _one(batch: Batch, row: ListedModel, start: Launch, begun: Begun) -> tuple[Outcome, str]:
    try:
        text = batch.config_text(row)
    except ConfigError as error:
        return "failed", str(error)
    directory = batch.run_directory(row)
    asked = directory / _ASKED
    if (kept := _document_of(directory, text)) is not None:
        return _outcome(kept, "kept")
    (directory / "result.json").unlink(missing_ok=True)  # of another config, or of a run that was cut short
    write_text(asked, text)
    log = batch.directory / "logs" / f"{row.slug}.log"
    begun(row, log)
    code = start(asked, log)
    if code == 0 and (document := _document(directory)) is not None:
        return _outcome(document, "done")
    return "failed", _reason(log, code)


def _outcome(document: Mapping[str, object], finished: Outcome) -> tuple[Outcome, str]:
    """A complete run whose figure is withheld is refused; a machine without a GPU meter has nothing to refuse."""
    withheld = why_no_score(document)
    measured = isinstance(components := document.get("components"), Mapping) and "gpu" in components
    return ("failed", withheld) if withheld is not None and measured else (finished, "")


def _document_of(directory: Path, asked: str) -> dict[str, object] | None:
    """The report of a complete run of that very config."""
    file = directory / _ASKED
    if not file.exists() or file.read_text(encoding="utf-8") != asked:
        return None
    return _document(directory)


def _document(directory: Path) -> dict[str, object] | None:
    """The report of a run that came to its end."""
    try:
        document = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    complete = isinstance(document, dict) and document.get("ending") == "completed"
    return document if complete else None


def _reason(log: Path, code: int) -> str:
    """The last error in the log, else its last line."""
    lines = (
        [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
        if log.exists()
        else []
    )
    told = [line for line in lines if line.startswith("error:")] or [line for line in lines if line][-1:]
    return f"exit code {code}: {told[-1].removeprefix('error:').strip()}" if told else f"exit code {code}; see {log}"


def _table(batch: Batch, rows: Sequence[ListedModel], reasons: Mapping[str, str]) -> list[dict[str, str]]:
    table = []
    for row in rows:
        directory = batch.run_directory(row)
        try:
            document = _document_of(directory, batch.config_text(row))
        except ConfigError:
            document = None
        if document is not None:
            table.append(master_row(row, document, directory))
        elif row.slug in reasons:
            table.append(failed_row(row, reasons[row.slug]))  # without it, its turn is still to come
    return table
