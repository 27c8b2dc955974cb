"""``report``: a result or a study as one page."""

from __future__ import annotations

from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE


@click.command(short_help="Write a result or a study as an HTML page.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="The page.  [default: report.html in PATH]")  # fmt: skip
def report(path: Path, output: Path | None) -> int:
    """Write one self-contained page: of the result directory PATH, or of a study or a directory of results.

    The page needs no network: charts, data and scripts are in it.
    """
    from ai_energy_benchmarks.reporters.html.reporter import PAGE_FILE
    from ai_energy_benchmarks.reporters.html.result_page import result_page
    from ai_energy_benchmarks.results.reading import RESULT_FILE
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.study.page import study_page

    target = output or path / PAGE_FILE
    text = result_page(path) if (path / RESULT_FILE).is_file() else study_page(path)
    write_text(target, text)
    click.echo(f"wrote {target}")
    return DONE
