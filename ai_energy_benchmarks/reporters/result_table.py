"""The table of one result: its components, and the sentence to paste next to a figure."""

from __future__ import annotations

from collections.abc import Mapping

from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.reporters.figures import as_known, component_name, with_half_width
from ai_energy_benchmarks.reporters.tables import Table
from ai_energy_benchmarks.results.quotable import FIGURES, J_PER_OUTPUT_TOKEN, Figure, block, is_guess, leading, quoted

_COLUMNS = (J_PER_OUTPUT_TOKEN, FIGURES["wh_per_1000_queries"], FIGURES["energy_j"])


def result_table(document: Mapping[str, JsonValue]) -> Table:
    """One row for each component: figures with as many digits as their intervals allow, method and meter."""
    rows = [
        (
            component_name(component),
            *(quotable(document, figure, component) for figure in _COLUMNS),
            *(str(block(document, "components", component).get(key) or "") for key in ("source", "meter")),
        )
        for component in block(document, "components")
    ]
    heads = ("component", "J per output token", "Wh per 1,000 queries", "J per pass", "method", "meter")
    return Table(heads, tuple(rows), citation(document), frozenset({1, 2, 3}))


def quotable(document: Mapping[str, JsonValue], figure: Figure, component: str) -> str:
    """A figure with its 95 % interval, or the reason why it is withheld.

    One that has no interval of its own has the digits that the interval of J per output token and its own bounds leave.
    """
    value = quoted(document, figure, component)
    if isinstance(value, str):
        return value
    if is_guess(document, component):
        return as_known(value.value, guessed=True)
    if half_width := _half_width(document, figure, component):
        return with_half_width(value.value, half_width)
    per_token = quoted(document, J_PER_OUTPUT_TOKEN, component)
    relative = 0.0 if isinstance(per_token, str) else _half_width(document, J_PER_OUTPUT_TOKEN, component)
    share = relative / per_token.value if not isinstance(per_token, str) and per_token.value else 0.0
    return as_known(value.value, scatter=max(share * value.value, value.high - value.low))


def _half_width(document: Mapping[str, JsonValue], figure: Figure, component: str) -> float:
    """Half of the 95 % interval, with the sensor's gain where it is known; 0 where there is none."""
    derived = leading(document, component)
    figures = {} if isinstance(derived, str) else block(derived, figure.name)
    half_width = figures.get("half_width_95_with_sensor_gain") or figures.get("half_width_95")
    return half_width if isinstance(half_width, float) else 0.0


def headline(document: Mapping[str, JsonValue]) -> str:
    """One sentence: the figure that leads with its method, or why there is none."""
    component = str(block(document, "verdict").get("headline") or "total")
    name = component_name(component)
    text = quotable(document, J_PER_OUTPUT_TOKEN, component)
    if isinstance(quoted(document, J_PER_OUTPUT_TOKEN, component), str):
        # That of a part of a run is not withheld: the tables have it, next to the verdict FAIL.
        to_quote = "" if document.get("ending", "completed") == "completed" else " to quote"
        return f"no J per output token{to_quote} ({name}): {text}"
    guess = ", an order of magnitude" if is_guess(document, component) else ""
    return f"{text} J per output token, {name}, {block(document, 'components', component).get('source')}{guess}"


def subject(document: Mapping[str, JsonValue]) -> str:
    """What was measured, on what, and when: model, engine, GPU or processor, day."""
    environment, backend = block(document, "environment"), block(document, "backend_info")
    boards = environment.get("boards")
    gpus = (
        [str(board.get("name")) for board in boards if isinstance(board, Mapping)] if isinstance(boards, list) else []
    )
    machine = ", ".join(gpus) or str(environment.get("cpu_model") or "")
    parts = (backend.get("model"), backend.get("engine"), machine, str(document.get("started_utc", ""))[:10])
    return " · ".join(str(part) for part in parts if part)


def citation(document: Mapping[str, JsonValue]) -> str:
    """What to write next to the figure, in one line."""
    version = block(document, "environment").get("package_version")
    level = block(document, "verdict").get("level")
    run = document.get("run_id") or document.get("started_utc")
    made = f"Measured with ai_energy_benchmarks {version}; verdict {level}; run {run}."
    return f"{headline(document)}. {subject(document)}. {made}"
