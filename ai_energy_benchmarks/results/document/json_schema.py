"""The JSON Schema (draft 2020-12) of the report document, ``result.json``.

It has what readers may rely on: keys that every document of the version has, their types and units, and what is null
where a figure is withheld. Further keys may follow in the same version, so they are allowed everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from ai_energy_benchmarks.domain.components import COMPONENTS
from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.domain.result import SCHEMA_VERSION

Schema = dict[str, JsonValue]

_NUMBER: Schema = {"type": ["number", "null"]}
_COUNT: Schema = {"type": "number", "minimum": 0}
_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_LEVEL: Schema = {"enum": ["PASS", "INFO", "WARN", "FAIL"]}
_NAMES: list[JsonValue] = [*COMPONENTS, "total"]


def result_schema() -> Schema:
    """The schema of the report documents that this version writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ai_energy_benchmarks:result:{SCHEMA_VERSION}",
        "title": "ai-energy-benchmark result",
        "description": "Energy is in joules (…_j) and watt-hours (…_wh), power in watts, time in seconds unless a key "
        "says ms. Figures are of one pass, means over the trials, except under totals, steps and trials.",
        **_block(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "name": _TEXT,
                "started_utc": _TEXT,
                "run_id": _MAYBE_TEXT,
                "ending": {"enum": ["completed", "stopped", "interrupted"]},
                "verdict": {"$ref": "#/$defs/verdict"},
                "config": _block(
                    {"name": _TEXT, "backend": _TEXT, "model": _TEXT, "dataset": _TEXT, "num_samples": _COUNT}
                ),
                "summary": _block(dict.fromkeys(_SUMMARY, _COUNT)),
                "energy": _block(
                    {"gpu_energy_wh": {"type": "number"}, "gpu_energy_source": _TEXT, "emissions_source": _TEXT},
                    description="The block that AI Energy Score reads: what is absent is 0.0 and its source `absent`.",
                ),
                "components": _by_component({"$ref": "#/$defs/component"}),
                "absent": {"type": "object", "additionalProperties": _TEXT},
                "derived": _by_component({"$ref": "#/$defs/derived"}),
                "latency_ms": _block({key: {"$ref": "#/$defs/distribution"} for key in _LATENCIES}),
                "phases_by_time": {"type": ["object", "null"]},
                "phases_by_time_absent": _MAYBE_TEXT,
                "totals": _block({"trials": _COUNT, "requests": _COUNT, "duration_s": _COUNT, "output_tokens": _COUNT}),
                "steps": {"type": "array", "items": _window({"name": _TEXT})},
                "trials": {"type": "array", "items": _window(_TRIAL)},
                "trials_left_out": _COUNT,
                "environment": _block({"platform": _TEXT, "python": _TEXT, "package_version": _TEXT}),
            }
        ),
        "$defs": _definitions(),
    }


_SUMMARY = (
    "total_prompts", "successful_prompts", "failed_prompts", "total_duration_seconds", "total_prompt_tokens",
    "total_completion_tokens", "throughput_tokens_per_second", "trials",
)  # fmt: skip
_DERIVED = ("j_per_output_token", "wh_per_1000_queries", "average_power_w")
_LATENCIES = ("ttft", "itl", "tpot", "e2e")
_TRIAL: Mapping[str, Schema] = {
    "number": _COUNT,
    "complete": {"type": "boolean"},
    "requests": _COUNT,
    "failed": _COUNT,
    "prompt_tokens": _COUNT,
    "output_tokens": _COUNT,
}


def _block(properties: Mapping[str, Schema], **more: JsonValue) -> Schema:
    """An object with all of these keys, and perhaps others."""
    return {"type": "object", "required": [*properties], "properties": {**properties}, **more}


def _by_component(schema: Schema) -> Schema:
    return {"type": "object", "propertyNames": {"enum": _NAMES}, "additionalProperties": schema}


def _window(properties: Mapping[str, Schema]) -> Schema:
    energy = _by_component({"$ref": "#/$defs/energy"})
    return _block({**properties, "started_unix_s": {"type": "number"}, "duration_s": _COUNT, "energy": energy})


def _definitions() -> Schema:
    energy: Mapping[str, Schema] = {
        "energy_j": {**_NUMBER, "description": "null where the bounds are too far apart for a bare number"},
        "energy_low_j": _NUMBER,
        "energy_high_j": _NUMBER,
    }
    figure: Schema = {
        "type": ["object", "null"],
        "required": ["value", "low", "high"],
        "properties": {
            "value": {**_NUMBER, "description": "null where it is withheld"},
            "low": _NUMBER,
            "high": _NUMBER,
        },
    }
    finding = _block({"level": _LEVEL, "check": _TEXT, "message": _TEXT, "component": _MAYBE_TEXT})
    described: Mapping[str, Schema] = {
        "source": {"enum": ["measured", "integrated", "modelled"]},
        "meter": _TEXT,
        "resolved": {"type": "boolean"},
        **energy,
    }
    component = _block(described)
    # Not required, since earlier documents of this version do not have it.
    component["properties"] = {
        **described,
        "bounds_absent": {
            **_MAYBE_TEXT,
            "description": "why low and high are no bounds of the energy, as of a model; null if they are",
        },
    }
    # A component that is not resolved has no number.
    component["if"] = {"properties": {"resolved": {"const": False}}}
    component["then"] = {"properties": {"energy_j": {"type": "null"}}}
    return {
        "verdict": _block(
            {
                "level": _LEVEL,
                "headline": _MAYBE_TEXT,
                "components": {"type": "object", "additionalProperties": _LEVEL},
                "findings": {"type": "array", "items": finding},
            }
        ),
        "component": component,
        "energy": _block(energy),
        "figure": figure,
        "derived": _block(
            {
                name: {"$ref": "#/$defs/figure"}
                for name in ("j_per_output_token", "wh_per_1000_queries", "average_power_w")
            }
        ),
        "distribution": {
            "type": ["object", "null"],
            "required": ["n", "mean", "p50", "p95", "p99"],
            "additionalProperties": {"type": "number"},
        },
    }
