"""Other people's numbers: read in the form that their tools write, and never averaged with what is wrong."""

from __future__ import annotations

import json
import math
from datetime import timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.foreign.clocks import Clock
from ai_energy_benchmarks.results.foreign.imported import Imported, ImportedFigure
from ai_energy_benchmarks.results.foreign.optimum import read_report
from ai_energy_benchmarks.results.foreign.power_logs import read_power_log
from ai_energy_benchmarks.results.foreign.reading import read_foreign
from ai_energy_benchmarks.results.foreign.windows import joules_per_token

START = 1_764_115_200.0  # 2025-11-26T00:00:00Z
HEADS = "timestamp, index, power.draw [W]"


def figure(imported: Imported, name: str) -> ImportedFigure:
    """The figure of that name."""
    return next(item for item in imported.figures if item.name == name)


def limits(imported: Imported, name: str) -> tuple[float, ...]:
    """Low, best and high of the energy of a figure, in joules."""
    return tuple(figure(imported, name).energy_j or ())


def messages(imported: Imported, level: str) -> list[str]:
    """What the findings of a level say."""
    return [finding.message for finding in imported.findings if finding.level == level]


def smi(tmp_path: Path, rows: list[tuple[float, str, float]], heads: str = HEADS) -> Path:
    """A log as nvidia-smi writes it: times with milliseconds, values with their unit."""
    import datetime

    lines = [heads]
    for time_s, gpu, watts in rows:
        moment = datetime.datetime.fromtimestamp(time_s, datetime.timezone.utc)
        lines.append(f"{moment:%Y/%m/%d %H:%M:%S}.{moment.microsecond // 1000:03d}, {gpu}, {watts:.2f} W")
    file = tmp_path / "power.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def steady(
    gpu: str = "0", watts: float = 300.0, step_s: float = 0.1, lasts_s: float = 20.0
) -> list[tuple[float, str, float]]:
    """Constant power with the small noise that a sensor has."""
    count = round(lasts_s / step_s) + 1
    return [(START + number * step_s, gpu, watts + math.sin(number)) for number in range(count)]


WINDOW = (START + 5.0, START + 15.0)
utc = partial(read_foreign, zone=timezone.utc)

# The form of a public report of optimum-benchmark: a decode measure of -0.080 kWh, a prefill of 0.0, the mean of all.
GOOD_PREFILL, GOOD_DECODE = 0.08, 0.0684
PREFILL = [GOOD_PREFILL] * 6 + [0.0] + [GOOD_PREFILL] * 3
DECODE = [GOOD_DECODE] * 4 + [-0.0802] + [GOOD_DECODE] + [0.1485] + [GOOD_DECODE] * 3


def report(prefill: list[float], decode: list[float]) -> dict[str, Any]:
    """A ``benchmark_report.json`` with these energies of the GPU in kWh."""

    def phase(values: list[float]) -> dict[str, Any]:
        measures = [
            {
                "unit": "kWh",
                "cpu": value / 17,
                "ram": value / 900,
                "gpu": value,
                "total": value * (1 + 1 / 17 + 1 / 900),
            }
            for value in values
        ]
        means = {
            key: sum(measure[key] for measure in measures) / len(measures) for key in ("cpu", "ram", "gpu", "total")
        }
        return {"memory": None, "energy": {"unit": "kWh", **means}, "measures": measures}

    energy = {"unit": "kWh", "cpu": 1.4e-5, "ram": 1.8e-7, "gpu": 1.6e-4, "total": 1.8e-4}
    empty = {"memory": None, "energy": None, "measures": None}
    return {
        "prefill": phase(prefill),
        "decode": phase(decode),
        "per_token": empty,
        "preprocess": {"energy": energy, "measures": None},
    }


@pytest.fixture
def public(tmp_path: Path) -> Imported:
    """The public report."""
    file = tmp_path / "benchmark_report.json"
    file.write_text(json.dumps(report(PREFILL, DECODE)))
    return read_foreign(file)


def test_every_bad_measure_of_the_public_report_is_named(public: Imported) -> None:
    """The zero, the negative one, and the one that holds two passes."""
    said = [message for message in messages(public, "FAIL") if "measure" in message]
    assert said == [
        "prefill: measure 7: gpu is 0, where the others are about 0.08 kWh",
        "decode: measure 5: gpu is -0.080 kWh, and energy is never negative",
        "decode: measure 7: gpu is 0.148 kWh, 2.17 times the median",
    ]


