"""The block ``metrics``: which meters watch, and what their figures are turned into."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from attrs import field, frozen

from ai_energy_benchmarks.text.ranges import AtLeast, AtMost, Matching, Text


@frozen
class NoOptions:
    """The options of a member that has none."""


@frozen
class MemberConfig:
    """A collector by name, with options of its own.

    Attributes:
        type: which meter; ``list`` names them.
        options: settings of this meter alone, structured into its own class.
    """

    type: str
    options: object = field(factory=NoOptions)


@frozen
class CarbonConfig:
    """What emissions are computed from.

    Attributes:
        intensity_g_per_kwh: g CO2-equivalent per kWh of electricity; that of ``country_iso_code`` if not set.
        source: where the intensity comes from; printed next to every emission.
        pue: power usage effectiveness of the site, a ratio.
    """

    intensity_g_per_kwh: Annotated[float, AtLeast(0)] | None = None
    source: Text | None = None
    pue: Annotated[float, AtLeast(1), AtMost(10)] = 1.0


@frozen
class CostConfig:
    """What electricity costs.

    Attributes:
        price_per_kwh: price of one kWh in ``currency``.
        currency: printed next to every cost.
        site_tariff: whether the price is what the whole site pays, so that ``metrics.carbon.pue`` belongs in it.
    """

    price_per_kwh: Annotated[float, AtLeast(0)]
    currency: Text
    site_tariff: bool = False


@frozen
class MetricsConfig:
    """Which meters watch.

    Attributes:
        enabled: false measures tokens and times only; energy is then absent, not 0.
        collectors: ``auto`` picks the first meter that works for each component and says why.
        assume_local: the engine runs on this machine alone, though the server's address, a tunnel or a proxy does not
            say so.
        output_dir: where a meter that writes files of its own puts them.
        wall_factor: energy at the wall over that of the measured components; none is guessed. Emissions and cost are
            then of the energy at the wall.
        country_iso_code: three letters; its yearly average is the carbon intensity, unless ``carbon`` has one.
        project_name: quoted in the results, and by meters that have a field for it.
        region: quoted in the results, and given to meters that know regions.
        carbon: what emissions are computed from.
        cost: what electricity costs.
    """

    enabled: bool = True
    collectors: tuple[MemberConfig, ...] = (MemberConfig("auto"),)
    assume_local: bool = False
    project_name: Text = "ai_energy_benchmarks"
    output_dir: Path = Path("emissions")
    wall_factor: Annotated[float, AtLeast(1), AtMost(10)] | None = None
    country_iso_code: Annotated[str, Matching("[A-Z]{3}", "three capital letters, such as USA")] | None = None
    region: str | None = None
    carbon: CarbonConfig | None = None
    cost: CostConfig | None = None
