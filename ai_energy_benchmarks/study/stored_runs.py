"""The results of one side of a comparison: directories, files, sets of them, or a cell of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from ai_energy_benchmarks.config.renamed_keys import with_new_names
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.quotable import block
from ai_energy_benchmarks.results.reading import load_document, result_files
from ai_energy_benchmarks.study.cells import CELLS, CELLS_FILE, Cell, read_cells
from ai_energy_benchmarks.study.manifest import MANIFEST_FILE, read_manifest
from ai_energy_benchmarks.text.yaml_text import parse

_REMEDY = "give a result directory, a result.json, a directory of result directories, or STUDY:CELL"


@frozen
class StoredRun:
    """One result.

    Attributes:
        directory: where it lies; empty for a document that comes from elsewhere.
        settings: the config as resolved, nested; empty where it is not known.
        cycle: of its study; None outside of one.
        study: the study's directory; None outside of one.
    """

    document: Mapping[str, object] = field(repr=False)
    directory: str = ""
    settings: Mapping[str, object] = field(factory=dict, repr=False)
    cycle: int | None = None
    study: Path | None = None

    @property
    def run_id(self) -> str | None:
        run_id = self.document.get("run_id")
        return run_id if isinstance(run_id, str) else None


def run_of(document: Mapping[str, object], directory: Path | None = None) -> StoredRun:
    """A document with its settings; older ones are looked up in the config next to it."""
    settings = block(document, "config", "settings")
    if not settings and directory is not None and (directory / "config.yaml").exists():
        text = (directory / "config.yaml").read_text(encoding="utf-8", errors="replace")
        written = parse(text, str(directory / "config.yaml"), stored=True).value
        settings = written if isinstance(written, Mapping) else {}
    renamed = with_new_names(settings)
    return StoredRun(document, str(directory or ""), renamed if isinstance(renamed, Mapping) else {})


def read_runs(paths: Sequence[str | Path]) -> tuple[StoredRun, ...]:
    """The results under all paths, each run once.

    Raises:
        ConfigError: a path holds no result, or a run is given twice.
    """
    runs = tuple(run for path in paths for run in _under(path))
    places = [Path(run.directory).resolve() for run in runs]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice} is given twice", remedy="give every run once: a copy is no replicate")
    return runs


def _under(path: str | Path) -> tuple[StoredRun, ...]:
    place = Path(path)
    if not place.exists():
        study, _, name = str(path).rpartition(":")
        if study and (Path(study) / CELLS_FILE).exists():
            return _of_cell(Path(study), _named(read_cells(Path(study)), name, study))
        raise ConfigError(f"there is no {place}", remedy=_REMEDY)
    if (place / MANIFEST_FILE).exists():
        cells = read_cells(place)
        if len(cells) > 1:
            names = ", ".join(cell.label for cell in cells[:5])
            raise ConfigError(f"{place} is a study of {len(cells)} cells: {names}", remedy=f"name one: {place}:CELL")
        return _of_cell(place, cells[0])
    if place.parent.name == CELLS and (place.parents[1] / MANIFEST_FILE).exists():
        return _of_cell(place.parents[1], _named(read_cells(place.parents[1]), place.name, str(place.parents[1])))
    return tuple(run_of(load_document(file), file.parent) for file in result_files(place))


def _named(cells: Sequence[Cell], name: str, study: str) -> Cell:
    """The cell with an id or a label; the beginning of either will do where it is the only one."""
    exact = [cell for cell in cells if name in (cell.id, cell.label)]
    begun = [cell for cell in cells if cell.id.startswith(name) or cell.label.startswith(name)]
    for found in (exact, begun):
        if len(found) == 1:
            return found[0]
    names = ", ".join(cell.label or cell.id for cell in cells[:10])
    raise ConfigError(f"{study} has no single cell {name!r}; it has {names}", remedy="name a cell by its label or id")


def _of_cell(study: Path, cell: Cell) -> tuple[StoredRun, ...]:
    """Every completed cycle of a cell."""
    runs = []
    for attempt in sorted(read_manifest(study).completed(cell.id), key=lambda each: each.cycle):
        directory = study / attempt.directory
        run = run_of(load_document(directory / "result.json"), directory)
        runs.append(StoredRun(run.document, run.directory, run.settings, attempt.cycle, study.resolve()))
    if not runs:
        raise ConfigError(f"no cycle of {cell.label or cell.id} in {study} is complete", remedy="resume the study")
    return tuple(runs)