def test_means_are_those_of_the_good_measures(public: Imported) -> None:
    """0.08 and 0.0684 kWh, where the report says 10 % and 9 % less."""
    assert limits(public, "prefill gpu") == pytest.approx((GOOD_PREFILL * 3.6e6,) * 3)
    assert limits(public, "decode gpu") == pytest.approx((GOOD_DECODE * 3.6e6,) * 3)
    assert "prefill: the published mean of gpu is 10.0 % too low" in messages(public, "FAIL")
    assert any(
        message.startswith("decode: the published mean of gpu is 10.0 % too low")
        for message in messages(public, "FAIL")
    )


def test_a_report_without_a_bad_measure_has_no_fail(tmp_path: Path) -> None:
    """Measures that scatter by a few percent are measures."""
    file = tmp_path / "benchmark_report.json"
    values = [0.08, 0.0801, 0.0797, 0.0825]
    file.write_text(json.dumps(report(values, values)))
    imported = read_foreign(file)
    assert messages(imported, "FAIL") == []
    assert limits(imported, "preprocess gpu") == (576.0, 576.0, 576.0)
    low, best, high = limits(imported, "decode gpu")
    assert best == pytest.approx(sum(values) / 4 * 3.6e6)
    assert low < best < high


def test_a_phase_without_a_good_measure_is_withheld(tmp_path: Path) -> None:
    """Nothing but zeros is no energy, and no 0 J."""
    file = tmp_path / "benchmark_report.json"
    file.write_text(json.dumps(report([0.0, 0.0], [0.1, 0.1])))
    imported = read_foreign(file)
    assert figure(imported, "prefill gpu").energy_j is None
    assert figure(imported, "prefill gpu").withheld == "no measure is good"
    assert "prefill: gpu is 0 in every measure" in messages(imported, "FAIL")


def test_the_energy_of_a_window_of_a_log(tmp_path: Path) -> None:
    """300 W for 10 s are 3,000 J, inside the bounds; 1,000 tokens cost 3 J each."""
    imported = utc(smi(tmp_path, steady()), window=WINDOW, output_tokens=1000)
    low, best, high = limits(imported, "GPU 0")
    assert best == pytest.approx(3000, rel=2e-3)
    assert low <= 3000 <= high
    per_token = joules_per_token(figure(imported, "total"))
    assert tuple(per_token or ()) == pytest.approx((low / 1000, best / 1000, high / 1000))
    assert messages(imported, "FAIL") == []


def test_an_idle_gpu_is_shown_and_not_summed_in(tmp_path: Path) -> None:
    """Seven idle GPUs next to a busy one would add most of its energy once more."""
    rows = sorted([*steady("0"), *steady("1", 70.0)], key=lambda row: row[0])
    imported = utc(smi(tmp_path, rows), window=WINDOW)
    assert "GPU 1 stayed idle, so it is not counted" in messages(imported, "WARN")
    total, busy = figure(imported, "total").energy_j, figure(imported, "GPU 0").energy_j
    assert total == busy
    assert figure(utc(smi(tmp_path, rows), window=WINDOW, gpus=["0", "1"]), "total").energy_j != busy


def test_a_window_that_the_log_does_not_hold_is_withheld(tmp_path: Path) -> None:
    """The log began after the window: what is missing is not guessed."""
    imported = utc(smi(tmp_path, steady()), window=(START - 1, START + 5))
    assert figure(imported, "GPU 0").energy_j is None
    assert figure(imported, "total").energy_j is None
    assert any("is not inside the log" in message for message in messages(imported, "FAIL"))


def test_a_gap_is_found(tmp_path: Path) -> None:
    """Three seconds without a reading are 30 % of the window; a slow log of one reading a second is a WARN."""
    rows = [row for row in steady() if not START + 8 < row[0] < START + 11]
    assert any("no reading for 3.0" in message for message in messages(utc(smi(tmp_path, rows), window=WINDOW), "FAIL"))
    slow = utc(smi(tmp_path, steady(step_s=0.5)), window=WINDOW)
    assert any("readings are 0.50 s apart" in message for message in messages(slow, "WARN"))


def test_warm_up_inside_the_window_is_found(tmp_path: Path) -> None:
    """The first second draws 120 W, the rest 300 W."""
    rows = [(time_s, gpu, 120.0 if time_s < START + 6 else watts) for time_s, gpu, watts in steady()]
    assert any(
        "warm-up seems to be in it" in message for message in messages(utc(smi(tmp_path, rows), window=WINDOW), "WARN")
    )


