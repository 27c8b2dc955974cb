"""``batch``: every model of a list, each in a process of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import define

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.options import as_overrides, samples_option
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.domain.durations import left, spoken
from ai_energy_benchmarks.errors import ConfigError

if TYPE_CHECKING:
    from ai_energy_benchmarks.study.batches.model_list import ListedModel


@click.command(short_help="Measure every model of a list.")
@click.argument("models", type=click.Path(path_type=Path))
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), default=Path("batch_results"),
              show_default=True, help="Where runs, logs and master_results.csv go.")  # fmt: skip
@click.option("--backend", default="pytorch", show_default=True, help="The engine.")
@click.option("--model-name", "names", multiple=True, help="Only models with this in their name. May be repeated.")
@click.option("--class", "classes", multiple=True, help="Only this class: A, B or C. May be repeated.")
@click.option("--priority", "priorities", multiple=True, help="Only this priority. May be repeated.")
@click.option("--task", "tasks", multiple=True, help="Only this task, such as text_gen. May be repeated.")
@click.option("--reasoning-state", default="", help="Only rows with this in their reasoning state: on, off, high …")
@samples_option("1000", older=("--num-prompts", "--num-samples"))
@click.option("-o", "--override", "overrides", multiple=True, metavar="KEY=VALUE",
              help="Change one key for all models. May be repeated.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Name the rows that would run, and stop.")
@log_options
def batch(
    *,
    models: Path,
    output_dir: Path,
    backend: str,
    names: tuple[str, ...],
    classes: tuple[str, ...],
    priorities: tuple[str, ...],
    tasks: tuple[str, ...],
    reasoning_state: str,
    samples: int | None,
    overrides: tuple[str, ...],
    dry_run: bool,
) -> int:
    """Measure every model of the CSV file MODELS by the method of AI Energy Score.

    The file has the columns of AI Energy Score's list of models. Run the same command again to go on after a crash
    or Ctrl-C: rows with a complete result from the same settings are kept. master_results.csv has one line per
    model, with the reason for each that failed.

    Exit codes: 0 every row has a result, 1 some failed, 2 the list or a setting is wrong, 130 interrupted,
    143 ended by SIGTERM, 129 by SIGHUP.
    """
    from ai_energy_benchmarks.config.overrides import parse_assignments
    from ai_energy_benchmarks.config.user_defaults import read_user_defaults
    from ai_energy_benchmarks.environment.snapshot import take_snapshot
    from ai_energy_benchmarks.study.batches.batch import MASTER_FILE, Batch, run_batch
    from ai_energy_benchmarks.study.batches.model_list import Filters, read_model_list
    from ai_energy_benchmarks.study.locks import locked
    from ai_energy_benchmarks.study.running.gpus import study_gpus

    changes = parse_assignments(overrides) | as_overrides(samples, None)
    filters = Filters(names, classes, priorities, tasks, reasoning_state)
    listed = read_model_list(models)
    rows = tuple(filter(filters.let_pass, listed))
    if not rows:
        raise ConfigError(f"0 of {len(listed)} rows of {models} match the filters", remedy="remove or correct a filter")
    if dry_run:
        for row in rows:
            say(f"{row.model}  {row.state or '-'}  class {row.model_class or '-'}")
        return DONE

    defaults = read_user_defaults()
    batch_of_models = Batch(output_dir, backend, changes, defaults.mapping if defaults else {})
    lines = _Lines(len(rows))
    environment = take_snapshot()
    with locked(study_gpus(None, environment.boards).locked, output_dir):
        done, failed = run_batch(batch_of_models, rows, lines.ended, begun=lines.begun, environment=environment)
    say(f"{done} of {done + failed} models have a result: {output_dir / MASTER_FILE}")
    return RUN_FAILED if failed else DONE


@define
class _Lines:
    """A line before each row and one after it, with how long it took and how long the others will take.

    Attributes:
        rows: how many there are.
    """

    rows: int
    _ended: int = 0
    _measured: int = 0
    _measured_s: float = 0.0
    _began_s: float | None = None

    def begun(self, row: ListedModel, log: Path) -> None:
        self._began_s = time.monotonic()
        say(f"{self._ended + 1} of {self.rows}: {_name(row)}, everything it prints goes to {log}")

    def ended(self, row: ListedModel, outcome: str, reason: str) -> None:
        self._ended += 1
        took = ""
        if self._began_s is not None:
            seconds = time.monotonic() - self._began_s
            self._measured, self._measured_s, self._began_s = self._measured + 1, self._measured_s + seconds, None
            remaining = left(self._measured, self._measured + self.rows - self._ended, self._measured_s)
            took = f" ({spoken(seconds)}{remaining})"
        say(f"{outcome:7}{_name(row)}{took}{': ' + reason.splitlines()[0] if reason else ''}")


def _name(row: ListedModel) -> str:
    return f"{row.model} {row.state}".strip()
