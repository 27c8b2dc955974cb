"""The cells of a study: one configuration each, with a name that stays the same when others come or go."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.results.writing import write_text
from ai_energy_benchmarks.safety.marking import masked
from ai_energy_benchmarks.safety.printable import in_json
from ai_energy_benchmarks.text.json_text import parsed

CELLS_FILE = "cells.jsonl"
CELLS = "cells"
_LONGEST_NAME = 120  # of a directory; file systems allow 255 bytes
_HASH_DIGITS = 8


@frozen
class Cell:
    """One configuration of a study.

    Attributes:
        id: the name of its directory.
        label: the settings in which it differs from others, for people: ``dtype=float32, batch_size=4``.
        settings: dotted key → value of everything that the study varies, as it applies to this cell; a key that has
            no effect on its engine is absent.
        engine: ``backend.type``.
        config_sha256: of its config without name and output directory.
    """

    id: str
    label: str
    settings: Mapping[str, object]
    engine: str
    config_sha256: str

    def run_directory(self, study: Path, cycle: int) -> Path:
        """Where the results of one cycle are: an ordinary result directory."""
        return study / CELLS / self.id / str(cycle)

    def fresh_directory(self, study: Path, cycle: int, attempt: int) -> Path:
        """Where an attempt writes after one that was lost with its node, which may still be writing."""
        return study / CELLS / self.id / f"{cycle}.{attempt}"

    def run_directories(self, study: Path, cycle: int) -> tuple[Path, ...]:
        """All places where results of one cycle may be, the latest attempt's first."""
        first = self.run_directory(study, cycle)
        fresh = first.parent.glob(f"{cycle}.*") if first.parent.is_dir() else ()
        return (*sorted(fresh, key=lambda path: int(path.suffix[1:]), reverse=True), first)


def cell_id(label: str, config_sha256: str) -> str:
    """A name for a directory: what differs, shortened, and the beginning of the config's hash."""
    slug = re.sub(r"[^\w.=-]+", "_", label.replace(", ", "_")).strip("_.-")[:_LONGEST_NAME].rstrip("_.-")
    return "-".join(filter(None, (slug, config_sha256[:_HASH_DIGITS])))


def config_hash(config: Mapping[str, object]) -> str:
    """SHA-256 of a config's mapping, whatever the order of its keys; without its name and its output directory.

    Secrets count as ``***``, so that a hash gives nothing of them away and a new password makes no new cell.
    """
    what = {key: value for key, value in config.items() if key not in ("name", "output_dir")}
    return hashlib.sha256(json.dumps(masked(what), sort_keys=True, default=str).encode()).hexdigest()


def write_cells(directory: Path, cells: Sequence[Cell]) -> None:
    """Write ``cells.jsonl``, whole or not at all.

    Raises:
        ReporterError: it cannot be written.
    """
    lines = (
        in_json(json.dumps(
            {"cell": each.id, "label": each.label, "engine": each.engine, "settings": masked(each.settings),
             "config_sha256": each.config_sha256},
            ensure_ascii=False, default=str,
        ))
        for each in cells
    )  # fmt: skip
    write_text(directory / CELLS_FILE, "".join(line + "\n" for line in lines))


def read_cells(directory: str | Path) -> tuple[Cell, ...]:
    """The cells of a study, in the order in which they were declared.

    Raises:
        ConfigError: the file is missing or broken.
    """
    file = Path(directory) / CELLS_FILE
    try:
        # Not splitlines(): JSON may have the line ends of Unicode inside a text.
        records = [parsed(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
        return tuple(
            Cell(each["cell"], each["label"], each["settings"], each["engine"], each["config_sha256"])
            for each in records
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot read {file}: {reason_of(error)}", remedy="give the directory of a study") from error
