"""Whether a backend can be used on this machine: its own ``problems``, and the packages that it lists."""

from __future__ import annotations

from ai_energy_benchmarks.backends.base import Backend, BackendSettings, Demand
from ai_energy_benchmarks.domain.environment import Environment
from ai_energy_benchmarks.domain.prompts import Generation
from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.machine.packages import Package, packages_readiness


def readiness(member: type[Backend], environment: Environment) -> Readiness:
    """What stands in the way of any run with this backend; no model is loaded and no server is contacted."""
    packages: tuple[Package, ...] = getattr(member, "REQUIRES", ())
    installed = packages_readiness(packages)
    if installed.state != "ready" and member.needs_endpoint:
        detail = f"{installed.detail} here; a server that runs already needs only backend.endpoint"
        return Readiness("limited", detail, installed.remedy)
    if installed.state != "ready":
        return installed
    settings = BackendSettings("", "auto", (0,), None, "text-generation", member.Options())
    problems = member.from_settings(settings).problems(Demand(Generation(), 1, 1))
    if problems:
        return Readiness("missing", "; ".join(problems))
    return Readiness("ready", installed.detail or _without_packages(member))


def _without_packages(member: type[Backend]) -> str:
    return "any server with its API; set backend.endpoint" if member.needs_endpoint else "needs no package"
