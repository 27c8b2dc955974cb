"""Whether a meter works on this machine: it is entered, as a run would enter it, and left again."""

from __future__ import annotations

from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.packages import Package, packages_readiness
from ai_energy_benchmarks.metrics.base import CollectorSettings, KnowsLimits, MetricsCollector, NeedsSetting


def readiness(member: type[MetricsCollector], environment: Environment) -> Readiness:
    """What the meter sees with its default options, or why it does not open."""
    packages: tuple[Package, ...] = getattr(member, "REQUIRES", ())
    installed = packages_readiness(packages)
    if installed.state != "ready":
        return installed
    try:
        made = member.from_settings(CollectorSettings(member.Options(), environment))
        if isinstance(made, NeedsSetting) and (error := made.setting_needed()) is not None:
            return Readiness("limited", f"installed; {error.message}", error.remedy)
        with made as meter:
            components = ", ".join(meter.components())
            limits = meter.limits() if isinstance(meter, KnowsLimits) else ()
            notes = meter.notes()
    except CollectorError as error:
        return Readiness("missing", error.message, error.remedy)
    sees = f"sees {components}" if components else "adds facts to another meter's figures"
    detail = "; ".join(dict.fromkeys((*filter(None, (installed.detail,)), sees, *(limits or notes))))
    return Readiness("limited" if limits else "ready", detail)
