"""Laws of studies: an expansion is what nested loops give, and a Williams design is balanced."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_energy_benchmarks.config.loading import config_from_mapping, config_to_mapping
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.plan.design import DesignConfig
from ai_energy_benchmarks.study.plan.expansion import cell_mapping, expand
from ai_energy_benchmarks.study.plan.file import study_from_mapping
from ai_energy_benchmarks.study.plan.order import cycle_orders, design_size, order_problems, williams_row

BASE = {"backend": {"type": "pytorch", "model": "m"}}
AXES: Mapping[str, list[Any]] = {
    "scenario.num_samples": [1, 2, 3],
    "scenario.input_shapes.batch_size": [1, 2, 4],
    "scenario.generate_kwargs.max_new_tokens": [8, 16],
    "backend.device": ["cpu", "auto"],
    "protocol.trials": [1, 2],
}
GROUPS = [
    [{"scenario.seed": 1, "save_texts": True}, {"scenario.seed": 2}],
    [{"scenario": {"repeat": True}}, {"scenario.repeat": False}, {}],
]
SCOPED = {"backend.options.dtype": ["float32", "bfloat16"], "backend.options.attn_implementation": ["eager", "sdpa"]}


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """Studies of a few axes, groups, scopes, experiments and exclusions, all valid."""
    names = draw(st.lists(st.sampled_from(sorted(AXES)), unique=True, max_size=3))
    sweep: dict[str, Any] = {}
    for name in names:
        sweep[name] = draw(st.lists(st.sampled_from(AXES[name]), min_size=1, max_size=3))
    for number in draw(st.lists(st.sampled_from([0, 1]), unique=True)):
        sweep[f"group{number}"] = GROUPS[number]
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(SCOPED)))
        sweep["pytorch"] = {name: SCOPED[name]}
    experiments = draw(st.lists(st.sampled_from([{"scenario.num_samples": 9}, {"save_texts": True}]), max_size=2))
    exclude = []
    if names and draw(st.booleans()):
        exclude = [{names[0]: sweep[names[0]][0], "backend.type": ["pytorch", "vllm"]}]
    return {"base": BASE, "sweep": sweep, "experiments": experiments, "exclude": exclude}


def brute_force(study: Mapping[str, Any]) -> set[str]:
    """The resolved configs that nested loops give."""
    alternatives: list[list[Mapping[str, Any]]] = []
    for name, value in study["sweep"].items():
        if name == "pytorch":
            alternatives += [[{inner: each} for each in values] for inner, values in value.items()]
        elif name.startswith("group"):
            alternatives.append(value)
        else:
            alternatives.append([{name: each} for each in value])
    found = set()
    for combination in [*_products(alternatives, study), *([each] for each in study["experiments"])]:
        mapping: dict[str, Any] = with_overrides({"protocol": {"trials": 1, "repeats": "cycles"}}, BASE)
        for settings_of_one in combination:
            mapping = with_overrides(mapping, settings_of_one)
        plain = config_to_mapping(config_from_mapping(mapping))
        excluded = False
        for entry in study["exclude"]:
            excluded |= all(_at(plain, key) in (wanted if isinstance(wanted, list) else [wanted])
                            for key, wanted in entry.items())  # fmt: skip
        if not excluded:
            found.add(_key(plain))
    return found


def _products(alternatives: list[list[Mapping[str, Any]]], study: Mapping[str, Any]) -> Iterator[Any]:
    return iter(()) if not alternatives and study["experiments"] else itertools.product(*alternatives)


def _at(plain: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        plain = plain[part]
    return plain


def _key(plain: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in plain.items() if key not in ("name", "output_dir")}, default=str)


@settings(max_examples=60, deadline=None)
@given(studies())
def test_an_expansion_is_what_nested_loops_give(mapping: dict[str, Any]) -> None:
    """Every combination once, none besides, whichever form the file has; the funnel adds up."""
    wanted = brute_force(mapping)
    study = study_from_mapping(mapping)
    if not wanted:
        with pytest.raises(ConfigError, match="leaves no cell"):
            expand(study)
        return
    expansion = expand(study)
    configs = [config_from_mapping(cell_mapping(study, each, Path("d"), "n")) for each in expansion.cells]
    assert {_key(config_to_mapping(each)) for each in configs} == wanted
    assert len(expansion.cells) == len(wanted) == len({each.id for each in expansion.cells})
    gone = sum(expansion.left_out.values()) + expansion.invalid_cells + sum(expansion.merged.values())
    assert expansion.declared == len(expansion.cells) + gone


@given(st.integers(1, 24))
def test_a_williams_design_is_balanced(count: int) -> None:
    """Every cell stands in every place equally often, and directly follows every other equally often."""
    rows = [williams_row(count, row) for row in range(design_size(count))]
    times = len(rows) // count
    assert all(sorted(row) == list(range(count)) for row in rows)
    places = Counter((cell, place) for row in rows for place, cell in enumerate(row))
    assert all(places[cell, place] == times for cell in range(count) for place in range(count))
    follows = Counter(pair for row in rows for pair in itertools.pairwise(row))
    pairs = [(one, other) for one in range(count) for other in range(count) if one != other]
    assert all(follows[pair] == times for pair in pairs)
    assert set(follows) <= set(pairs)


@given(st.integers(2, 9), st.integers(0, 2**31), st.integers(1, 3))
def test_the_drawn_square_is_balanced_too(count: int, seed: int, repeats: int) -> None:
    """Drawing which cell has which letter and which row comes first keeps the balance, in each whole design."""
    size = design_size(count)
    drawn = cycle_orders(DesignConfig(order="latin_square"), seed, range(count), 1, size * repeats)
    for first in range(0, len(drawn), size):
        rows = [each.cells for each in drawn[first : first + size]]
        follows = Counter(pair for row in rows for pair in itertools.pairwise(row))
        assert len(follows) == count * (count - 1)
        assert len(set(follows.values())) == 1


@given(st.integers(1, 12), st.integers(1, 60))
def test_other_numbers_of_cycles_are_refused_with_those_that_fit(count: int, cycles: int) -> None:
    """Even k takes multiples of k, odd k of 2k, and the message names the nearest ones."""
    problems = order_problems(DesignConfig(cycles=cycles, order="latin_square"), count)
    size = count if count % 2 == 0 or count == 1 else 2 * count
    assert bool(problems) == (cycles % size != 0)
    for problem in problems:
        assert f"write {cycles // size * size} or" in problem.text or cycles < size
        assert str((cycles // size + 1) * size) in problem.text


@given(st.sampled_from(["shuffle", "interleave", "reverse", "latin_square"]), st.integers(1, 8), st.integers(0, 99))
def test_every_order_is_a_permutation_that_its_seed_repeats(order: Any, count: int, seed: int) -> None:
    """The same seed gives the same orders, whether all cycles are drawn at once or one by one."""
    design = DesignConfig(order=order)
    drawn = cycle_orders(design, seed, range(count), 1, 4)
    assert all(sorted(each.cells) == list(range(count)) for each in drawn)
    assert drawn == [cycle_orders(design, seed, range(count), cycle, 1)[0] for cycle in range(1, 5)]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.integers(0, 99))
def test_blocks_stay_together(blocks: list[str], seed: int) -> None:
    """Within a cycle every block is one run of cells."""
    (drawn,) = cycle_orders(DesignConfig(blocks=True), seed, blocks, 1, 1)
    assert sorted(drawn.cells) == list(range(len(blocks)))
    runs = [name for name, _ in itertools.groupby(blocks[cell] for cell in drawn.cells)]
    assert len(runs) == len(set(runs))
