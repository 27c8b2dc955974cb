"""The table of carbon intensities, and what stands in it for a country of which nothing is known."""

from __future__ import annotations

from ai_energy_benchmarks.config.carbon import carbon_for, countries, unknown_country
from ai_energy_benchmarks.config.model import CarbonConfig, MetricsConfig


def test_zero_grams_is_missing() -> None:
    """The source has 0 g/kWh for the Central African Republic, which no power plant's life cycle has."""
    assert "CAF" not in countries()
    assert carbon_for(MetricsConfig(country_iso_code="CAF")) is None
    wrong = unknown_country("CAF")
    assert wrong is not None
    assert "give metrics.carbon yourself" in wrong


def test_every_country_emits_something() -> None:
    """Between the life cycle of hydropower and that of coal; Lesotho's 20 g/kWh is a real figure."""
    assert all(15 < country.intensity_g_per_kwh < 1400 for country in countries().values())
    assert countries()["LSO"].intensity_g_per_kwh == 20.0
    assert len(countries()) > 200


def test_an_intensity_of_ones_own_stands() -> None:
    """Whoever states an intensity with its source is believed."""
    own = CarbonConfig(intensity_g_per_kwh=12.5, source="my supplier, 2024")
    found = carbon_for(MetricsConfig(country_iso_code="CAF", carbon=own))
    assert found is not None
    assert (found.intensity_g_per_kwh, found.source) == (12.5, "my supplier, 2024")
