"""A journal with a file that is damaged or that another program wrote: one error, and all else is recovered."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars
import pytest
from polars import col, lit

from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.timeline import samples_frame
from ai_energy_benchmarks.runner.recovering import recover
from tests.factories import GPU, series
from tests.unit.test_survival import killed

REQUESTS, SAMPLES, MORE = "000001.parquet", "000008.parquet", "000009.parquet"
LOSSES = {
    REQUESTS: "the whole trial 1, its intact requests too",
    SAMPLES: "the meters' readings in it, which the timeline and re-analysis then lack",
}
KEY = ["power_w", GPU.id, "gpu", "nvml", GPU.label]
Change = Callable[[polars.DataFrame], polars.DataFrame]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output directory of a run that was killed in its third trial, with two pieces of a GPU's power."""
    directory, _ = killed(tmp_path_factory.mktemp("left"), at=7)
    (journal,) = directory.glob("runs/*/journal")
    for name, begin_s in ((SAMPLES, 20.0), (MORE, 30.0)):
        piece = Samples((series(times_s=(begin_s, begin_s + 1.0), values=(90.0, 95.0)),))
        samples_frame(piece).write_parquet(journal / name)
    with (journal / "run.jsonl").open("a") as lines:
        for line in ({"series": [KEY]}, {"samples": [SAMPLES]}, {"samples": [MORE]}):
            lines.write(json.dumps(line) + "\n")
    return directory


@pytest.fixture
def journal(left: Path, tmp_path: Path) -> Path:
    """A copy of its journal."""
    shutil.copytree(left, tmp_path / "out")
    (copy,) = (tmp_path / "out").glob("runs/*/journal")
    return copy


def refused(journal: Path) -> ConfigError:
    """What recovering says; it removes nothing."""
    before = {path.name: path.read_bytes() for path in journal.iterdir() if path.is_file()}
    with pytest.raises(ConfigError) as error:
        list(recover(journal.parents[2]))
    assert {path.name: path.read_bytes() for path in journal.iterdir() if path.is_file()} == before
    return error.value


def fix_of(journal: Path, name: str) -> str:
    """The fix of a file that the journal names: what is lost is said."""
    remedy = f"restore the file from a copy, or remove the line of {journal / 'run.jsonl'} that names it, which costs "
    return f"{remedy}{LOSSES[name]}: the rest is then recovered"


def test_a_whole_journal_is_recovered_with_its_samples(journal: Path) -> None:
    """Two trials and four readings of power, in the order of time."""
    [run] = recover(journal.parents[2])
    assert len(run.result.trials) == 2
    (power,) = run.result.samples.series
    assert list(power.before_s) == [20.0, 21.0, 30.0, 31.0]


