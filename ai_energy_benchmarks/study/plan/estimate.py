"""What a study would do: how many cells, which were left out and why, in which order, for how long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.study.cells import Cell
from ai_energy_benchmarks.study.plan.disk import cell_bytes, free_bytes
from ai_energy_benchmarks.study.plan.expansion import Expansion
from ai_energy_benchmarks.study.plan.order import cycle_orders
from ai_energy_benchmarks.study.plan.study import Study


@frozen
class Estimate:
    """What a study takes, as far as it can be known before it runs.

    Attributes:
        fixed_s: idle power, gaps, and the longest rests that the protocol may take are not in it; loading and
            generating come on top.
        output_tokens: at most so many are generated in trials.
        disk_bytes: about what the results take.
        free_bytes: what the file system has.
    """

    runs: int
    fixed_s: float
    output_tokens: int
    disk_bytes: int
    free_bytes: int


def estimate(study: Study, expansion: Expansion) -> Estimate:
    """Add up what every cell takes, for as many cycles as there may be."""
    cycles, design = study.config.design.max_cycles, study.config.design
    fixed_s, tokens, size_bytes = 0.0, 0, 0
    known: dict[str, BenchmarkConfig] = {}
    for cell in expansion.cells:
        config = _config(study, cell, known)
        protocol, scenario = config.protocol, config.scenario
        fixed_s += protocol.bare_idle_s + 2 * protocol.resident_idle_s
        tokens += protocol.trials * scenario.num_samples * scenario.generate_kwargs.max_new_tokens
        size_bytes += cell_bytes(study, cell)
    runs = len(expansion.cells) * cycles
    gaps_s = max(0, runs - 1) * design.gap_s
    return Estimate(runs, fixed_s * cycles + gaps_s, tokens * cycles, size_bytes * cycles, free_bytes(study.directory))


def _config(study: Study, cell: Cell, known: dict[str, BenchmarkConfig]) -> BenchmarkConfig:
    """The config of a cell; one for all cells that agree in what an estimate looks at, of which there are few."""
    mapping = with_overrides(study.config.base, cell.settings)
    scenario = mapping.get("scenario")
    lengths = (scenario.get("num_samples"), scenario.get("generate_kwargs")) if isinstance(scenario, Mapping) else ()
    key = repr([mapping.get("protocol"), lengths])
    if key not in known:
        known[key] = config_from_mapping(mapping)
    return known[key]


def first_order(study: Study, expansion: Expansion) -> tuple[Cell, ...]:
    """The order of the first cycle: as it will be where a seed is set or none is needed, else an example."""
    design = study.config.design
    (order,) = cycle_orders(design, design.seed or 0, range(len(expansion.cells)), 1, 1)
    return tuple(expansion.cells[place] for place in order.cells)


def funnel(expansion: Expansion, cycles: int) -> Iterator[str]:
    """From what was declared to what will run, one line each, with the reasons."""
    yield f"{expansion.declared:7} declared"
    yield from _gone("excluded", sum(expansion.left_out.values()), expansion.left_out)
    yield from _gone("invalid", expansion.invalid_cells, expansion.invalid)
    yield from _gone("merged into another cell", sum(expansion.merged.values()), expansion.merged)
    cells = len(expansion.cells)
    yield f"{cells:7} {_counted('cell', cells)} × {cycles} {_counted('cycle', cycles)} = {cells * cycles} runs"


def _counted(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _gone(what: str, count: int, reasons: Mapping[str, int]) -> Iterator[str]:
    if count:
        yield f"{-count:7} {what}"
        for reason, times in sorted(reasons.items(), key=lambda pair: -pair[1]):
            yield f"{'':7}   {times} × {reason}"
