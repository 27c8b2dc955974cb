"""Power logs in other units, separators and encodings, of other machines, and of powers that are means."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.foreign.imported import Imported
from ai_energy_benchmarks.results.foreign.reading import read_foreign
from tests.unit.test_foreign import START, figure, limits, messages

WINDOW = (START + 5.0, START + 15.0)


def log(directory: Path, heads: str, row: str, *, encoding: str = "utf-8", ends_s: float = 20.0) -> Path:
    """Readings every 0.1 s; ``{s}``, ``{ms}`` and ``{comma}`` of a row are its time."""
    lines = [heads]
    for number in range(round(ends_s * 10) + 1):
        time_s = START + number / 10
        lines.append(row.format(s=f"{time_s:.1f}", ms=round(time_s * 1e3), comma=f"{time_s:.1f}".replace(".", ",")))
    file = directory / "power.csv"
    file.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return file


def imported(file: Path, window: tuple[float, float] = WINDOW) -> Imported:
    return read_foreign(file, window=window, zone=timezone.utc)


@pytest.mark.parametrize(
    ("heads", "row"),
    [
        ("timestamp, index, power.draw.instant [W]", "{s}, 0, 300.00 W"),
        ("timestamp, index, power.draw.instant [mW]", "{s}, 0, 300000"),
        ("timestamp,index,power (kW)", "{s},0,0.3"),
        ("timestamp,index,power", "{s},0,300000 mW"),
        ("timestamp,index,power [W]", "{s},0,0.3 kW"),
        ("time (ms),index,power", "{ms},0,300"),
        ("timestamp;index;power.draw.instant [W]", "{comma};0;300,00 W"),
        ("timestamp\tindex\tpower.draw.instant [W]", "{s}\t0\t300.00 W"),
        ("timestamp,index,power.draw.average,power.draw.instant", "{s},0,250,300"),
        ("time,power_mw", "{s},300000"),
        ("timestamp_ms,power_kw", "{ms},0.3"),
        ("time_s,index,power_watts", "{s},0,300"),
    ],
)
def test_300_w_for_10_s_are_3000_j_in_every_unit(tmp_path: Path, heads: str, row: str) -> None:
    """The unit is that of the value, else that of the head; where decimals have a comma, semicolons part the cells."""
    low, best, high = limits(imported(log(tmp_path, heads, row)), "total")
    assert best == pytest.approx(3000, rel=1e-6)
    assert 2950 < low <= high < 3050


def test_readings_every_100_ms_are_close_enough_for_10_s(tmp_path: Path) -> None:
    """They are 1 % of the window apart, which is the limit; Unix seconds as floats must not make it more."""
    rows = {"every 100 ms": (WINDOW, False), "a shorter window": ((START + 5.0, START + 14.9), True)}
    for window, warned in rows.values():
        found = messages(imported(log(tmp_path, "time,power", "{s},300"), window), "WARN")
        assert any("0.10 s apart, 1.0 % of the window (limit 1 %); fix: log more" in each for each in found) is warned


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    """PowerShell writes UTF-16 where the output of a program goes into a file."""
    file = log(tmp_path, "timestamp,index,power", "{s},0,300", encoding=encoding)
    assert limits(imported(file), "total")[1] == pytest.approx(3000)


@pytest.mark.parametrize(
    ("row", "said"),
    [("{s},0,300000", "are the numbers milliwatts?"), ("{s},0,0.3", "are the numbers kilowatts?")],
)
def test_a_power_that_no_gpu_draws_has_no_figure(tmp_path: Path, row: str, said: str) -> None:
    """A log that names no unit is read in watts; a thousand times too much or too little is seen."""
    found = imported(log(tmp_path, "timestamp,index,power", row))
    assert figure(found, "total").energy_j is None
    assert any(said in message and "fix: name the unit" in message for message in messages(found, "FAIL"))


@pytest.mark.parametrize(
    ("heads", "row", "said"),
    [
        ("timestamp,index,power [hp]", "{s},0,0.4", "the unit of the column 'power [hp]' is not known"),
        ("time (min),index,power", "{s},0,300", "the unit of the column 'time (min)' is not known"),
        ("timestamp, index, power.draw [W]", "{s}, 0, 300,55 W", "line 2 has 4 cells under 3 heads, as with a decimal"),
    ],
)
def test_a_row_whose_meaning_is_not_sure_is_refused(tmp_path: Path, heads: str, row: str, said: str) -> None:
    """``300,55`` in cells that commas part is not 300."""
    with pytest.raises(ConfigError) as caught:
        imported(log(tmp_path, heads, row))
    assert said in caught.value.message
    assert caught.value.remedy


def test_gpus_of_two_machines_are_two(tmp_path: Path) -> None:
    """Each machine has a GPU 0; the mean of both would be the figure of none."""
    file = log(tmp_path, "hostname,timestamp,index,power", "a,{s},0,100\nb,{s}7,0,500")
    found = imported(file)
    assert limits(found, "b/0")[1] == pytest.approx(5000, rel=1e-3)
    assert figure(found, "a/0").counted is False
    assert limits(found, "total")[1] == pytest.approx(5000, rel=1e-3)


def test_a_model_in_the_column_of_the_gpu_is_no_gpu(tmp_path: Path) -> None:
    """Two GPUs of one model, read one after the other, are not one whose power jumps."""
    file = log(tmp_path, "timestamp,gpu,power", "{s},NVIDIA H100 80GB HBM3,100\n{s}03,NVIDIA H100 80GB HBM3,500")
    with pytest.raises(ConfigError, match="rows come in groups of 2 as from several GPUs"):
        imported(file)


def pulse(directory: Path, heads: str, name: str = "") -> Imported:
    """Work of 400 W for 10 s between rests of 100 W, as the mean of the last second shows it."""
    lines = [heads]
    for number in range(401):
        time_s = number / 10
        share = min(1.0, max(0.0, time_s - 15)) - min(1.0, max(0.0, time_s - 25))
        lines.append(f"{START + time_s},0,{100 + 300 * share}{name}")
    file = directory / "power.csv"
    file.write_text("\n".join([*lines, ""]))
    return imported(file, (START + 15, START + 25))


def test_bounds_of_a_mean_over_the_last_second_hold_the_truth(tmp_path: Path) -> None:
    """nvidia-smi's power.draw shows work up to a second late: 4,000 J, of which 150 are shown after the window."""
    low, best, high = limits(pulse(tmp_path, "timestamp,index,power.draw"), "total")
    assert low < 4000 < high
    assert best == pytest.approx(4000, rel=0.025)


def test_an_a100_shows_its_power_at_once(tmp_path: Path) -> None:
    """The GA100 is the exception that nvidia-smi's manual names, so its bounds stay narrow."""
    low, _, high = limits(pulse(tmp_path, "timestamp,index,power.draw,name", ",NVIDIA A100-SXM4-80GB"), "total")
    assert high - low < 200


def test_a_mean_that_ends_with_the_window_is_said_so(tmp_path: Path) -> None:
    """What a mean shows after the window belongs to it in part."""
    heads, row = "timestamp,index,power.draw", "{s},0,300"
    ends = imported(log(tmp_path, heads, row, ends_s=15.2))
    assert any("the end of the window is not wholly in it" in message for message in messages(ends, "WARN"))
    assert not any("not wholly" in message for message in messages(imported(log(tmp_path, heads, row)), "WARN"))


def test_a_window_shorter_than_the_readings_resolve_has_no_figure(tmp_path: Path) -> None:
    """As for this package's own windows, bounds farther apart than a fifth are no figure."""
    found = imported(log(tmp_path, "timestamp,index,power", "{s},0,300"), (START + 5, START + 5.001))
    assert figure(found, "total").energy_j is None
    assert any("too far apart for a figure" in message for message in messages(found, "FAIL"))
