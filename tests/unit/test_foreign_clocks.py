"""Power logs whose times have no zone, or whose rows do not name their GPU."""

from __future__ import annotations

import random
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.foreign.clocks import Clock, zone_named
from ai_energy_benchmarks.results.foreign.power_logs import read_power_log
from ai_energy_benchmarks.results.foreign.reading import read_foreign
from tests.unit.test_foreign import START, WINDOW, aiperf, figure, limits, request, smi, steady

CENTRAL_EUROPE = timezone(timedelta(hours=1))
# The log of a machine in UTC+1 that drew 600 W where a reader of UTC sees 300 W: one hour apart.
HOUR_S = 3600.0


def local_log(tmp_path: Path) -> Path:
    """A log that starts at 01:00 local time, which is 00:00 UTC: 600 W in the first 20 minutes, 300 W an hour later."""
    rows = [(START + HOUR_S + step, "0", 600.0 if step < 1200 else 300.0) for step in range(5400)]
    return smi(tmp_path, rows)


@pytest.mark.parametrize("window", [(START + 300, START + 700), ("2025-11-26T00:05:00Z", "2025-11-26T01:11:40+01:00")])
def test_an_absolute_window_of_a_log_without_zone_needs_the_zone(tmp_path: Path, window: tuple[str, str]) -> None:
    """240,000 J with the zone, and without it one error with the first time of the log and the fix."""
    log = local_log(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_foreign(log, window=window)
    assert "'2025/11/26 01:00:00.000'" in caught.value.message
    assert "--timezone Europe/Berlin, or --timezone UTC" in (caught.value.remedy or "")
    assert limits(read_foreign(log, window=window, zone=CENTRAL_EUROPE), "GPU 0")[1] == pytest.approx(240_000)


def test_requests_are_an_absolute_window(tmp_path: Path) -> None:
    """Their nanoseconds count from 1970 in UTC."""
    log, records = local_log(tmp_path), aiperf(tmp_path, request(START + 300, START + 700))
    with pytest.raises(ConfigError, match="a time without a zone"):
        read_foreign(log, requests=records)
    assert limits(read_foreign(log, requests=records, zone=CENTRAL_EUROPE), "GPU 0")[1] == pytest.approx(240_000)


def test_a_log_and_a_window_without_zones_are_of_one_clock(tmp_path: Path) -> None:
    """The window as the log writes its times needs no zone, and any zone gives the same."""
    log, window = local_log(tmp_path), ("2025-11-26T01:05:00", "2025-11-26T01:11:40")
    assert limits(read_foreign(log, window=window), "GPU 0")[1] == pytest.approx(240_000)
    assert limits(read_foreign(log, window=window, zone=CENTRAL_EUROPE), "GPU 0")[1] == pytest.approx(240_000)


def test_an_absolute_log_and_a_window_without_zone_need_the_zone(tmp_path: Path) -> None:
    """A log in Unix seconds does not say of which clock 00:00:05 is."""
    file = tmp_path / "power.csv"
    file.write_text("time_s,power_w\n" + "".join(f"{START + step},300\n" for step in range(60)))
    window = ("2025-11-26T01:00:05", "2025-11-26T01:00:15")
    with pytest.raises(ConfigError, match="'2025-11-26T01:00:05' has no zone"):
        read_foreign(file, window=window)
    assert limits(read_foreign(file, window=window, zone=CENTRAL_EUROPE), "GPU")[1] == pytest.approx(3000)


def test_zones_have_names_or_offsets() -> None:
    """One error for what is neither."""
    assert Clock(zone_named("-05:30")).seconds("2025/11/25 18:30:00") == START
    assert Clock(zone_named("Europe/Berlin")).seconds("2025/11/26 01:00:00") == START
    for unknown in ("Europe", "Mars/Base", "+25:00", "../UTC", "", "/etc/passwd"):
        with pytest.raises(ConfigError, match=r"--timezone .* is unknown"):
            zone_named(unknown)


def test_the_hour_of_the_change_of_clocks_is_refused() -> None:
    """02:30 comes twice in the night in which summer time ends; the offset says which it is."""
    with pytest.raises(ConfigError, match="in which the clocks of Europe/Berlin change"):
        Clock(zone_named("Europe/Berlin")).seconds("2025/10/26 02:30:00")
    assert Clock(zone_named("+02:00")).seconds("2025/10/26 02:30:00") == 1_761_438_600


@pytest.mark.parametrize("zone", [None, CENTRAL_EUROPE])
def test_a_log_through_the_end_of_summer_time_names_the_cause(tmp_path: Path, zone: timezone | None) -> None:
    """Its times fall by an hour once, in local time; the error names the place and the fix."""
    end = START - 30 * 86400
    before = [(end + step, "0", 300.0) for step in range(30)]
    after = [(end + 30 + step - HOUR_S, "0", 300.0) for step in range(30)]
    log = smi(tmp_path, [*before, *after])
    with pytest.raises(ConfigError, match=r"the clock was set back after 2025-10-27 00:00:29\.000") as caught:
        read_foreign(log, window=WINDOW, zone=zone)
    assert "--timezone" in (caught.value.remedy or "")
    assert "cut the log there" in (caught.value.remedy or "")


@pytest.mark.parametrize("back_s", [5.0, 600.0, 3400.0, 3700.0, 7200.0])
def test_a_log_in_disorder_was_not_set_back(tmp_path: Path, back_s: float) -> None:
    """By another time than clocks are, or more than once: the lines are in disorder, whatever the reason."""
    rows = [(START + step - (back_s if step >= 30 else 0.0), "0", 300.0) for step in range(5000)]
    with pytest.raises(ConfigError, match=r"is not in order of time|names two readings of one moment"):
        read_foreign(smi(tmp_path, rows), window=WINDOW, zone=timezone.utc)


@pytest.mark.parametrize("heads", ["timestamp, power.draw [W]", "timestamp, name, power.draw [W]"])
@pytest.mark.parametrize(("gpus", "gap_s"), [(2, 0.002), (4, 0.01), (8, 0.003)])
def test_rows_in_groups_are_of_several_gpus(tmp_path: Path, gpus: int, gap_s: float, heads: str) -> None:
    """Their energy would be that of one GPU; a column with the name of the model does not change that."""
    noise = random.Random(1)
    rows = [
        (START + step * 0.1 + gpu * gap_s + noise.random() * 0.001, "NVIDIA H100", 300.0)
        for step in range(60)
        for gpu in range(gpus)
    ]
    log = smi(tmp_path, rows, heads)
    if "name" not in heads:
        log.write_text(log.read_text().replace(" NVIDIA H100,", ""))
    with pytest.raises(ConfigError) as caught:
        read_power_log(log, Clock())
    assert f"rows come in groups of {gpus} as from several GPUs" in caught.value.message
    assert "--query-gpu=timestamp,index" in (caught.value.remedy or "")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("count", [6, 12, 400])
def test_one_gpu_with_jitter_is_read(tmp_path: Path, seed: int, count: int) -> None:
    """Readings that come early and late, after pauses and in a hurry after them, are of one GPU."""
    noise, time_s, lines = random.Random(seed), START, ["time_s,power_w"]
    for _ in range(count):
        time_s += 0.1 * noise.uniform(0.2, 1.8) + (3.0 if noise.random() < 0.03 else 0.0)
        lines.append(f"{time_s:.3f},300")
    file = tmp_path / "power.csv"
    file.write_text("\n".join(lines) + "\n")
    assert len(read_power_log(file, Clock()).series) == 1


def test_a_gpu_is_counted_by_index_or_uuid(tmp_path: Path) -> None:
    """A log with both columns takes both names, and refuses a name that two GPUs have."""
    rows = sorted([*steady("1, GPU-b", 300.0), *steady("0, GPU-a", 200.0)], key=lambda row: row[0])
    log = smi(tmp_path, rows, "timestamp, index, uuid, power.draw [W]")
    for gpu in ("1", "GPU-b"):
        imported = read_foreign(log, window=WINDOW, zone=timezone.utc, gpus=[gpu])
        assert limits(imported, "total")[1] == pytest.approx(3000, rel=2e-3)
        assert figure(imported, "GPU-b").counted
    log.write_text(log.read_text().replace(" 0, GPU-a", " 1, GPU-a"))
    with pytest.raises(ConfigError, match="--gpu 1 is the name of GPU-b, GPU-a"):
        read_foreign(log, window=WINDOW, zone=timezone.utc, gpus=["1"])
