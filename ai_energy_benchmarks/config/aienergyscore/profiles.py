"""Named sets of settings, laid under a config: what the config says itself stands."""

from __future__ import annotations

from collections.abc import Mapping

from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.problems import nearest
from ai_energy_benchmarks.text.yaml_text import scalar

# The method of AI Energy Score: text generation on 1,000 prompts, one at a time, the mean of 10 runs.
_AIENERGYSCORE: Mapping[str, object] = {
    "scenario": {
        "dataset_name": "AIEnergyScore/text_generation",
        "text_column_name": "text",
        "num_samples": 1000,
        "truncation": True,
        "input_shapes": {"batch_size": 1},
        "generate_kwargs": {"do_sample": False},
    },
    "load": {"concurrency": 1},
    "protocol": {"warmup": {"mode": "fixed", "requests": 10}, "trials": 10},
    "metrics": {"collectors": ["auto"]},
    "reporters": ["console", "json", "csv", "parquet", "aienergyscore"],
}
_EXACTLY_TEN = {"scenario": {"generate_kwargs": {"max_new_tokens": 10, "min_new_tokens": 10}}}
_UP_TO_8192 = {"scenario": {"generate_kwargs": {"max_new_tokens": 8192}}}

PROFILES = ("aienergyscore",)


def with_profile(name: str, mapping: Mapping[str, object]) -> dict[str, object]:
    """The mapping of a config with the profile's settings under it.

    Output is exactly 10 tokens, or up to 8,192 where ``scenario.reasoning`` is true; a config that sets
    ``max_new_tokens`` itself gets no minimum from the profile.

    Raises:
        ConfigError: there is no such profile.
    """
    if name not in PROFILES:
        raise ConfigError(f"there is no profile {name!r}{nearest(name, PROFILES)}", remedy=f"use {', '.join(PROFILES)}")
    budget: Mapping[str, object] = _EXACTLY_TEN
    if _under(mapping, "scenario", "reasoning") is True:
        budget = _UP_TO_8192
    elif _under(mapping, "scenario", "generate_kwargs", "max_new_tokens") is not None:
        budget = {}
    return with_overrides(with_overrides(with_overrides({}, _AIENERGYSCORE), budget), mapping)


def _under(mapping: object, *path: str) -> object:
    for key in path:
        mapping = mapping.get(key) if isinstance(mapping, Mapping) else None
    return scalar(mapping.strip()) if isinstance(mapping, str) else mapping
