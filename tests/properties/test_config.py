"""Laws of configs: whatever is written either loads or is refused with a ConfigError, and what loads survives."""

from __future__ import annotations

import contextlib
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.config.loading import (
    config_from_mapping,
    config_from_yaml,
    config_to_mapping,
    config_to_yaml,
    load_config,
)
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.config.overrides import override_paths, with_overrides
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.safety.keys import is_secret
from ai_energy_benchmarks.text.yaml_text import dump, parse

SMALLEST = {"backend": {"type": "pytorch", "model": "m"}}
# YAML has no way to write lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
KEYS = st.sampled_from(
    [
        *("backend", "type", "model", "options", "device_ids", "endpoint", "threads", "device_map"),
        *("scenario", "num_samples", "generate_kwargs", "max_new_tokens", "temperature", "reasoning_params"),
        *("protocol", "warmup", "trials", "metrics", "collectors", "carbon", "path"),
        *("reporters", "reporter", "output_file", "output_dir", "name"),
    ]
)
NAMES = st.sampled_from([*registry.names("backends"), *registry.names("collectors"), *registry.names("reporters")])
VALUES = st.recursive(
    SCALARS | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(KEYS | TEXTS | st.integers(), VALUES, max_size=6))
def test_any_mapping_loads_or_is_refused(mapping: dict[str, object]) -> None:
    """No mapping, however odd, ends in anything but a config or a ConfigError with a fix."""
    with pytest.raises(ConfigError, match="problem") as caught:
        config_from_mapping({**mapping, "backend": None})
    assert caught.value.remedy
    with contextlib.suppress(ConfigError):
        assert isinstance(config_from_mapping(mapping), BenchmarkConfig)


@settings(deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=4).map(".".join), VALUES)
def test_any_one_key_of_a_good_config_loads_or_is_refused(key: str, value: object) -> None:
    """The same for a config that is right but for one key, which gets further into the checks."""
    with contextlib.suppress(ConfigError):
        assert isinstance(config_from_mapping(with_overrides(SMALLEST, {key: value})), BenchmarkConfig)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_loads_or_is_refused(text: str) -> None:
    """No text ends in an error of the YAML library."""
    with pytest.raises(ConfigError):
        config_from_yaml(text)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_file_loads_or_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Nor does any file, of whatever encoding."""
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        load_config(file)


@settings(deadline=None)
@given(VALUES.filter(lambda value: value is not None))
def test_yaml_survives_a_round_trip(value: object) -> None:
    """What is dumped is read back with the same types, whatever the environment holds."""
    document = parse(dump({"key": value}), "text")
    assert document.problems == ()
    assert repr(document.value) == repr({"key": value})


# What stands under the name of a secret is not written; hypothesis takes words from the code, so it finds such names.
NAMES = TEXTS.filter(lambda text: not is_secret(text))
GOOD_TEXTS = TEXTS.filter(lambda text: text.strip() and "\0" not in text)
PATHS = GOOD_TEXTS.map(Path).map(str)
FRACTIONS = st.floats(min_value=0, exclude_min=True, max_value=1)
COUNTS = st.integers(1, 10**6)


def block(**keys: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """A mapping in which every key may be missing."""
    return st.fixed_dictionaries({}, optional=keys)


def blocks() -> st.SearchStrategy[dict[str, object]]:
    """Mappings that are right in every key."""
    sampling = block(temperature=st.floats(min_value=0, exclude_min=True, allow_infinity=False), top_k=COUNTS,
                     top_p=FRACTIONS, min_p=FRACTIONS)  # fmt: skip
    generate = st.builds(lambda drawn, rest: {**drawn, **rest, "do_sample": True}, sampling, block(
        max_new_tokens=st.integers(50, 10**6), min_new_tokens=st.integers(0, 50),
        stop_strings=st.lists(TEXTS.filter(bool), max_size=2)))  # fmt: skip
    options = block(dtype=st.sampled_from(["auto", "bfloat16"]), threads=COUNTS, revision=TEXTS,
                    device_map=TEXTS | st.dictionaries(NAMES, COUNTS, max_size=2),
                    max_memory=st.dictionaries(NAMES, TEXTS, max_size=2))  # fmt: skip
    replay = block(path=PATHS).map(lambda chosen: {"type": "replay", "options": chosen})
    return st.fixed_dictionaries(
        {"backend": st.builds(lambda drawn, rest: {"type": "pytorch", "model": "m", **drawn, "options": rest},
                              block(model=GOOD_TEXTS, device_ids=st.sets(st.integers(0, 9), min_size=1).map(list)),
                              options)},
        optional={
            "name": GOOD_TEXTS,
            "scenario": block(dataset_name=GOOD_TEXTS, num_samples=COUNTS, repeat=st.booleans(), seed=COUNTS,
                              reasoning_params=st.dictionaries(NAMES, st.booleans() | COUNTS | TEXTS, max_size=2),
                              generate_kwargs=generate),
            "protocol": block(bare_idle_s=st.floats(0, 1e6), trials=COUNTS, warmup=block(requests=COUNTS)),
            "metrics": block(collectors=replay.map(lambda each: [each, "modelled"]), region=TEXTS,
                             carbon=st.fixed_dictionaries({"intensity_g_per_kwh": st.just(0.0) | st.floats(1, 1e4),
                                                           "source": GOOD_TEXTS})),
            "reporters": PATHS.map(lambda file: ["console", {"type": "json", "output_file": file}]),
            "output_dir": PATHS,
            "save_texts": st.booleans(),
        },
    )  # fmt: skip


@settings(deadline=None)
@given(blocks())
def test_configs_survive_a_round_trip(mapping: dict[str, object]) -> None:
    """A config is the same after it was written as a mapping or as YAML and read again."""
    config = config_from_mapping(mapping)
    assert config_from_mapping(config_to_mapping(config)) == config
    assert config_from_yaml(config_to_yaml(config)) == config


@settings(deadline=None)
@given(blocks())
def test_written_configs_hold_what_was_given(mapping: dict[str, object]) -> None:
    """Every scalar that the user wrote is in the config as written out, unchanged."""
    written = dict(override_paths(config_to_mapping(config_from_mapping(mapping))))
    for path, value in override_paths(mapping):
        if not isinstance(value, dict | list) and "." not in "".join(map(str, path)):
            assert written[path] == value, path


def test_every_class_of_the_config_is_frozen() -> None:
    """A config cannot change after it was checked."""
    config = config_from_mapping(SMALLEST)
    for value in (config, config.backend, config.scenario, config.protocol, config.metrics, config.backend.options):
        first = attrs.fields(type(value))[0].name
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, first, None)