def test_zero_power_is_no_power(tmp_path: Path) -> None:
    """A driver that was reset writes 0 W; the window is withheld."""
    rows = [(time_s, gpu, 0.0 if START + 9 < time_s < START + 9.3 else watts) for time_s, gpu, watts in steady()]
    imported = utc(smi(tmp_path, rows), window=WINDOW)
    assert figure(imported, "GPU 0").energy_j is None
    assert any("zero or negative" in message for message in messages(imported, "FAIL"))


def test_a_log_of_several_gpus_without_their_names_is_refused(tmp_path: Path) -> None:
    """Summed into one line they would be one GPU of twice the noise."""
    file = tmp_path / "power.csv"
    file.write_text(
        "timestamp, power.draw [W]\n" + "2025/11/26 00:00:00.000, 300.00 W\n2025/11/26 00:00:00.000, 70.00 W\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_power_log(file, Clock())
    assert "two readings of one moment" in caught.value.message
    assert "index or uuid" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("text", "gpu"),
    [
        ("timestamp, uuid, power.draw [W]\n2025/11/26 00:00:00.000, GPU-1, 300.00 W\n"
         "2025/11/26 00:00:00.100, GPU-1, 301.00 W\n", "GPU-1"),
        ("timestamp, power.draw.instant [W]\n2025/11/26 00:00:00.000, 300.00\n"
         "2025/11/26 00:00:00.100, 301.00\n", "GPU"),
        ("timestamp,gpu,socket_power,gfx_voltage\n1764115200,0,300,N/A\n1764115200.1,0,301,N/A\n", "0"),
        ("time,device,Average Graphics Package Power (W)\n1764115200,card0,300.0\n1764115200.1,card0,301.0\n", "card0"),
        ("1764115200.0 #Entity   POWER    SMCLK\n1764115200.0 ID           W      MHz\n"
         "1764115200.0 GPU 0     300.000  1410\n1764115200.1 GPU 0     301.000  1410\n", "GPU 0"),
        ("time_s,power_w\n1764115200,300\n1764115200.1,301\n", "GPU"),
    ],
    ids=["nvidia-smi", "nounits", "amd-smi", "rocm-smi", "dcgmi dmon", "plain"],
)  # fmt: skip
def test_logs_are_read_as_their_tools_write_them(tmp_path: Path, text: str, gpu: str) -> None:
    """Times, GPUs and powers are found under the names that each tool uses."""
    file = tmp_path / "power.csv"
    file.write_text(text)
    (series,) = read_power_log(file, Clock()).series
    assert series.device.id == gpu
    assert list(series.before_s) == pytest.approx([START, START + 0.1])
    assert list(series.values) == [300.0, 301.0]


