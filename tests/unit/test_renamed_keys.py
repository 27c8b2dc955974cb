"""Keys that were renamed before the first release."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks import ConfigError
from ai_energy_benchmarks.config.loading import config_from_yaml
from ai_energy_benchmarks.study.stored_runs import run_of

BACKEND = "backend: {type: pytorch, model: m}\n"
OLD = (
    ("protocol: {warmup: {most: 20}}", "protocol.warmup.most", "protocol.warmup.max_requests"),
    (
        "protocol: {thermal_gate: {most_celsius: 2}}",
        "protocol.thermal_gate.most_celsius",
        "protocol.thermal_gate.max_celsius_per_minute",
    ),
    (
        "protocol: {thermal_gate: {most_power: 0.02}}",
        "protocol.thermal_gate.most_power",
        "protocol.thermal_gate.max_power_change_per_minute",
    ),
    (
        "metrics: {collectors: [{type: nvml, options: {widest_delay_s: 2}}]}",
        "metrics.collectors[0].options.widest_delay_s",
        "metrics.collectors[0].options.max_delay_s",
    ),
    (
        "metrics: {collectors: [rapl, {type: nvml, options: {longest_rest_s: 2}}]}",
        "metrics.collectors[1].options.longest_rest_s",
        "metrics.collectors[1].options.max_rest_s",
    ),
)


@pytest.mark.parametrize(("block", "old", "new"), OLD)
def test_an_old_key_is_refused_with_its_new_name(block: str, old: str, new: str) -> None:
    """One line says where the key is and what it is called now."""
    with pytest.raises(ConfigError) as caught:
        config_from_yaml(BACKEND + block)
    assert f"line 2: {old}: is now {new}; rename the key" in str(caught.value)


def test_a_stored_config_is_read_under_todays_names() -> None:
    """The ``config.yaml`` of an older result still loads, with the values it had."""
    block = "protocol: {warmup: {mode: converge, most: 20}, thermal_gate: {most_celsius: 2, most_power: 0.02}}\n"
    meters = "metrics: {collectors: [{type: nvml, options: {widest_delay_s: 2, longest_rest_s: 4}}]}\n"
    config = config_from_yaml(BACKEND + block + meters, stored=True)
    assert config.protocol.warmup.max_requests == 20
    gate = config.protocol.gate
    assert gate is not None
    assert (gate.max_celsius_per_minute, gate.max_power_change_per_minute) == (2, 0.02)
    options = config.metrics.collectors[0].options
    assert (getattr(options, "max_delay_s", None), getattr(options, "max_rest_s", None)) == (2, 4)


def test_results_are_compared_by_todays_names() -> None:
    """A setting that only changed its name is no difference between two results."""
    old = run_of({"config": {"settings": {"protocol": {"warmup": {"most": 50}}}}})
    assert old.settings == {"protocol": {"warmup": {"max_requests": 50}}}


def test_a_problem_of_the_whole_config_has_no_key() -> None:
    """Thousands of unknown keys are one problem of the config itself, which names no key."""
    with pytest.raises(ConfigError, match="further keys that are not known"):
        config_from_yaml(BACKEND + "".join(f"key_{number}: 1\n" for number in range(200)))
