"""Carbon intensity of electricity by country, from a table in the package; never a guess from an address.

The table is "Carbon intensity of electricity generation" of Our World in Data (Ember and Energy Institute;
CC BY 4.0), as CodeCarbon 3.3 (MIT) carries it: yearly averages of what is generated in a country, life-cycle
emissions of the power plants included.
"""

from __future__ import annotations

import csv
import difflib
from functools import cache
from importlib.resources import files

from attrs import frozen

from ai_energy_benchmarks.config.model import MetricsConfig
from ai_energy_benchmarks.domain.result import Carbon, Tariff

_SOURCE = "Ember and Energy Institute via Our World in Data, CC BY 4.0"
_BASIS = "location-based yearly average of generation, life cycle; embodied emissions of the hardware excluded"


@frozen
class Country:
    """One row of the table."""

    code: str
    name: str
    intensity_g_per_kwh: float
    year: int


@cache
def countries() -> dict[str, Country]:
    """ISO 3166-1 alpha-3 code → row.

    Rows of 0 g/kWh stand in the source where nothing is known: life-cycle emissions of real power plants are not 0
    (of hydropower about 24 g/kWh: IPCC AR5, WG III, annex III), so such a country has no intensity.
    """
    text = files("ai_energy_benchmarks.config").joinpath("carbon_intensity.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    found = (
        Country(row["country_iso_code"], row["country"], float(row["intensity_g_per_kwh"]), int(row["year"]))
        for row in rows
    )
    return {country.code: country for country in found if country.intensity_g_per_kwh > 0}


def unknown_country(code: str) -> str | None:
    """What is wrong with a code, with the nearest known ones; None if the table has it."""
    if code in countries():
        return None
    near = difflib.get_close_matches(code.upper(), countries(), n=3, cutoff=0.6)
    hint = ", ".join(f"{each} ({countries()[each].name})" for each in near)
    return f"has no carbon intensity in the table{f'; near: {hint}' if hint else ''}; give metrics.carbon yourself"


def carbon_for(metrics: MetricsConfig) -> Carbon | None:
    """What emissions are computed from: the user's own intensity, else the country's; None if neither is named."""
    given = metrics.carbon
    pue = given.pue if given else 1.0
    if given is not None and given.intensity_g_per_kwh is not None:
        return Carbon(given.intensity_g_per_kwh, pue, given.source or "metrics.carbon")
    country = countries().get(metrics.country_iso_code or "")
    if country is None:
        return None
    source = f"{country.name} {country.year}: {_SOURCE}; {_BASIS}"
    if metrics.region:
        source += f"; the table knows countries only, so region {metrics.region} has no part in it"
    return Carbon(country.intensity_g_per_kwh, pue, source)


def tariff_for(metrics: MetricsConfig) -> Tariff | None:
    """What cost is computed from; None if no price is named."""
    cost = metrics.cost
    if cost is None:
        return None
    pue = metrics.carbon.pue if cost.site_tariff and metrics.carbon else 1.0
    return Tariff(cost.price_per_kwh, cost.currency, pue)
