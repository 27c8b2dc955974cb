"""Recordings of real GPUs: what the script makes of a folder, and what it says of one that cannot be used."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import polars
import pytest
import recorded
import recorded_counter
import recorded_windows
from attrs import evolve
from docs_table import replace_section

from tests.nvml.recorded import Recording, RecordingError, load, shared_folder

GAIN = 0.95
Columns = dict[str, list[float] | list[str]]


def true_w(time_s: float) -> float:
    """Rest, 6 s of work, rest."""
    return 400.0 if 0.0 <= time_s < 6.0 else 60.0


def write(folder: Path, name: str, external: Columns | None = None, driver: Columns | None = None) -> None:
    """A recording whose driver shows 95 % of the truth, every 100 ms and 20 ms late, read every 10 ms."""
    times_s = [-1.5 + 0.001 * number for number in range(15_000)]
    read_s = [-1.5 + 0.01 * number for number in range(1500)]
    shown_w = [GAIN * true_w(int((time_s - 0.02 + 2) * 10) / 10 - 2) for time_s in read_s]
    given = external or {"time_s": times_s, "power_w": [true_w(time_s) for time_s in times_s]}
    polars.DataFrame(given).write_parquet(folder / f"{name}.external.parquet")
    polars.DataFrame(driver or {"time_s": read_s, "power_instant_w": shown_w}).write_parquet(
        folder / f"{name}.driver.parquet"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "some_gpu")
    (tmp_path / "marks.json").write_text(json.dumps({"some_gpu": [0.0, 6.0, 12.0]}))
    return tmp_path


def test_bias_and_spread_are_those_of_the_driver(folder: Path) -> None:
    """A driver that shows 5 % less is 5 % off at rest and under load; its window holds the truth with that gain."""
    (recording,) = load(folder)
    (row,) = recorded_windows.window_rows(recording)
    assert row.rest is not None
    assert row.load is not None
    for errors in (row.rest, row.load):
        assert errors.bias == pytest.approx(GAIN - 1, abs=1e-3)
        assert errors.spread < 1e-3
        assert errors.count > 10
    assert row.work_error == pytest.approx(GAIN - 1, abs=0.02)
    assert row.work_held


def test_averaged_columns_are_known_by_their_values(folder: Path) -> None:
    """A driver's default that shows what its instant field shows is instantaneous, whatever the GPU."""
    (recording,) = load(folder)
    instant = recording.driver["power_instant_w"]
    same = Recording("x", recording.external, {"power_instant_w": instant, "power_w": instant}, recording.work_s, 12.0)
    other = Recording("x", recording.external, {"power_w": instant}, recording.work_s, 12.0)
    assert recorded_windows.delay_of("power_w", same) == recorded_windows.delay_of("power_instant_w", same)
    assert recorded_windows.delay_of("power_w", other).high_s > 1.0


