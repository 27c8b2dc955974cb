"""Beginning a study in a directory of its own, and going on with one."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
from attrs import field, frozen

from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.writing import check_directory, write_text
from ai_energy_benchmarks.safety.handing_over import handed_over
from ai_energy_benchmarks.safety.urls import HIDDEN
from ai_energy_benchmarks.study.cells import CELLS_FILE, Cell, read_cells, write_cells
from ai_energy_benchmarks.study.drift import drift, fingerprint, fingerprint_of_driver
from ai_energy_benchmarks.study.manifest import Manifest, has_begun, read_manifest
from ai_energy_benchmarks.study.plan.checking import planned
from ai_energy_benchmarks.study.plan.clusters import LOCAL
from ai_energy_benchmarks.study.plan.disk import check_room
from ai_energy_benchmarks.study.plan.expansion import Expansion
from ai_energy_benchmarks.study.plan.file import load_study, study_to_yaml
from ai_energy_benchmarks.study.plan.study import STUDY_FILE, Study
from ai_energy_benchmarks.study.runners.base import CellRunner
from ai_energy_benchmarks.study.runners.choice import PROCESS, runners_of
from ai_energy_benchmarks.study.running.places import Places, StudyPlaces
from ai_energy_benchmarks.study.running.preflight import Preflight

Look = Callable[[Study, Sequence[Cell], Environment], Preflight]
_MOST_SHOWN = 10


@frozen
class OpenStudy:
    """A study that can run, whose files are in place.

    Attributes:
        directory: holds all of it.
        study: as resolved.
        cells: in the order of the file.
        seed: from which orders are drawn.
        sha256: of ``study.yaml`` and ``cells.jsonl``.
        manifest: what has happened so far; None for a study that begins.
        environment: fingerprint of the machine now.
        places: where the files of its cells are.
        preflight: what was found before the first cell, with the runners of its engines.
    """

    directory: Path
    study: Study
    cells: tuple[Cell, ...]
    seed: int
    sha256: str
    manifest: Manifest | None
    environment: Mapping[str, object]
    places: Places
    preflight: Preflight = field(factory=Preflight)

    def runner(self, cell: Cell) -> CellRunner:
        """Where a cell runs."""
        return self.preflight.runners.get(cell.engine, PROCESS)


def _unseen(study: Study, cells: Sequence[Cell], environment: Environment) -> Preflight:
    """Runners that were not asked anything."""
    return Preflight(runners_of(study.config.execution.runners, has_gpus=bool(environment.boards)))


def begin(study: Study, expansion: Expansion, environment: Environment, look: Look = _unseen) -> OpenStudy:
    """Write the files of a new study.

    Args:
        look: asks the environments of the runners (``study.preflight.look``).

    Raises:
        ConfigError: its directory holds a study already, or cells cannot run.
        ReporterError: it cannot be written, or has too little room.
    """
    directory = study.directory
    if has_begun(directory):
        raise ConfigError(
            f"{directory} holds a study already",
            remedy=f"`ai-energy-benchmark study resume {directory}` goes on with it; or choose another output_dir",
        )
    _refuse_secrets(study)
    preflight = look(study, expansion.cells, environment)
    preflight.refuse()
    check_directory(directory)
    check_room(directory, study, len(expansion.cells) * study.config.design.max_cycles)
    seed = study.config.design.seed
    if seed is None:
        seed = secrets.randbelow(2**31)
    write_cells(directory, expansion.cells)
    write_text(directory / STUDY_FILE, study_to_yaml(study.config, seed))
    facts, places = {**_facts(study, environment), **preflight.facts}, StudyPlaces(directory, study)
    return OpenStudy(directory, study, expansion.cells, seed, _sha256(directory), None, facts, places, preflight)


def resume(directory: Path, environment: Environment, *, accept_drift: bool = False, look: Look = _unseen) -> OpenStudy:
    """Read the files of a study that was begun.

    Args:
        accept_drift: go on although the machine or its software is not what it was.
        look: as of ``begin``.

    Raises:
        ConfigError: there is none, its files do not belong together, cells cannot run, or the environment has
            drifted; with what has changed.
        ReporterError: the directory has become read-only, or has too little room.
    """
    manifest = read_manifest(directory)
    study = load_study(directory / STUDY_FILE)
    if _sha256(directory) != manifest.study_sha256:
        raise ConfigError(
            f"{directory / STUDY_FILE} or {directory / CELLS_FILE} is not what the study was begun with",
            remedy="restore it, or begin a new study in another output_dir",
        )
    cells = read_cells(directory)
    if _hides_something(directory):
        cells = planned(study).cells
    preflight = look(study, cells, environment)
    preflight.refuse()
    now = {**_facts(study, environment), **preflight.facts}
    if (changes := drift(manifest.environment, now)) and not accept_drift:
        raise ConfigError(_drifted(directory, changes), remedy="undo that, or go on all the same with --accept-drift")
    check_directory(directory)
    done = sum(each.state == "completed" for each in manifest.latest.values())
    check_room(directory, study, len(cells) * study.config.design.max_cycles - done)
    places = StudyPlaces(directory, study)
    return OpenStudy(directory, study, cells, manifest.seed, manifest.study_sha256, manifest, now, places, preflight)


def _facts(study: Study, environment: Environment) -> dict[str, object]:
    """What may not drift of this machine: all of it where cells run here."""
    here = study.config.execution.executor == LOCAL
    return fingerprint(environment) if here else fingerprint_of_driver(environment)


def _refuse_secrets(study: Study) -> None:
    """No file of a study has a secret, so one that stands in it as it is would be lost when the study is resumed."""
    _, secrets = handed_over(attrs.asdict(study.config))
    if secrets:
        raise ConfigError(
            f"{study.source} holds secrets, which no file of a study may have: {', '.join(sorted(secrets))}",
            remedy="write ${NAME} in their place, and set the environment variable NAME; resuming reads it again",
        )


def _drifted(directory: Path, changes: Sequence[str]) -> str:
    shown = [f"  {change}" for change in changes[:_MOST_SHOWN]]
    if len(changes) > _MOST_SHOWN:
        shown.append(f"  and {len(changes) - _MOST_SHOWN} more")
    head = (
        f"the machine is not what it was when {directory} was begun, so new cells could not be compared with old ones:"
    )
    return "\n".join([head, *shown])


def _hides_something(directory: Path) -> bool:
    """Whether the cells' file has ``***`` in the place of a secret, which only the study with its variables has."""
    return HIDDEN in (directory / CELLS_FILE).read_text(encoding="utf-8")


def _sha256(directory: Path) -> str:
    """Of the files that say what is measured."""
    digest = hashlib.sha256()
    for name in (STUDY_FILE, CELLS_FILE):
        digest.update((directory / name).read_bytes())
    return digest.hexdigest()
