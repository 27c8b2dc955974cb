"""Everything that a study can be told before it runs: its cells, its executor and its order, checked together."""

from __future__ import annotations

from ai_energy_benchmarks.study.plan.cluster_problems import executor_problems
from ai_energy_benchmarks.study.plan.expansion import Expansion, expanded
from ai_energy_benchmarks.study.plan.order import order_problems
from ai_energy_benchmarks.study.plan.study import Study
from ai_energy_benchmarks.text.problems import InvalidError, Problem


def planned(study: Study) -> Expansion:
    """The cells of a study whose design fits their number.

    Raises:
        ConfigError: with all problems of the file.
    """
    expansion, problems = looked_at(study)
    if problems or expansion is None:
        raise study.refuse(problems)
    return expansion


def looked_at(study: Study) -> tuple[Expansion | None, list[Problem]]:
    """The cells of a study and its problems; no cells where these are wrong."""
    problems = [*executor_problems(study.config)]
    try:
        expansion = expanded(study)
    except InvalidError as error:
        return None, [*error.problems, *problems]
    return expansion, [*problems, *order_problems(study.config.design, len(expansion.cells))]
