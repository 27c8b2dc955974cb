"""The real CodeCarbon as a meter."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("codecarbon", reason="codecarbon is not installed")

from ai_energy_benchmarks.config.carbon import carbon_for, countries
from ai_energy_benchmarks.config.model import CarbonConfig, MetricsConfig
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.codecarbon import CodeCarbonCollector, CodeCarbonOptions


def settings(folder: Path, country: str | None = "FRA", **options: object) -> CollectorSettings:
    chosen = CodeCarbonOptions(**{"measure_s": 0.2, **options})  # type: ignore[arg-type] # options under test
    return CollectorSettings(chosen, Environment("", "", ""), output_dir=folder, country_iso_code=country)


def test_windows_have_energy_with_bounds_and_its_own_name(tmp_path: Path) -> None:
    """CPU and memory of a window come with CodeCarbon's name and word, and split windows keep the sum."""
    with CodeCarbonCollector(settings(tmp_path)) as collector:
        marks = [collector.mark()]
        for _ in range(2):
            time.sleep(0.6)
            marks.append(collector.mark())
        first, second = collector.read(marks[0], marks[1]), collector.read(marks[1], marks[2])
        whole = collector.read(marks[0], marks[2])
    by_component = {reading.device.component: reading for reading in whole.readings}
    assert {"cpu", "dram"} <= set(by_component)
    assert "gpu" in by_component or "gpu" in whole.absent
    assert by_component["dram"].provenance == "modelled"
    for reading in whole.readings:
        assert reading.meter == "codecarbon"
        assert 0 <= reading.bounds_j.low <= reading.energy_j <= reading.bounds_j.high
    for part_one, part_two, both in zip(first.readings, second.readings, whole.readings, strict=True):
        assert part_one.energy_j + part_two.energy_j == pytest.approx(both.energy_j, rel=1e-6, abs=1e-9)


def test_its_own_file_is_written_only_on_request(tmp_path: Path) -> None:
    """``emissions.csv`` appears in ``metrics.output_dir`` when asked for, and nowhere otherwise."""
    with CodeCarbonCollector(settings(tmp_path / "no")):
        pass
    assert not (tmp_path / "no").exists()
    with CodeCarbonCollector(settings(tmp_path / "yes", emissions_csv=True)):
        pass
    lines = (tmp_path / "yes" / "emissions.csv").read_text().splitlines()
    assert len(lines) == 2
    assert "FRA" in lines[1]


def test_it_never_guesses_a_country(tmp_path: Path) -> None:
    """Without a country it does not start."""
    with pytest.raises(CollectorError, match="needs a country"):
        CodeCarbonCollector(settings(tmp_path, country=None)).__enter__()


def test_a_workload_elsewhere_is_absent(tmp_path: Path) -> None:
    """This machine's CodeCarbon says nothing of a remote engine."""
    with CodeCarbonCollector(settings(tmp_path)) as collector:
        collector.attach(Workload((), None, elsewhere="another machine"))
        measurement = collector.read(collector.mark(), collector.mark())
    assert measurement.readings == ()
    assert set(measurement.absent) == {"gpu", "cpu", "dram"}


def test_our_table_has_the_intensities_that_codecarbon_uses() -> None:
    """For every country of our table CodeCarbon's own energy mix says the same, to a tenth of a gram."""
    from codecarbon.input import DataSource

    theirs = DataSource().get_global_energy_mix_data()
    for code, country in countries().items():
        assert country.intensity_g_per_kwh == pytest.approx(theirs[code]["carbon_intensity"], abs=0.051)


def test_the_user_s_own_intensity_comes_before_the_country_s() -> None:
    """A named country gives its yearly average with its source; an intensity of the user's replaces it."""
    table = carbon_for(MetricsConfig(country_iso_code="FRA"))
    assert table is not None
    assert (table.intensity_g_per_kwh, table.pue) == (56.0, 1.0)
    assert "France 2023" in table.source
    assert "location-based" in table.source
    own = CarbonConfig(intensity_g_per_kwh=12.0, source="our solar plant", pue=1.2)
    given = carbon_for(MetricsConfig(country_iso_code="FRA", carbon=own))
    assert given is not None
    assert (given.intensity_g_per_kwh, given.pue, given.source) == (12.0, 1.2, "our solar plant")
    assert carbon_for(MetricsConfig()) is None
