"""``export``: a result for other tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.errors import ConfigError

# Form → the name of its file in the directory of the result.
_FILES: Mapping[str, str] = {
    "optimum": "optimum_benchmark_report.json",
    "codecarbon": "emissions.csv",
    "prometheus": "ai_energy_benchmark.prom",
}
_TRACKERS = ("mlflow", "wandb")


@click.command(short_help="Hand a result to other tools.")
@click.argument("result", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--to", "form", required=True, type=click.Choice([*_FILES, *_TRACKERS]), help="The tool.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="The file.  [default: in the directory of the result]")  # fmt: skip
def export(result: Path, form: str, output: Path | None) -> int:
    """Write the result directory RESULT as optimum-benchmark's report, a row of CodeCarbon's emissions.csv or a text
    file for Prometheus' node_exporter, or log it to MLflow or Weights & Biases (extras of the same names).

    A figure that the report withholds is never a number: it is null, empty or missing, with its reason next to it. The
    verdict goes along.
    """
    from ai_energy_benchmarks.results.exports.codecarbon import emissions_csv
    from ai_energy_benchmarks.results.exports.optimum import optimum_report
    from ai_energy_benchmarks.results.exports.prometheus import textfile
    from ai_energy_benchmarks.results.exports.trackers import to_mlflow, to_wandb
    from ai_energy_benchmarks.results.quotable import Document
    from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document
    from ai_energy_benchmarks.results.writing import write_text

    document = load_document(result / RESULT_FILE)
    if form in _TRACKERS:
        if output is not None:
            raise ConfigError(f"--to {form} writes no file", remedy="leave --output out")
        log = to_mlflow if form == "mlflow" else to_wandb
        say(f"logged to {form} as run {log(document, result)}")
        return DONE
    writers: Mapping[str, Callable[[Document], str]] = {
        "optimum": optimum_report,
        "codecarbon": emissions_csv,
        "prometheus": textfile,
    }
    target = output or result / _FILES[form]
    write_text(target, writers[form](document))
    say(f"wrote {target}")
    return DONE
