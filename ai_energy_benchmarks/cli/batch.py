"""``batch``: every model of a list, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.streams import say


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
@click.option("-n", "--num-prompts", type=int, help="Prompts of one pass.  [default: 1000]")
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
    num_prompts: int | None,
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
    from ai_energy_benchmarks.study.batch import MASTER_FILE, Batch, run_batch
    from ai_energy_benchmarks.study.model_list import Filters, ListedModel, read_model_list

    changes = parse_assignments(overrides)
    if num_prompts is not None:
        changes["scenario.num_samples"] = num_prompts
    filters = Filters(names, classes, priorities, tasks, reasoning_state)
    rows = tuple(filter(filters.let_pass, read_model_list(models)))
    if dry_run:
        for row in rows:
            say(f"{row.model}  {row.state or '-'}  class {row.model_class or '-'}")
        return DONE

    defaults = read_user_defaults()
    batch_of_models = Batch(output_dir, backend, changes, defaults.mapping if defaults else {})

    def told(row: ListedModel, outcome: str, reason: str) -> None:
        say(f"{outcome:7}{row.model} {row.state}{': ' + reason.splitlines()[0] if reason else ''}")

    done, failed = run_batch(batch_of_models, rows, told)
    say(f"{done} of {done + failed} models have a result: {output_dir / MASTER_FILE}")
    return RUN_FAILED if failed else DONE
