"""``report``: a result or a study as a page, a table for a paper, or one figure."""

from __future__ import annotations

from pathlib import Path

import click

from ai_energy_benchmarks.cli.exit_codes import DONE
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.errors import ConfigError

_PICTURES = (".svg", ".png", ".pdf")


@click.command(short_help="Write a result or a study as a page, a table or a figure.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="The file; its ending chooses the form.  [default: report.html in PATH]")  # fmt: skip
@click.option("--figure", metavar="NAME", help="Which chart a picture shows.  [default: the first]")
def report(path: Path, output: Path | None, figure: str | None) -> int:
    """Write the result directory PATH, or a study or directory of results, in another form.

    A page (.html) holds its charts, data and scripts and needs no network. Tables are Markdown (.md), LaTeX with
    booktabs (.tex) or .csv. Pictures (.svg, .png, .pdf) need the extra "report".
    """
    from ai_energy_benchmarks.reporters.tables import FORMATS
    from ai_energy_benchmarks.results.reading import PAGE_FILE
    from ai_energy_benchmarks.results.writing import write_text
    from ai_energy_benchmarks.study import report as reports

    target = output or path / PAGE_FILE
    ending = target.suffix.lower()
    if figure is not None and ending not in _PICTURES:
        raise ConfigError(
            "--figure chooses the chart of a picture", remedy=f"let --output end in {', '.join(_PICTURES)}"
        )
    if ending in _PICTURES:
        reports.write_picture(path, figure, target)
    elif ending in FORMATS:
        write_text(target, FORMATS[ending](reports.table_of(path)))
    elif ending in (".html", ".htm"):
        write_text(target, reports.page_of(path))
    else:
        forms = ", ".join((".html", *FORMATS, *_PICTURES))
        raise ConfigError(f"no report has the ending {target.suffix!r}", remedy=f"let --output end in one of {forms}")
    say(f"wrote {target}")
    return DONE