@pytest.mark.parametrize(
    ("text", "said", "fix"),
    [
        ("timestamp, index, power.draw [W]\n2025/11/26 00:00:00.000, 0, [N/A]\n", "'[N/A]' is not a power",
         "reports its power"),
        ("2025/11/26 00:00:00.000, 300.00 W\n", "no column of time", "--query-gpu="),
        ("#Entity POWER\nID W\nGPU 0 300.0\n", "dcgmi dmon prints no time", "ts '%.s'"),
        ("timestamp, power.draw [W]\nyesterday, 300.00 W\n", "'yesterday' is not a time", "Unix seconds"),
        ("", "no column of time", "--query-gpu="),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_fix(tmp_path: Path, text: str, said: str, fix: str) -> None:
    """One error with the line, and what to log instead."""
    file = tmp_path / "power.csv"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_power_log(file, Clock())
    assert said in caught.value.message
    assert fix in (caught.value.remedy or "")


def test_a_log_without_a_window_is_refused_with_its_times(tmp_path: Path) -> None:
    """The whole log is never taken for the work."""
    with pytest.raises(ConfigError) as caught:
        read_foreign(smi(tmp_path, steady()))
    assert "from 2025-11-26T00:00:00.000 to 2025-11-26T00:00:20.000 (local" in caught.value.message
    with pytest.raises(ConfigError, match=r"from 1764115200\.000 to 1764115220\.000"):
        utc(smi(tmp_path, steady()))


def aiperf(tmp_path: Path, *records: dict[str, Any]) -> Path:
    """aiperf's profile_export.jsonl."""
    file = tmp_path / "profile_export.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def request(start_s: float, stop_s: float, tokens: int | None = 100, **metadata: object) -> dict[str, Any]:
    """One record of aiperf."""
    metrics = {} if tokens is None else {"output_sequence_length": {"value": tokens, "unit": "tokens"}}
    times = {"request_start_ns": round(start_s * 1e9), "request_end_ns": round(stop_s * 1e9)}
    return {
        "metadata": {"benchmark_phase": "profiling", "was_cancelled": False, **times, **metadata},
        "metrics": metrics,
        "error": None,
    }


def test_the_requests_of_aiperf_give_the_window_and_the_tokens(tmp_path: Path) -> None:
    """From the first sending to the last end, without the requests of its own warm-up."""
    records = aiperf(
        tmp_path,
        request(START + 1, START + 2, benchmark_phase="warmup"),
        request(START + 5, START + 11),
        request(START + 6, START + 15),
    )
    total = figure(utc(smi(tmp_path, steady()), requests=records), "total")
    assert total.duration_s == pytest.approx(10.0)
    assert total.output_tokens == 200


def test_failed_and_uncounted_requests_are_named(tmp_path: Path) -> None:
    """A load that is not whole gives no energy per token."""
    records = aiperf(
        tmp_path,
        request(START + 5, START + 15),
        request(START + 6, START + 7, None),
        request(START + 6, START + 8, was_cancelled=True),
    )
    imported = utc(smi(tmp_path, steady()), requests=records)
    assert joules_per_token(figure(imported, "total")) is None
    assert "1 of 3 requests failed or were cancelled" in messages(imported, "FAIL")
    assert "1 requests have no count of output tokens" in messages(imported, "FAIL")


def test_zeros_of_the_older_version_are_no_figures(tmp_path: Path) -> None:
    """0.0.x wrote 0 where no meter saw anything, and appended rows under the heads of another version."""
    file = tmp_path / "results.csv"
    file.write_text(
        "summary_total_tokens,energy_gpu_energy_wh,energy_cpu_energy_wh,energy_duration_seconds\n"
        "1000,0.5,0.0,10\n"
        "1000,0.5,0.1,10,surplus\n"
    )
    imported = read_foreign(file)
    assert limits(imported, "line 2 gpu_energy") == (1800.0, 1800.0, 1800.0)
    assert figure(imported, "line 2 cpu_energy").withheld == "0.0.x wrote 0 where no meter saw it"
    assert any("line 3 has 5 cells under 4 heads" in message for message in messages(imported, "FAIL"))
    assert len(imported.figures) == 2


def test_tokens_of_prompts_and_answers_together_are_no_output_tokens(tmp_path: Path) -> None:
    """A row of 0.0.x that has their sum alone gives no energy per output token."""
    file = tmp_path / "results.csv"
    file.write_text("summary_total_tokens,energy_gpu_energy_wh\n1000,0.5\n")
    assert joules_per_token(figure(read_foreign(file), "line 2 gpu_energy")) is None
    file.write_text("summary_total_tokens,summary_total_completion_tokens,energy_gpu_energy_wh\n1000,100,0.5\n")
    per_token_j = joules_per_token(figure(read_foreign(file), "line 2 gpu_energy"))
    assert per_token_j is not None
    assert per_token_j.best == 18.0


def test_rows_of_ml_energy_are_checked_against_themselves(tmp_path: Path) -> None:
    """Power over throughput is the energy per token; a row that contradicts itself is a WARN."""
    row = {"model_id": "a/b", "task": "gpqa", "avg_power_watts": 500.0, "output_throughput_tokens_per_sec": 1000.0}
    rows = [
        {**row, "energy_per_token_joules": 0.5},
        {**row, "energy_per_token_joules": 0.8},
        {**row, "energy_per_token_joules": -1},
    ]
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"model_id": "a/b", "configurations": rows}))
    imported = read_foreign(file)
    assert [item.energy_j and item.energy_j.best for item in imported.figures] == [0.5, 0.8, None]
    assert any(
        "power over throughput is 0.5 J/token, the row says 0.8" in message for message in messages(imported, "WARN")
    )
    assert any("energy_per_token_joules is -1" in message for message in messages(imported, "FAIL"))


def test_two_measures_that_differ_give_no_interval_below_zero() -> None:
    """Student's t of two measures reaches below 0 J; the bound is cut off there, and the ± is given in words."""
    document = report([0.06, 0.08], [0.0684, 0.0684])
    low, best, high = limits(read_report(document), "prefill gpu")
    assert low == 0.0
    assert best == pytest.approx(0.07 * 3.6e6)
    assert high > 2 * best


def test_a_time_is_read_in_one_place() -> None:
    """Unix seconds, ISO 8601 with and without a zone, and nvidia-smi's form; what is none of these is no time."""
    texts = ("1764115200", "2025-11-26T00:00:00", "2025-11-26T01:00:00+01:00", "2025/11/26 00:00:00.000")
    assert {Clock().seconds(text) for text in texts} == {START}
    assert Clock().seconds("noon") is None