def half(file: Path) -> None:
    """As after a failure of the disk."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("name", [REQUESTS, SAMPLES])
@pytest.mark.parametrize(
    "damage",
    [half, Path.unlink, lambda file: file.write_text("no table"), lambda file: file.write_bytes(b"")],
    ids=["cut", "missing", "text", "empty"],
)
def test_a_damaged_file_is_named_with_what_to_do(journal: Path, name: str, damage: Callable[[Path], None]) -> None:
    """Its path, why, and the line that can be removed."""
    damage(journal / name)
    error = refused(journal)
    assert error.message.startswith(f"cannot read {journal / name}: ")
    assert error.remedy == fix_of(journal, name)


def test_damaged_fillers_cost_their_trial_and_the_fix_says_so(journal: Path) -> None:
    """Its requests are intact, and are lost with the line all the same."""
    lines = journal / "run.jsonl"
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    next(row for row in rows if "trial" in row)["fillers"] = ["000007.parquet"]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (journal / "000007.parquet").write_bytes(b"")
    error = refused(journal)
    assert error.message.startswith(f"cannot read {journal / '000007.parquet'}: ")
    loss = "which costs the whole trial 1, although only its filler requests are damaged: the rest is then recovered"
    assert (error.remedy or "").endswith(loss)


@pytest.mark.parametrize("name", [REQUESTS, SAMPLES])
def test_without_the_line_of_a_damaged_file_the_rest_is_recovered(journal: Path, name: str) -> None:
    """The other trial, or the other samples; a run that had completed is one that lacks a trial."""
    half(journal / name)
    lines = (journal / "run.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if name not in line]
    (journal / "run.jsonl").write_text("".join([*kept, '{"ended": "completed"}\n']))
    [run] = recover(journal.parents[2])
    (power,) = run.result.samples.series
    if name == REQUESTS:
        assert [trial.number for trial in run.result.trials] == [2]
        (ending,) = (finding for finding in run.result.verdict.findings if finding.check == "ending")
        assert ending.level == "FAIL"
        assert ending.message == "interrupted with 1 of 3 trials complete; fix: run it again to its end"
        assert len(power.values) == 4
    else:
        assert [trial.number for trial in run.result.trials] == [1, 2]
        assert list(power.before_s) == [30.0, 31.0]


FOREIGN_REQUESTS: dict[str, tuple[Change, str]] = {
    "a column less": (
        lambda frame: frame.drop("sent_s"),
        " has no column sent_s: another version or another tool wrote it",
    ),
    "a text": (
        lambda frame: frame.with_columns(output_tokens=lit("4")),
        ": the column output_tokens holds String, not Int64",
    ),
    "no number": (
        lambda frame: frame.with_columns(sent_s=lit(float("nan"))),
        ": the column sent_s holds a number that is not finite",
    ),
    "below zero": (
        lambda frame: frame.with_columns(output_tokens=-col("output_tokens")),
        ": the column output_tokens holds a count below 0",
    ),
    "another trial": (
        lambda frame: frame.with_columns(trial=lit(7)),
        " holds requests of trial 7, not of trial 1",
    ),
    "another run": (
        lambda frame: frame.with_columns(run_id=lit("20250101T000000Z-00000000")),
        " holds requests of the run 20250101T000000Z-00000000, not of {run_id}",
    ),
}
FOREIGN_SAMPLES: dict[str, tuple[Change, str]] = {
    "a column less": (
        lambda frame: frame.drop("value"),
        " has no column value: another version or another tool wrote it",
    ),
    "another kind": (
        lambda frame: frame.with_columns(kind=lit("mark")),
        ": the column kind holds other rows than samples",
    ),
    "no kind": (
        lambda frame: frame.with_columns(kind=lit(None, polars.String)),
        ": the column kind holds other rows than samples",
    ),
    "an empty cell": (
        lambda frame: frame.with_columns(value=lit(None, polars.Float64)),
        ": the column value is empty in a sample",
    ),
    "power below zero": (
        lambda frame: frame.with_columns(value=lit(-1.0)),
        ": the column value holds a power below 0",
    ),
    "an end before the begin": (
        lambda frame: frame.with_columns(before_s=col("after_s") + 1),
        ": the column after_s holds a reading that ended before it began",
    ),
    "another component": (
        lambda frame: frame.with_columns(component=lit("moon")),
        ": the column component holds a text that this package never writes there",
    ),
}
FOREIGN = [
    *((REQUESTS, *FOREIGN_REQUESTS[name]) for name in FOREIGN_REQUESTS),
    *((SAMPLES, *FOREIGN_SAMPLES[name]) for name in FOREIGN_SAMPLES),
]


@pytest.mark.parametrize(
    ("name", "change", "message"), FOREIGN, ids=map(str, (*FOREIGN_REQUESTS, *(f"{x} " for x in FOREIGN_SAMPLES)))
)
def test_a_file_that_another_program_wrote_is_refused(journal: Path, name: str, change: Change, message: str) -> None:
    """Before a figure is made of it: the file, the column and what is wrong with it."""
    file = journal / name
    change(polars.read_parquet(file)).write_parquet(file)
    error = refused(journal)
    assert error.message == str(file) + message.format(run_id=journal.parent.name)
    assert error.remedy == fix_of(journal, name)


def test_samples_out_of_order_are_refused(journal: Path) -> None:
    """A piece that is named twice, or pieces in another order, would make other figures."""
    lines = journal / "run.jsonl"
    lines.write_text(lines.read_text() + json.dumps({"samples": [SAMPLES]}) + "\n")
    error = refused(journal)
    assert error.message == f"the samples of power_w of GPU-0 in {journal} are not in the order of time"
    assert error.remedy == f"another program wrote them: remove {journal.parent}"


def test_one_bad_journal_keeps_no_other_from_being_recovered(journal: Path) -> None:
    """Those that are whole get their reports and go; each of the others is named in one error, and stays."""
    runs = journal.parents[1]
    for n in range(3):
        run = shutil.copytree(journal.parent, runs / f"20200101T00000{n}Z-{n:08}")
        lines = run / "journal" / "run.jsonl"
        lines.write_text(lines.read_text().replace(journal.parent.name, run.name))
        for file in (run / "journal" / name for name in (REQUESTS, "000002.parquet")):
            polars.read_parquet(file).with_columns(run_id=lit(run.name)).write_parquet(file)
        if n != 1:
            half(run / "journal" / REQUESTS)
    with pytest.raises(ConfigError) as error:
        list(recover(runs.parent))
    first, whole, third = (f"20200101T00000{n}Z-{n:08}" for n in range(3))
    assert not (runs / whole / "journal").exists()
    assert not journal.exists()
    for name in (first, third):
        assert f"cannot read {runs / name / 'journal' / REQUESTS}: " in error.value.message
        assert f"remove the line of {runs / name / 'journal' / 'run.jsonl'}" in (error.value.remedy or "")
        assert (runs / name / "journal" / REQUESTS).exists()
