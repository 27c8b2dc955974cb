"""A result that others can check: its files, their hashes, and every figure recomputed from the raw series."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.reading import RESULT_FILE, load_document
from ai_energy_benchmarks.results.reanalysis.recompute import reanalyse
from ai_energy_benchmarks.results.requests import FILLERS_FILE
from ai_energy_benchmarks.results.writing import write_errors, write_text
from ai_energy_benchmarks.safety.printable import one_line

SUMS_FILE, README_FILE = "SHA256SUMS", "README.md"
NEEDED = (RESULT_FILE, "config.yaml", "requests.parquet", "timeline.parquet")
OPTIONAL = (FILLERS_FILE, "benchmark_results.csv")
# Recomputed figures are sums of doubles in another order at worst; anything more is another figure.
RELATIVE_TOLERANCE = 1e-9


@frozen
class Verification:
    """What a check of a submission found.

    Attributes:
        changed: one sentence for each file that is not the one that was submitted.
        figures: dotted names of figures that recomputing does not confirm.
        not_recomputed: why the figures were not recomputed; None if they were.
    """

    changed: tuple[str, ...]
    figures: tuple[str, ...] = ()
    not_recomputed: str | None = None

    @property
    def holds(self) -> bool:
        """Whether every byte is as submitted and every figure was confirmed."""
        return not (self.changed or self.figures or self.not_recomputed)


def submit(directory: Path, target: Path) -> tuple[Path, ...]:
    """Copy a completed result with all that others need to check it, and write the hashes of its files.

    Returns:
        The files of the submission.

    Raises:
        ConfigError: a file is missing, the run did not complete, or its figures cannot be recomputed.
        ReporterError: the target cannot be written.
    """
    missing = [name for name in NEEDED if not (directory / name).is_file()]
    if missing:
        raise ConfigError(
            f"{directory} has no {', '.join(missing)}", remedy="submit a result whose reporters wrote json and parquet"
        )
    document = load_document(directory / RESULT_FILE)
    if (ending := document.get("ending", "completed")) != "completed":
        raise ConfigError(f"{directory} is not a completed run: it was {ending}", remedy="run the benchmark to its end")
    figures = tuple(_unconfirmed(directory, document))
    if figures:
        raise ConfigError(
            f"{directory}: recomputing gives other figures for {', '.join(figures[:5])}",
            remedy=f"submit with the version that measured it ({_version(document)}), and do not change its files",
        )
    write_text(target / README_FILE, _readme(document))
    names = [name for name in (*NEEDED, *OPTIONAL) if (directory / name).is_file()]
    for name in names:
        with write_errors(target / name):
            shutil.copy2(directory / name, target / name)
    sums = (f"{_sha256(target / name)}  {name}\n" for name in (*names, README_FILE))
    write_text(target / SUMS_FILE, "".join(sums))
    return tuple(target / name for name in (*names, README_FILE, SUMS_FILE))


def verify(directory: Path, installed_version: str) -> Verification:
    """Check a submission: the hash of every file, then every figure from the raw series.

    Args:
        installed_version: of this package; only the version that made a result recomputes it.

    Raises:
        ConfigError: the directory holds no submission.
    """
    changed = tuple(_changed(directory))
    if changed:
        return Verification(changed, not_recomputed="the files are not those that were submitted")
    document = load_document(directory / RESULT_FILE)
    made_by = _version(document)
    if made_by != installed_version:
        why = f"version {made_by} measured it and {installed_version} is installed"
        return Verification((), not_recomputed=f"{why}; pip install ai_energy_benchmarks=={made_by}")
    return Verification((), tuple(_unconfirmed(directory, document)))


def _changed(directory: Path) -> Iterator[str]:
    file = directory / SUMS_FILE
    if not file.is_file():
        raise ConfigError(f"{directory} has no {SUMS_FILE}", remedy="give a directory that submit wrote")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    sums = dict(line.split("  ", 1)[::-1] for line in lines if "  " in line)
    for name in NEEDED:
        if name not in sums:
            yield f"{name} is not among the hashes"
    for name, digest in sums.items():
        path = directory / name
        if Path(name).name != name or not path.is_file():
            yield f"{name} is missing"
        elif _sha256(path) != digest:
            yield f"{name} has changed"
    for path in sorted(directory.iterdir()):
        if path.name not in (*sums, SUMS_FILE):
            yield f"{path.name} was added"


def _unconfirmed(directory: Path, document: Mapping[str, JsonValue]) -> Iterator[str]:
    """Dotted names of the numbers that differ by more than the tolerance, and of all else that differs."""
    again = json.loads(json.dumps(report_document(reanalyse(directory))))
    yield from _apart(again, document, "")


def _apart(new: JsonValue, old: JsonValue, path: str) -> Iterator[str]:
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _apart(new.get(key), old.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        for number, (one, other) in enumerate(zip(new, old, strict=True)):
            yield from _apart(one, other, f"{path}[{number}]")
    elif _is_number(new) and _is_number(old):
        if not math.isclose(float(str(new)), float(str(old)), rel_tol=RELATIVE_TOLERANCE):
            yield path
    elif new != old:
        yield path


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _version(document: Mapping[str, JsonValue]) -> str:
    environment = document.get("environment")
    return str(environment.get("package_version")) if isinstance(environment, Mapping) else "unknown"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _readme(document: Mapping[str, JsonValue]) -> str:
    verdict = document.get("verdict")
    level = verdict.get("level") if isinstance(verdict, Mapping) else "unknown"
    version = _version(document)
    return f"""# {one_line(str(document.get("name")))}

Energy of inference, measured with ai_energy_benchmarks {version}. Verdict: {level}.
`result.json` has the figures, `timeline.parquet` and `requests.parquet` what they are computed from, and
`config.yaml` is what it takes to run it again.

To check it:

    sha256sum --check {SUMS_FILE}
    pip install ai_energy_benchmarks=={version}
    ai-energy-benchmark verify .
"""
