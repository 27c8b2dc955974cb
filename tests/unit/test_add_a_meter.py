"""docs/add-a-meter.md, followed: its blocks become a distribution, and a run measures with it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Mark, Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import CollectorSettings, MetricsCollector
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeReporter, Journal
from ai_energy_benchmarks.text.yaml_text import parse

POWER_W = 40.0


@pytest.fixture
def page(root: Path) -> dict[str, str]:
    """The page's blocks by their language."""
    text = (root / "docs" / "add-a-meter.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def installed(page: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's package, as pip would leave it, with the meter of power in the same module."""
    power = page["py"] + '\n    AUTO = {"system": 50}\n'
    (tmp_path / "hwmon_meter.py").write_text(f"{page['python']}\n\n{power}")
    group, line = re.findall(r'^\[project\.entry-points\."(.+)"\]\n(.+)$', page["toml"], re.MULTILINE)[0]
    line += "\nhwmon_power = hwmon_meter:HwmonPowerCollector"
    record = tmp_path / "hwmon_meter-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: hwmon-meter\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AEB_PLUGINS", "Hwmon_Meter")
    monkeypatch.delitem(sys.modules, "hwmon_meter", raising=False)


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    """A counter at constant power, for as long as the test lasts."""
    file = tmp_path / "energy1_input"
    file.write_text("1000000\n")
    return file


class Growing:
    """Lets the counter grow with the clock, from the moment of entering."""

    def __init__(self, file: Path) -> None:
        self._file, self._stop = file, threading.Event()
        self._thread = threading.Thread(target=self._grow)

    def _grow(self) -> None:
        started_s = time.perf_counter()
        while not self._stop.wait(0.005):
            energy_uj = 1_000_000 + int((time.perf_counter() - started_s) * POWER_W * 1e6)
            new = self._file.with_suffix(".new")
            new.write_text(f"{energy_uj}\n")
            new.replace(self._file)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_it_has_thirty_lines(page: dict[str, str]) -> None:
    """As the title says, without imports, blank lines and the docstring."""
    lines = [line.strip() for line in page["python"].splitlines()]
    code = [line for line in lines if line and not line.startswith(("from ", '"""'))]
    assert len(code) <= 30


def test_another_file_next_to_the_module_does_no_harm(page: dict[str, str], tmp_path: Path) -> None:
    """Setuptools builds the page's package as it stands, with a second module in the folder."""
    (tmp_path / "pyproject.toml").write_text(page["toml"])
    (tmp_path / "hwmon_meter.py").write_text(page["python"])
    (tmp_path / "try_it.py").write_text("")
    command = "from setuptools import setup; setup(script_args=['-q', 'egg_info'])"
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "hwmon_meter.egg-info" / "top_level.txt").read_text() == "hwmon_meter\n"


@pytest.mark.usefixtures("installed")
def test_the_meter_keeps_the_contract(counter: Path) -> None:
    """It has every method, and says what it cannot see."""
    found = registry.load("collectors", "hwmon")
    meter = found.from_settings(CollectorSettings(found.Options(counter), Environment("", "", "")))  # type: ignore[attr-defined]
    assert isinstance(meter, MetricsCollector)
    with meter:
        meter.attach(Workload((), (), elsewhere="another machine"))
        elsewhere = meter.read(Mark(1.0), Mark(2.0))
    assert elsewhere.readings == ()
    assert elsewhere.absent["cpu"] == "another machine"
    counter.write_text("no number")
    with pytest.raises(CollectorError, match="hwmon cannot be read") as caught, meter:
        pass
    assert caught.value.remedy


@pytest.mark.usefixtures("installed")
def test_list_names_it_with_the_option_that_it_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member with an option that has no default cannot be tried, and is no reason to fail."""
    monkeypatch.setenv("COLUMNS", "300")  # narrower, its columns would wrap into each other's lines
    assert exit_code(["list"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "hwmon" in out
    assert "it needs options: path" in out
    assert exit_code(["doctor"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "hwmon limited it needs options: path" in out
    assert "hwmon_power limited it needs options: path" in out


@pytest.mark.usefixtures("installed")
def test_the_meter_of_the_whole_system_is_in_the_run_and_its_report(tmp_path: Path, counter: Path) -> None:
    """Constant power times time, called integrated, shown next to the processor and not added to it."""
    file = tmp_path / "power1_average"
    file.write_text(f"{int(2 * POWER_W * 1e6)}\n")
    meters = [
        {"type": "hwmon", "options": {"path": str(counter)}},
        {"type": "hwmon_power", "options": {"path": str(file)}},
    ]
    config = config_from_mapping(
        {
            "backend": {"type": "pytorch", "model": "fake-model"},
            "scenario": {"num_samples": 8, "dataset_name": "builtin"},
            "protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "warmup": {"requests": 1}, "trials": 2},
            "metrics": {"collectors": meters},
        }
    )
    journal = Journal()
    backend = FakeBackend(journal, FakeClock(journal), before_batch=lambda _: time.sleep(0.03))
    with Growing(counter):
        result = BenchmarkRunner(config, backend=backend, reporters=[FakeReporter(journal)]).measure()
    for trial in result.trials:
        assert trial.measurement is not None
        [reading] = [each for each in trial.measurement.readings if each.device.component == "system"]
        assert (reading.meter, reading.provenance) == ("hwmon_power", "integrated")
        assert reading.recipe is not None
        # Each meter has its own mark of the same edge.
        duration_s = reading.recipe.stop_s - reading.recipe.start_s
        assert reading.energy_j == pytest.approx(2 * POWER_W * duration_s, rel=1e-6)
    assert result.summary.total_components == ("cpu",)
    components = report_document(result)["components"]
    assert components["system"]["energy_j"] > components["cpu"]["energy_j"] == components["total"]["energy_j"]


@pytest.mark.usefixtures("installed")
def test_a_run_measures_with_it(page: dict[str, str], counter: Path) -> None:
    """The page's config gives the counter's energy: power times time lies between the bounds of each trial."""
    written = parse(page["yaml"], "the page").value
    assert isinstance(written, dict)
    [asked] = written["metrics"]["collectors"]
    short = {"protocol": {"bare_idle_s": 0, "resident_idle_s": 0, "warmup": {"requests": 1}, "trials": 2}}
    meter = {"metrics": {"collectors": [{**asked, "options": {"path": str(counter)}}]}}
    config = config_from_mapping(with_overrides(written, {**short, **meter}))
    journal = Journal()
    backend = FakeBackend(journal, FakeClock(journal), before_batch=lambda _: time.sleep(0.03))
    with Growing(counter):
        result = BenchmarkRunner(config, backend=backend, reporters=[FakeReporter(journal)]).measure()
    assert len(result.trials) == 2
    for trial in result.trials:
        assert trial.measurement is not None
        [reading] = trial.measurement.readings
        assert (reading.meter, reading.provenance, reading.device.component) == ("hwmon", "measured", "cpu")
        # The counter's file is up to two of its own steps old.
        slack_j = 0.05 * POWER_W
        true_j = POWER_W * trial.duration_s
        assert reading.bounds_j.low - slack_j <= true_j <= reading.bounds_j.high + slack_j
        assert trial.duration_s >= 8 * 0.03
