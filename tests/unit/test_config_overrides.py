"""Overrides: dotted or nested, from the command line or from Python."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.config.overrides import parse_assignments, with_overrides
from ai_energy_benchmarks.errors import ConfigError


@pytest.mark.parametrize(
    "overrides",
    [{"scenario.num_samples": 3}, {"scenario": {"num_samples": 3}}, {"scenario": {"num_samples": 3}, "name": "a"}],
)
def test_dotted_and_nested_overrides_are_the_same(overrides: dict[str, object]) -> None:
    """Only the named key changes; its neighbours stay."""
    before = {"name": "a", "scenario": {"num_samples": 10, "seed": 1}}
    assert with_overrides(before, overrides) == {"name": "a", "scenario": {"num_samples": 3, "seed": 1}}
    assert before["scenario"] == {"num_samples": 10, "seed": 1}


def test_blocks_that_are_missing_are_made() -> None:
    """A key may be set in a block that the file does not have."""
    assert with_overrides({}, {"protocol.warmup.requests": 0}) == {"protocol": {"warmup": {"requests": 0}}}


def test_lists_are_replaced() -> None:
    """A list is a value; it is not merged with what was there."""
    assert with_overrides({"reporters": ["json"]}, {"reporters": ["csv"]}) == {"reporters": ["csv"]}


def test_an_empty_mapping_changes_nothing_that_is_there() -> None:
    """Merging nothing into a block leaves it as it is; where there is none, an empty one appears."""
    assert with_overrides({"a": {"b": 1}}, {"a": {}}) == {"a": {"b": 1}}
    assert with_overrides({}, {"a": {}}) == {"a": {}}


def test_a_key_below_a_value_is_refused() -> None:
    """The message names the value that is in the way."""
    with pytest.raises(ConfigError, match=r"override scenario\.seed\.x: scenario\.seed is 1, which has no keys"):
        with_overrides({"scenario": {"seed": 1}}, {"scenario.seed.x": 2})


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("a=3", 3), ("a=1e-3", 0.001), ("a=true", True), ("a=", None), ("a='3'", "3"), ("a=text", "text"),
        ("a=x=y", "x=y"), ("a=http://h:8000/v1", "http://h:8000/v1"), ("a=[0, 1]", [0, 1]),
        ("a={type: csv}", {"type": "csv"}), ("a=b: c", "b: c"), ("a=# x", "# x"),
    ],
)  # fmt: skip
def test_values_are_typed_as_yaml_types_them(assignment: str, expected: object) -> None:
    """A value is a scalar unless it begins as a list, a mapping or a quoted text."""
    assert parse_assignments([assignment]) == {"a": expected}


@pytest.mark.parametrize("assignment", ["a", "=3", "a..b=3", ".a=3", ""])
def test_what_is_no_assignment_is_refused(assignment: str) -> None:
    """The message shows the form."""
    with pytest.raises(ConfigError, match="is not of the form key=value"):
        parse_assignments([assignment])


@pytest.mark.parametrize("assignment", ["a=[1", "a={b: 1, b: 2}", "a='x"])
def test_values_that_are_no_yaml_are_refused(assignment: str) -> None:
    """The message quotes the override."""
    with pytest.raises(ConfigError, match=r"^override 'a=|^override \"a="):
        parse_assignments([assignment])


def test_the_last_of_several_assignments_counts() -> None:
    """As with every other option of a command line."""
    assert parse_assignments(["a=1", "a=2"]) == {"a": 2}
