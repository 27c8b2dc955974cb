"""``rate``: the stars of AI Energy Score."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ai_energy_benchmarks.cli.exit_codes import DONE, RUN_FAILED
from ai_energy_benchmarks.cli.streams import say
from ai_energy_benchmarks.text.json_text import shown_json

if TYPE_CHECKING:
    from ai_energy_benchmarks.analysis.stars import Rating
    from ai_energy_benchmarks.results.scores import Score


@click.command(short_help="Give models their stars.")
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--label", "labels", type=click.Path(file_okay=False, path_type=Path),
              help="Write a label for each model to this directory.")  # fmt: skip
def rate(*, results: tuple[Path, ...], as_json: bool, labels: Path | None) -> int:
    """Rate the models of RESULTS as AI Energy Score does: result directories, result files and CSV tables together.

    Per task and class (A up to 20 billion parameters, B up to 66, C above) the range of GPU energy per 1,000 queries
    is cut into five bands of equal width; the lowest has five stars. "could be" is what the intervals allow.

    A label (SVG, 260 × 364; PNG too with the extra "report") is only for the whole method: 10 runs over its 1,000
    prompts, one at a time, without FAIL. It is marked "self-measured, not an official rating".

    Exit codes: 0 some model was rated, 1 none.
    """
    from ai_energy_benchmarks.results.scores import read_scores

    groups: dict[str, list[Score]] = {}
    for score in read_scores(results):
        groups.setdefault(score.group, []).append(score)
    tables = {group: _rated(scores) for group, scores in sorted(groups.items())}
    notes = [
        f"{score.name} ({group}, {score.source}): {score.note}"
        for group in groups
        for score in groups[group]
        if score.note
    ]
    notes += [f"{group}: {why}" for group, (_, why) in tables.items() if why]
    if labels is not None:
        for group, (rows, _) in tables.items():
            notes += _label(labels, group, rows, groups[group])
    if as_json:
        say(
            shown_json(
                {"groups": {name: _block(rows) for name, (rows, _) in tables.items()}, "notes": notes}, indent=None
            )
        )
    else:
        for group, (rows, _) in tables.items():
            _print_group(group, rows)
        for note in notes:
            say(f"note: {note}")
    return DONE if any(rows for rows, _ in tables.values()) else RUN_FAILED


def _rated(scores: Sequence[Score]) -> tuple[tuple[Rating, ...], str]:
    """The ratings of a group, or why there are none."""
    from ai_energy_benchmarks.analysis.stars import Entry
    from ai_energy_benchmarks.analysis.stars import rate as rate_entries

    entries = [
        Entry(each.name, each.energy_j, _or(each.low_j, each.energy_j), _or(each.high_j, each.energy_j))
        for each in scores
        if each.energy_j is not None
    ]
    try:
        return rate_entries(entries), ""
    except ValueError as error:
        return (), str(error)


def _label(directory: Path, group: str, rows: Sequence[Rating], scores: Sequence[Score]) -> Iterator[str]:
    """Write a label for each model of a group that may have one; what was written, and why others have none."""
    from ai_energy_benchmarks.reporters.label import Label, write_label
    from ai_energy_benchmarks.results.full_method import deviations
    from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document
    from ai_energy_benchmarks.results.units import wh

    sources = {(score.name, score.energy_j): Path(score.source) / RESULT_FILE for score in scores}
    times: dict[str, int] = {}
    for row in rows:
        file = sources[row.entry.name, row.entry.energy_j]
        if not file.is_file():
            yield f"{row.entry.name}: no label: a table does not say how it was measured"
            continue
        document = load_document(file)
        if why := deviations(document):
            yield f"{row.entry.name}: no label: {'; '.join(why)}"
            continue
        gpus = document.get("gpu_conditions") or []  # the workload's alone
        names = ", ".join(dict.fromkeys(str(gpu.get("name")) for gpu in gpus))
        date = str(document.get("started_utc", ""))[:10]
        label = Label(
            row.entry.name, row.stars, wh(row.entry.energy_j), group.replace("_", " "), len(rows), names, date
        )
        stem = re.sub(r"[^\w.-]+", "-", f"{row.entry.name} {group}").strip(".-")
        times[stem] = times.get(stem, 0) + 1  # of a model that was measured several times
        name = stem if times[stem] == 1 else f"{stem}-{times[stem]}"
        yield from (f"wrote {path}" for path in write_label(label, directory / f"{name}.svg"))


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _print_group(group: str, rows: Sequence[Rating]) -> None:
    from ai_energy_benchmarks.reporters.figures import with_bounds
    from ai_energy_benchmarks.results.units import wh

    if not rows:
        return
    say(group)
    say(f"  band edges, Wh per 1,000 queries: {', '.join(f'{edge:.4g}' for edge in _edges_wh(rows))}")
    width = max(len(row.entry.name) for row in rows)
    for row in rows:
        figure = with_bounds(wh(row.entry.energy_j), wh(row.entry.low_j), wh(row.entry.high_j))
        could = "" if row.fewest == row.most else f"  could be {row.fewest} to {row.most}"
        stars = "★" * row.stars + "☆" * (5 - row.stars)
        say(f"  {stars}  {row.entry.name:{width}}  {figure}{could}")


def _edges_wh(rows: Sequence[Rating]) -> list[float]:
    from ai_energy_benchmarks.analysis.stars import band_edges_j
    from ai_energy_benchmarks.results.units import wh

    return [wh(edge) for edge in band_edges_j([row.entry.energy_j for row in rows])]


def _block(rows: Sequence[Rating]) -> dict[str, object]:
    from ai_energy_benchmarks.results.units import wh

    return {
        "band_edges_wh_per_1000_queries": _edges_wh(rows) if rows else [],
        "models": [
            {
                "model": row.entry.name,
                "wh_per_1000_queries": wh(row.entry.energy_j),
                "low": wh(row.entry.low_j),
                "high": wh(row.entry.high_j),
                "stars": row.stars,
                "stars_fewest": row.fewest,
                "stars_most": row.most,
            }
            for row in rows
        ],
    }
