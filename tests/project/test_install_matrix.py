"""The install matrix of the README: what each extra is for, and that the built wheel can be installed with it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import install_matrix
import pytest
import rehearse
from install_matrix import Trial
from promises import ENGINES, Promises
from rows import Table, pythons

from tests.project.built import build_wheel

TRIALS = [
    Trial("3.13", "none", 20.4, 6.1, 214_000_000, 15, None, "2026-11-26"),
    Trial("3.10", "none", 18.0, 6.0, 219_000_000, 16, None, "2026-11-26"),
    Trial("3.11", "pytorch", 300.0, 90.0, 1_900_000_000, 45, None, "2026-11-26", "2.13.0+cpu"),
    Trial("3.12", "tensorrt", 12.0, 5.0, 0, 0, "ERROR: no wheel | of <1.0", "2026-11-26"),
]


def test_the_readme_has_a_row_for_every_extra(root: Path) -> None:
    """What the table offers is what pyproject.toml has, and the other way round."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| extra | for |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:]))
    extras = (root / "pyproject.toml").read_text(encoding="utf-8").partition("[project.optional-dependencies]")[2]
    offered = re.findall(r"^(\w+) = \[", extras.partition("[project.scripts]")[0], re.MULTILINE)
    assert sorted(named) == sorted(offered)


def test_the_table_has_the_base_first_and_what_went_wrong() -> None:
    """By extra and Python; sizes in MB or GB; a failure is its last line, and what failed has no size."""
    lines = install_matrix.table(install_matrix.merged([], TRIALS)).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [
        "| none",
        "| none",
        "| `pytorch`, torch 2.13.0+cpu",
        "| `tensorrt`",
    ]
    assert lines[0] == "| none | 3.10 | 16 | 219 MB | 6 s | ok | 2026-11-26 |"
    assert "| 45 | 1.9 GB | 90 s |" in lines[2]
    assert lines[3].endswith("| – | – | 5 s | ERROR: no wheel \\| of &lt;1.0 | 2026-11-26 |")


def test_a_trial_again_takes_the_place_of_the_earlier_one() -> None:
    """The same extra with the same Python and torch has one row, of the last day."""
    again = Trial("3.13", "none", 10.0, 5.0, 214_000_000, 15, None, "2027-01-01")
    assert [trial.date for trial in install_matrix.merged(TRIALS, [again])[:2]] == ["2026-11-26", "2027-01-01"]


def test_only_what_was_installed_counts(tmp_path: Path) -> None:
    """pip and setuptools are in every new environment and no part of an extra's size."""
    for name, size in (("attr/_make.py", 5000), ("pip/main.py", 900), ("setuptools-84.dist-info/METADATA", 70)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(bytes(size))
    assert install_matrix.size_bytes(tmp_path) == 5000


def test_the_page_of_installing_has_measured_rows(root: Path) -> None:
    """Each with its day, for every supported Python; putting the table between its marks keeps the rest."""
    page = (root / "docs" / "installing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| none \| (3\.\d+) \| \d+ \| \d+ MB .* ok \| \d{4}-\d\d-\d\d \|$", page, re.MULTILINE)
    assert rows == ["3.10", "3.11", "3.12", "3.13"]
    assert install_matrix.with_table(page, install_matrix.table(TRIALS)).startswith(page.partition("<!-- install")[0])
    with pytest.raises(ValueError, match="has no <!-- install matrix: begin"):
        install_matrix.with_table("# A page", "")


def test_a_row_that_cannot_be_tried_is_skipped_with_its_reason(tmp_path: Path, root: Path) -> None:
    """A Python without a build of torch is no failure and not counted as ok; the one that runs has no row."""
    shim = tmp_path / "venv" / "bin" / "python"
    shim.parent.mkdir(parents=True)
    shim.symlink_to("/bin/false")
    promised = Promises(tmp_path / "x-1.0-py3-none-any.whl", root, tmp_path, lambda *_: shim, ())
    here, table = f"python3.{sys.version_info[1]}", Table("with python")
    for what, trial in promised.rows([here, "python3.99"], core_only=False):
        table.row(what, trial)
    table.row("with python at all", lambda: "fine")
    assert [row.split()[0] for row in table.rows] == ["skipped", "ok"]
    assert "FILE[pytorch] with python3.99" in table.rows[0]
    assert "PIP_EXTRA_INDEX_URL can name an index" in table.rows[0]
    assert (table.sum, table.failed) == ("1 of 2 rows ok, 1 skipped", 0)


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree."""
    return build_wheel(root, tmp_path_factory.mktemp("built"))


@pytest.mark.heavy
def test_without_an_engine_the_error_has_the_three_install_lines(wheel: Path, tmp_path: Path) -> None:
    """The base alone runs, and ``run`` of a model says how to install each of the three engines."""
    rehearsal = rehearse.Rehearsal(tmp_path, Table(), "", "")
    said = Promises(wheel, Path(), tmp_path, rehearsal.environment, ()).without_an_engine()
    assert said == f"{len(ENGINES)} install lines"


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("extra", ["none", "stats", "report"])
def test_a_light_extra_installs_with_every_python(wheel: Path, extra: str) -> None:
    """pip installs it, ``pip check`` finds no conflict, and the smoke tests pass, with each Python that is here."""
    found = pythons()
    assert found, "no Python from 3.10 to 3.13 with venv is here"
    trials = [install_matrix.try_extra(wheel, shutil.which(python) or python, extra) for python in found]
    assert [trial.problem for trial in trials] == [None] * len(found)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("extra", ["pytorch", "datasets", "codecarbon", "zeus"])
def test_a_large_extra_installs_with_this_python(wheel: Path, extra: str) -> None:
    """With the pinned torch where torch is among it, so that no gigabytes of CUDA are fetched for a test."""
    pins = (Path(__file__).parents[2] / "constraints.txt").read_text(encoding="utf-8")
    torch = re.findall(r"^torch==.*$", pins, re.MULTILINE)
    assert install_matrix.try_extra(wheel, sys.executable, extra, torch).problem is None
