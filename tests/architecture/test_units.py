"""Units stand in names."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import MODULES

UNITS = ("_j", "_w", "_s", "_hz", "_bytes", "_celsius", "_celsius_per_minute", "_tokens", "_g", "_g_per_kwh")

# Fields without a unit of their own, each with the reason.
UNITLESS = {
    "Estimate": "in the unit of the field that holds it",
    "Distribution": "in the unit of the field that holds it",
    "Series.values": "in the unit that its quantity names",
    "AtLeast.value": "a limit, in the unit of the key it belongs to",
    "AtMost.value": "a limit, in the unit of the key it belongs to",
    "MoreThan.value": "a limit, in the unit of the key it belongs to",
    "Completion.amounts": "each in the unit that is its key",
    "Summary.amounts": "each in the unit that is its key",
    "Summary.work": "each in the unit that is its key",
    "ComponentFacts.scatter": "shares of the mean",
    "Lists": "in the unit of the column that they are of",
    "Blocks": "in the unit of the field that holds them",
    "Bounds": "in the unit of the field that holds it",
    "CarbonConfig.pue": "a ratio: energy of the site over energy of its machines",
    "MetricsConfig.wall_factor": "a ratio: energy at the wall over that of the components",
    "BenchmarkResult.wall_factor": "a ratio: energy at the wall over that of the components",
    "WarmupConfig.cv": "a ratio: standard deviation over mean",
    "ThermalGateConfig.max_power_change_per_minute": "a ratio: change over power",
    "Tariff.pue": "a ratio: energy of the site over energy of its machines",
    "Tariff.price_per_kwh": "in the currency that stands beside it",
    "CostConfig.price_per_kwh": "in the currency that stands beside it",
    "Carbon.pue": "a ratio: energy of the site over energy of its machines",
    "Generation.temperature": "divides logits; no unit",
    "Generation.top_p": "a probability",
    "Generation.min_p": "a ratio of probabilities",
    "Generation.repetition_penalty": "divides logits; no unit",
    "ComponentEnergy.gain_limit": "a ratio: error over figure",
    "Environment.cgroup_cpus": "a count, with fractions",
    "Slo.limits": "seconds, each with the field's name",
    "ServerGauges.kv_cache_share": "a ratio",
    "ServerGauges.running_requests": "a count",
    "ServerGauges.waiting_requests": "a count",
    "ServerLoad": "counts and ratios",
    "GpuConfig.power_limit_percent": "percent of the GPU's default power limit",
    "GpuConfig.sm_clock_percent": "percent of the GPU's highest clock",
    "Goodput.good_requests": "a mean count",
    "Goodput.unknown_requests": "a mean count",
    "Goodput.share": "a ratio",
    "WorkloadShare": "ratios",
    "Summary.requests": "a mean count",
    "Summary.succeeded": "a mean count",
    "Summary.failed": "a mean count",
    "Recipe.flat_within": "a ratio: change of power over the step between rest and work",
    "Window.flat_within": "a ratio: change of power over the step between rest and work",
    "SteadyMix.sampling": "a ratio: standard error over figure",
    "SteadyState.latency_requests": "a mean count",
    "SteadyState.left_out_requests": "a mean count",
    "SteadyState.filler_requests": "a mean count",
    "Summary.tokens_per_event": "a ratio",
}


def names(node: ast.AST | None) -> set[str]:
    """The bare names in an annotation."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} if node else set()


def float_fields(tree: ast.Module) -> Iterator[str]:
    """``Class.name`` of every field and property that is a float or holds some.

    A name for "text or number" (what engines and templates take) is not a float.
    """
    floats = {"float", "Estimate", "Distribution", "Bounds"}
    for node in tree.body:
        if isinstance(node, ast.Assign) and names(node.value) & floats and "str" not in names(node.value):
            floats |= names(node.targets[0])
    for owner in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for node in owner.body:
            if isinstance(node, ast.AnnAssign) and names(node.annotation) & floats:
                yield f"{owner.name}.{ast.unparse(node.target)}"
            elif isinstance(node, ast.FunctionDef) and names(node.returns) & floats:
                yield f"{owner.name}.{node.name}"


BLOCKS = {"text/ranges.py", *(f"config/{name}.py" for name in ("model", "protocol", "metrics", "slo"))}
VALUES = [module for module in MODULES if module.room == "domain" or module.path.as_posix() in BLOCKS]
FIELDS = sorted({each for module in VALUES for each in float_fields(module.tree)})


def excused(field: str) -> bool:
    owner = field.partition(".")[0]
    return owner in UNITLESS or field in UNITLESS or field.replace("GenerateKwargs", "Generation") in UNITLESS


@pytest.mark.parametrize("field", FIELDS)
def test_a_float_says_its_unit(field: str) -> None:
    """The name of a float ends in its unit, or the table above says why it has none."""
    assert field.endswith(UNITS) or excused(field)


def test_no_excuse_outlives_its_field() -> None:
    """Every line of the table above belongs to a field that exists."""
    known = {*FIELDS, *(field.partition(".")[0] for field in FIELDS)}
    assert set(UNITLESS) <= known
