"""``aienergyscore``: the whole job of AI Energy Score's container."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED
from ai_energy_benchmarks.cli.logs import log_options
from ai_energy_benchmarks.cli.options import as_overrides, output_dir_option, samples_option
from ai_energy_benchmarks.cli.streams import say


@click.command(short_help="Measure one model as AI Energy Score does.")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--config", type=click.Path(path_type=Path), help="A config, with the keys of this package or of optimum-benchmark."
)
@click.option("--config-name", default="text_generation", show_default=True,
              help="The config NAME.yaml in --config-dir; without one, the task.")  # fmt: skip
@click.option("--config-dir", type=click.Path(file_okay=False, path_type=Path), help="Where --config-name is.")
@samples_option("1000", older=("--num-samples",))
@output_dir_option("RESULTS_DIR, else results")
@click.option("--strict", is_flag=True, help="Exit with 3 if the verdict is FAIL.")
@log_options
@click.pass_context
def aienergyscore(
    ctx: click.Context,
    *,
    overrides: tuple[str, ...],
    config: Path | None,
    config_name: str,
    config_dir: Path | None,
    samples: int | None,
    output_dir: Path | None,
    strict: bool,
) -> int:
    """Measure one model by the method of AI Energy Score, and write the files of its portal.

    KEY=VALUE changes a key of the config; backend.model is needed. Environment: BENCHMARK_BACKEND (pytorch, the
    default, or vllm), VLLM_ENDPOINT, RESULTS_DIR (default: results), and HF_TOKEN for gated models.

    Without the energy of a GPU there is no score: the files say so and the exit code is 1.
    """
    from ai_energy_benchmarks.cli.run import measure
    from ai_energy_benchmarks.config.aienergyscore.container import container_mapping
    from ai_energy_benchmarks.config.loading import config_from_mapping, mapping_from_file
    from ai_energy_benchmarks.config.overrides import parse_assignments
    from ai_energy_benchmarks.reporters.aienergyscore import SUMMARY_FILE, WH_FILE

    changes = parse_assignments(overrides) | as_overrides(samples, None)
    file = config or (config_dir / f"{config_name}.yaml" if config_dir else None)
    if file is None and config_name != "text_generation":
        raise click.UsageError(f"only text_generation needs no --config-dir, got {config_name!r}", ctx)
    directory = {} if output_dir is None else {"RESULTS_DIR": str(output_dir)}
    translated = container_mapping(mapping_from_file(file) if file else {}, changes, {**os.environ, **directory})
    for note in translated.notes:
        say(f"note: {note}", err=True)
    checked = config_from_mapping(translated.mapping, source=str(file or "the command line"))
    code = measure(checked, strict=strict)
    if code == DONE and not (checked.output_dir / WH_FILE).exists():
        say(f"error: no GPU energy, so no score; {checked.output_dir / SUMMARY_FILE} says why", err=True)
        return RUN_FAILED
    return code
