"""Whether cells ran on the same kind of hardware, and what a comparison is worth where they did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ai_energy_benchmarks.results.quotable import Document, block
from ai_energy_benchmarks.study.manifest import Attempt

_MOST_NAMED = 4


def hardware_of(document: Document) -> str:
    """The kind of machine of a run: its processor with its usable threads, and its GPUs with their power limits."""
    environment = block(document, "environment")
    boards = environment.get("boards")
    gpus: dict[str, int] = {}
    for board in boards if isinstance(boards, list) else ():
        limit_w = board.get("power_limit_w")
        kind = f"{board.get('name')}{f' at {limit_w:g} W' if isinstance(limit_w, int | float) else ''}"
        gpus[kind] = gpus.get(kind, 0) + 1
    cpu, threads = environment.get("cpu_model"), environment.get("cpu_threads")
    processor = f"{cpu or 'unknown processor'}{f' with {threads} threads' if threads else ''}"
    return " and ".join([*(f"{count} × {kind}" for kind, count in sorted(gpus.items())), processor])


def nodes(attempts: Sequence[Attempt]) -> Iterator[str]:
    """On how many nodes a study ran, and what of its order was kept there; nothing where it ran on one machine."""
    hosts = sorted({attempt.host for attempt in attempts if attempt.host})
    if not hosts:
        return
    latest = {(attempt.cell, attempt.cycle): attempt for attempt in attempts}
    of_cycle: dict[int, set[str]] = {}
    for attempt in latest.values():
        if attempt.state == "completed":
            of_cycle.setdefault(attempt.cycle, set()).add(attempt.host)
    several = [str(cycle) for cycle, of in sorted(of_cycle.items()) if len(of) > 1]
    order = "each cycle on one of them"
    if several:
        order = f"cycles {', '.join(several[:10])} on several, so that not every cell followed the one of the design"
    named = ", ".join(hosts[:_MOST_NAMED]) + (f" and {len(hosts) - _MOST_NAMED} more" if hosts[_MOST_NAMED:] else "")
    yield f"cells ran on {len(hosts)} node{'s' if len(hosts) > 1 else ''} ({named}), {order}"
    lost = sum(attempt.state == "lost" for attempt in attempts)
    if lost:
        yield f"{lost} attempts were lost with their node; these cells ran later, out of the order of the design"


def findings(cells: Sequence[tuple[str, Mapping[int, str]]]) -> Iterator[str]:
    """What unlike hardware does to the answers.

    Args:
        cells: name of each ranked cell, and cycle → hardware of those with a figure.
    """
    kinds = list(dict.fromkeys(kind for _, by_cycle in cells for kind in by_cycle.values()))
    if len(kinds) < 2:
        return
    named = "; ".join(kinds[:_MOST_NAMED]) + (f"; and {len(kinds) - _MOST_NAMED} more" if kinds[_MOST_NAMED:] else "")
    within: dict[int, set[str]] = {}
    for _, by_cycle in cells:
        for cycle, kind in by_cycle.items():
            within.setdefault(cycle, set()).add(kind)
    mixed = [str(cycle) for cycle, of in sorted(within.items()) if len(of) > 1]
    if mixed:
        cycles = ", ".join(mixed[:10])
        yield (
            f"Unlike hardware within cycles ({cycles}): {named}. Differences between cells hold those of the hardware "
            "too; measure again on one kind (execution.placement: cycle, execution.slurm.constraint)."
        )
        return
    complete = len({frozenset(by_cycle) for _, by_cycle in cells}) == 1
    ratios = "ratios hold, since each cycle ran on one kind"
    if not complete:
        ratios = "cells do not have the same cycles, so ratios hold differences of the hardware too"
    yield f"Cycles ran on unlike hardware: {named}. Means pool it and describe none of these machines; {ratios}."
