"""The install matrix of the README, tried: the built wheel with each extra, in a new environment of each Python.

    python scripts/release/install_matrix.py WHEEL [--python PYTHON …] [--extra NAME …] [--constraint REQUIREMENT …]
        [--json FILE] [--page docs/installing.md]

Extras are installed as users install them, without the pins of constraints.txt; ``none`` is the wheel alone. A row is
``ok`` if pip installs it, ``pip check`` finds no conflict and the smoke tests pass. ``--json`` keeps the rows: a later
run with the same file adds to them and replaces those that it tries again. ``--page`` writes them as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from attrs import asdict, frozen

SMOKE = Path(__file__).with_name("smoke.py")
BEGIN, END = "<!-- install matrix: begin -->", "<!-- install matrix: end -->"
BASE = "none"
# A resolver that goes on for longer does not find an answer that a user would wait for.
LIMIT_S = 1800.0
# What a new environment holds before anything is installed.
TOOLS = ("pip", "setuptools", "wheel", "_distutils_hack", "distutils-precedence", "pkg_resources")


@frozen
class Trial:
    """One extra in a new environment of one Python.

    Attributes:
        seconds: how long pip took, with its downloads.
        processor_s: processor time of pip, which neither the network nor other programs change much.
        size_bytes: of the files that were installed, compiled ones included.
        distributions: how many were installed, this package among them.
        problem: the last line of what went wrong; None if all is well.
        date: day of the trial.
        engine: the torch that was installed, if any.
    """

    python: str
    extra: str
    seconds: float
    processor_s: float
    size_bytes: int
    distributions: int
    problem: str | None
    date: str
    engine: str | None = None


def try_extra(wheel: Path, python: str, extra: str, constraints: Sequence[str] = ()) -> Trial:
    """Install one extra into a new environment and try it there; the environment is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="install-matrix-") as temporary:
        venv = Path(temporary) / "venv"
        subprocess.run([python, "-m", "venv", venv], check=True)
        inside = venv / "bin" / "python"
        (Path(temporary) / "constraints.txt").write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        requirement = f"{wheel}[{extra}]" if extra != BASE else str(wheel)
        pinned = ("--constraint", f"{temporary}/constraints.txt") if constraints else ()
        pip = (inside, "-m", "pip", "--disable-pip-version-check")
        started_s, busy_s = time.monotonic(), _children_s()
        problem = _problem([*pip, "install", "--quiet", "--no-cache-dir", *pinned, requirement])
        seconds, processor_s = time.monotonic() - started_s, _children_s() - busy_s
        problem = problem or _problem([*pip, "check"])
        problem = problem or _problem([inside, "-I", SMOKE, wheel.name.split("-")[1]], Path(temporary))
        [packages] = (venv / "lib").glob("python3*/site-packages")
        return Trial(
            python=_minor(inside),
            extra=extra,
            seconds=round(seconds, 1),
            processor_s=round(processor_s, 1),
            size_bytes=size_bytes(packages),
            distributions=len(list(_installed(packages))),
            problem=problem,
            date=datetime.now(timezone.utc).date().isoformat(),
            engine=_version_of(packages, "torch"),
        )


def _problem(command: Sequence[str | Path], cwd: Path | None = None) -> str | None:
    """What a program said last before it failed; None if it did not."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=_environment(), capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_S / 60:.0f} minutes"
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.lstrip().lower().startswith("error")]
    return (errors or lines or [f"exit code {done.returncode}"])[-1].strip()


def _environment() -> dict[str, str]:
    """This process's environment without paths to packages, which pip would take for installed ones."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _minor(python: Path) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def size_bytes(packages: Path) -> int:
    """Size of what was installed, without the tools of every environment."""
    return sum(
        path.stat().st_size
        for path in packages.rglob("*")
        if path.is_file() and not path.is_symlink() and not path.relative_to(packages).parts[0].startswith(TOOLS)
    )


def _installed(packages: Path) -> Iterator[str]:
    names = (path.name.partition("-")[0] for path in packages.glob("*.dist-info"))
    return (name for name in names if name not in TOOLS)


def _version_of(packages: Path, name: str) -> str | None:
    return next((path.name.split("-")[1].removesuffix(".dist") for path in packages.glob(f"{name}-*.dist-info")), None)


def merged(kept: Sequence[Trial], new: Sequence[Trial]) -> list[Trial]:
    """Earlier rows, and the new ones in place of those that were tried again; by extra, then by Python."""
    rows = {(trial.extra, _number(trial.python), trial.engine): trial for trial in (*kept, *new)}
    return [rows[key] for key in sorted(rows, key=lambda key: (key[0] != BASE, *key[:2], key[2] or ""))]


def _number(python: str) -> tuple[int, ...]:
    return tuple(map(int, python.split(".")))


def table(trials: Sequence[Trial]) -> str:
    """The rows as a Markdown table."""
    heads = ("extra", "Python", "distributions", "size", "pip's processor time", "outcome", "tried")
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for trial in trials:
        extra = trial.extra if trial.extra == BASE else f"`{trial.extra}`"
        engine = f", torch {trial.engine}" if trial.engine else ""
        outcome = "ok" if trial.problem is None else _cell(trial.problem)
        held = f"{trial.distributions} | {_size(trial.size_bytes)}" if trial.distributions else "– | –"
        figures = f"{held} | {trial.processor_s:.0f} s"
        lines.append(f"| {extra}{engine} | {trial.python} | {figures} | {outcome} | {trial.date} |")
    return "\n".join(lines)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def with_table(page: str, text: str) -> str:
    """The page with the table between its two marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}; put them where the table belongs")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def load(file: Path | None) -> list[Trial]:
    """The rows of earlier runs; none if there is no such file."""
    if file is None or not file.is_file():
        return []
    return [Trial(**row) for row in json.loads(file.read_text(encoding="utf-8"))]


def main() -> int:
    """Try every combination; the number of an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", action="append", default=[], help="an interpreter; default: this one")
    parser.add_argument("--extra", action="append", default=[], help="an extra, or none; default: none")
    parser.add_argument("--constraint", action="append", default=[], help="a requirement such as torch==2.13.0+cpu")
    parser.add_argument("--json", type=Path, help="keeps the rows")
    parser.add_argument("--page", type=Path, help="gets the table")
    arguments = parser.parse_args()
    wheel, trials = arguments.wheel.resolve(), load(arguments.json)
    failed = 0
    for extra in arguments.extra or [BASE]:
        for python in arguments.python or [sys.executable]:
            trial = try_extra(wheel, shutil.which(python) or python, extra, arguments.constraint)
            failed += trial.problem is not None
            print(table([trial]).splitlines()[-1], flush=True)
            trials = merged(trials, [trial])
            if arguments.json:
                rows = [asdict(trial) for trial in trials]
                arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if arguments.page:
        text = with_table(arguments.page.read_text(encoding="utf-8"), table(trials))
        arguments.page.write_text(text, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