def test_the_script_writes_its_section(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table between the marks of the page, a JSON file, and exit status 0."""
    page, file = folder / "page.md", folder / "found.json"
    page.write_text("<!-- recorded:begin -->\n<!-- recorded:end -->\n")
    monkeypatch.setattr(
        sys, "argv", ["recorded.py", str(folder), "--runs", "1", "--docs", str(page), "--json", str(file)]
    )
    assert recorded.main() == 0
    assert "| some_gpu | `power_instant_w` | -5.0%" in page.read_text()
    assert json.loads(file.read_text())["windows"][0]["recording"] == "some_gpu"
    replace_section(page, "recorded", "")


def test_bounds_of_a_simulated_counter_hold_what_it_integrates(folder: Path) -> None:
    """What the card drew and what its driver showed, at both ticks; work in many stretches has no such window."""
    (recording,) = load(folder)
    rows = list(recorded_counter.counter_rows(recording, 2))
    assert [(row.integrates, row.tick_s) for row in rows] == [
        ("external", 0.02),
        ("external", 0.1),
        ("power_instant_w", 0.02),
        ("power_instant_w", 0.1),
    ]
    for row in rows:
        assert row.held == 1.0
        assert abs(row.bias) < 0.02
    stretches = ((0.0, 0.05), (0.1, 0.15))
    assert not list(recorded_counter.counter_rows(evolve(recording, work_s=stretches), 2))


def lacking_column(folder: Path) -> None:
    write(folder, "some_gpu", external={"seconds": [0.0, 1.0], "power_w": [1.0, 2.0]})


def without_power(folder: Path) -> None:
    write(folder, "some_gpu", driver={"time_s": [0.0, 1.0], "watts": [1.0, 2.0]})


def text_in_power(folder: Path) -> None:
    write(folder, "some_gpu", driver={"time_s": [0.0, 1.0], "power_w": ["1", "2"]})


def not_finite(folder: Path) -> None:
    write(folder, "some_gpu", external={"time_s": [-2.0, 0.0, 9.0], "power_w": [1.0, float("nan"), 3.0]})


def no_driver(folder: Path) -> None:
    (folder / "some_gpu.driver.parquet").unlink()


def no_external(folder: Path) -> None:
    (folder / "some_gpu.external.parquet").unlink()


def no_mark(folder: Path) -> None:
    (folder / "marks.json").write_text('{"another": [0.0, 1.0]}')


def broken_marks(folder: Path) -> None:
    (folder / "marks.json").write_text('{"some_gpu": [0.0, "x"]}')


def falling_marks(folder: Path) -> None:
    (folder / "marks.json").write_text('{"some_gpu": [6.0, 0.0]}')


def marks_elsewhere(folder: Path) -> None:
    (folder / "marks.json").write_text('{"some_gpu": [100.0, 106.0]}')


def no_marks(folder: Path) -> None:
    (folder / "marks.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lacking_column, ("some_gpu.external.parquet", "no column 'time_s'", "seconds")),
        (without_power, ("some_gpu.driver.parquet", "of power", "watts")),
        (text_in_power, ("some_gpu.driver.parquet", "'power_w'", "not numbers")),
        (not_finite, ("some_gpu.external.parquet", "'power_w'", "nan")),
        (no_driver, ("some_gpu.driver.parquet", "cannot be read")),
        (no_external, ("lacks some_gpu.external.parquet",)),
        (no_mark, ("marks.json", "'some_gpu'")),
        (broken_marks, ("marks.json", "lists of seconds")),
        (falling_marks, ("marks.json", "growing times")),
        (marks_elsewhere, ("marks.json", "does not lie within")),
        (no_marks, ("marks.json", "cannot be read")),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_file_and_column(
    folder: Path, spoil: Callable[[Path], None], named: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which file and which column, and the script ends with status 2."""
    spoil(folder)
    with pytest.raises(RecordingError) as caught:
        load(folder)
    assert all(each in str(caught.value) for each in named), str(caught.value)
    monkeypatch.setattr(sys, "argv", ["recorded.py", str(folder)])
    assert recorded.main() == 2


def test_the_shared_recordings_show_what_their_readme_says() -> None:
    """The A100's driver shows 5.3 % less under load and 7.2 % late in its rest, the RTX 3090's 5.0 and 5.1 %."""
    shared = shared_folder()
    if shared is None:
        pytest.skip("the recordings of real GPUs are not here; AEB_SHARED_DATA names their directory")
    steps = [each for each in load(shared) if len(each.work_s) == 1]
    rows = {each.name: row for each in steps for row in recorded_windows.window_rows(each) if "instant" in row.column}
    expected = {"a100_pcie_step": (-0.053, -0.072), "rtx3090_step": (-0.050, -0.051)}
    for name, (load_bias, rest_bias) in expected.items():
        found = rows[name]
        assert found.load is not None
        assert found.rest is not None
        assert found.load.bias == pytest.approx(load_bias, abs=0.002)
        assert found.rest.bias == pytest.approx(rest_bias, abs=0.003)
        assert found.work_held
