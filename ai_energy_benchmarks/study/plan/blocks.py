"""Blocks of cells: those that use the same engine in the same way, so that it could stay loaded between them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ai_energy_benchmarks.config.members import member_class
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.safety.marking import masked
from ai_energy_benchmarks.study.cells import Cell
from ai_energy_benchmarks.study.plan.study import Study


def block_of(study: Study, cell: Cell) -> str:
    """The same for cells whose engines are made from the same settings."""
    mapping = with_overrides(study.config.base, cell.settings)
    load = mapping.get("load")
    salt = load.get("salt") if isinstance(load, Mapping) else None
    return json.dumps(masked([mapping.get("backend"), salt, mapping.get("save_texts")]), sort_keys=True, default=str)


def shared_block(study: Study, cell: Cell) -> str:
    """The block of a cell whose process may be shared; empty where each cell has its own.

    A server's client belongs to one run, and a server that runs already stays loaded anyway.
    """
    if study.config.execution.isolation != "shared":
        return ""
    in_process = not getattr(member_class("backends", cell.engine), "needs_endpoint", False)
    return block_of(study, cell) if in_process else ""
