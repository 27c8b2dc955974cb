"""The page of a study: its cells ranked, their energy along each axis, and what energy buys in latency and speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ai_energy_benchmarks.analysis.pareto import Point, pareto_front
from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.reporters.html.charts import Chart, specification
from ai_energy_benchmarks.reporters.html.page import figure as place
from ai_energy_benchmarks.reporters.html.page import page
from ai_energy_benchmarks.reporters.html.result_page import badge
from ai_energy_benchmarks.safety.printable import in_html
from ai_energy_benchmarks.study.modelled import MODELLED
from ai_energy_benchmarks.study.pages.rows import ReportRow, report_rows
from ai_energy_benchmarks.study.pages.table import CAPTION


def study_page(path: Path) -> str:
    """The page of a study directory, or of a directory of results.

    Raises:
        ConfigError: there is no result under the path.
    """
    rows = report_rows(path)
    charts = charts_of_study(rows)
    return page(
        f"{path.resolve().name}: energy of {len(rows)} cells",
        "\n".join(_body(path, rows, charts)),
        charts,
        _cells(rows),
    )


def charts_of_study(rows: Sequence[ReportRow]) -> tuple[Chart, ...]:
    """Energy along every axis that varies, and the Pareto fronts; without cells that have no figure."""
    known = [row for row in rows if row.j_per_output_token is not None]
    if not known:
        return ()
    axes = dict.fromkeys(key for row in known for key in row.axes)
    fronts = (
        _front(known, "latency_ms", "p95 end-to-end latency (ms)"),
        _front(known, "output_tokens_per_s", "output tokens/s"),
    )
    return (*(_along(known, axis) for axis in axes), *(chart for chart in fronts if chart is not None))


def _along(rows: Sequence[ReportRow], axis: str) -> Chart:
    values: list[JsonValue] = [
        {"x": row.axes.get(axis), "cell": row.label, "verdict": row.verdict, **_energy(row)} for row in rows
    ]
    numeric = all(
        isinstance(row.axes.get(axis), (int, float)) and not isinstance(row.axes.get(axis), bool) for row in rows
    )
    x: dict[str, JsonValue] = {"field": "x", "type": "quantitative" if numeric else "nominal", "title": axis}
    x |= {"scale": {"zero": False}} if numeric else {"axis": {"labelAngle": 0, "labelLimit": 140}}
    y: dict[str, JsonValue] = {"field": "energy_j", "type": "quantitative", "title": _energy_title(rows)}
    layers: list[JsonValue] = [
        {"mark": "rule", "encoding": {"x": x, "y": {**y, "field": "low_j"}, "y2": {"field": "high_j"}}},
        {
            "mark": {"type": "point", "filled": True, "tooltip": True},
            "encoding": {"x": x, "y": y, **_shape(rows), "tooltip": _tooltip()},
        },
    ]
    name = "axis-" + "".join(letter if letter.isalnum() else "-" for letter in axis)
    note = "Lines: 95 % intervals over cycles, where there are several, with the meter's bounds."
    return Chart(name, f"Energy against {axis}", note, specification(260, data={"values": values}, layer=layers))


def _front(rows: Sequence[ReportRow], what: str, title: str) -> Chart | None:
    points = [
        Point(row.label, row.j_per_output_token.mean, other)
        for row in rows
        if row.j_per_output_token is not None and (other := getattr(row, what)) is not None
    ]
    if len(points) < 2:
        return None
    failed = {row.label for row in rows if row.verdict == "FAIL"}
    judged = [point for point in points if point.name not in failed]
    front = pareto_front(judged, higher_is_better=what == "output_tokens_per_s")
    texts, verdicts = {row.label: row.shown[0] for row in rows}, {row.label: row.verdict for row in rows}
    values: list[JsonValue] = [
        {
            "cell": point.name,
            "energy": texts[point.name],
            "energy_j": point.energy,
            "other": point.other,
            "front": point in front,
            "verdict": verdicts[point.name],
        }
        for point in points
    ]
    x: dict[str, JsonValue] = {"field": "other", "type": "quantitative", "title": title, "scale": {"zero": False}}
    y: dict[str, JsonValue] = {"field": "energy_j", "type": "quantitative", "title": _energy_title(rows)}
    layers: list[JsonValue] = [
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "line", "strokeDash": [4, 3]},
            "encoding": {"x": x, "y": y, "order": {"field": "energy_j"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {
                "x": x,
                "y": y,
                "color": {"field": "front", "type": "nominal", "title": "on the Pareto front"},
                **_shape(rows),
                "tooltip": _tooltip(),
            },
        },
    ]
    note = "A cell is on the front if no other is better in both; one with a verdict of FAIL is on none."
    spec = specification(260, data={"values": values}, layer=layers)
    return Chart(f"front-{what.replace('_', '-')}", f"Energy against {title}", note, spec)


def _energy_title(rows: Sequence[ReportRow]) -> str:
    """The unit with the method, which a picture that leaves its page must carry along."""
    methods = dict.fromkeys(row.method for row in rows if row.method)
    guess = ", an order of magnitude" if any(row.guessed for row in rows) else ""
    return f"J per output token ({' or '.join(methods)}{guess})"


def _shape(rows: Sequence[ReportRow]) -> dict[str, JsonValue]:
    """Crosses for cells whose verdict is FAIL, with a legend; nothing where there is none."""
    verdicts = [level for level in ("PASS", "WARN", "FAIL") if any(row.verdict == level for row in rows)]
    if "FAIL" not in verdicts:
        return {}
    shapes: list[JsonValue] = ["cross" if level == "FAIL" else "circle" for level in verdicts]
    scale: dict[str, JsonValue] = {"domain": list(verdicts), "range": shapes}
    return {"shape": {"field": "verdict", "type": "nominal", "title": "verdict", "scale": scale}}


def _tooltip() -> list[JsonValue]:
    return [
        {"field": "cell", "title": "cell"},
        {"field": "energy", "type": "nominal", "title": "J/token"},
        {"field": "verdict", "type": "nominal", "title": "verdict"},
    ]


def _energy(row: ReportRow) -> dict[str, JsonValue]:
    energy = row.j_per_output_token
    text = row.shown[0]
    if energy is None:
        return {"energy": text, "energy_j": None, "low_j": None, "high_j": None}
    half = energy.half_width
    if half is None:
        return {"energy": text, "energy_j": energy.mean, "low_j": None, "high_j": None}
    return {
        "energy": text,
        "energy_j": energy.mean,
        "low_j": max(0.0, energy.mean - half),
        "high_j": energy.mean + half,
    }


def _cells(rows: Sequence[ReportRow]) -> list[JsonValue]:
    return [{"label": row.label, "latency_ms": row.latency_ms, "ranked": row.ranked, **_energy(row)} for row in rows]


def _body(path: Path, rows: Sequence[ReportRow], charts: Sequence[Chart]) -> Iterator[str]:
    yield f"<h1>{in_html(path.resolve().name)}</h1>"
    yield f'<p class="quiet">{len(rows)} cells, {sum(row.cycles for row in rows)} processes with a figure</p>'
    yield f'<p class="headline">{in_html(answer(rows))}</p>'
    yield f'<p class="quiet">{in_html(CAPTION)}</p>'
    yield "<h2>Cells</h2>"
    yield from _controls(rows)
    yield _table(rows)
    yield from (place(chart) for chart in charts)


def answer(rows: Sequence[ReportRow]) -> str:
    """Which cell without a FAIL takes the least energy, with its interval and what keeps others out of the order."""
    known = [(row.j_per_output_token.mean, row) for row in rows if row.j_per_output_token and row.verdict != "FAIL"]
    if not known:
        return "No cell has a figure that can be quoted: each is withheld or its verdict is FAIL (see `study report`)."
    _, best = min(known, key=lambda pair: pair[0])
    text = best.shown[0]
    cycles = "1 cycle" if best.cycles == 1 else f"{best.cycles} cycles"
    failed = sum(row.j_per_output_token is not None and row.verdict == "FAIL" for row in rows)
    without = f"; {failed} of {len(rows)} cells are not ranked, for their verdict is FAIL" if failed else ""
    said = f"{best.label}, {text} J per output token ({best.method}) over {cycles}, verdict {best.verdict}{without}"
    if any(row.method == "modelled" for _, row in known):
        return f"{MODELLED} By the model the least: {said}"
    return f"Least energy: {said}"


def _controls(rows: Sequence[ReportRow]) -> Iterator[str]:
    latencies = [row.latency_ms for row in rows if row.latency_ms is not None]
    energies = [row.j_per_output_token.mean for row in rows if row.j_per_output_token is not None]
    yield '<div class="controls">'
    for name, text, values, unit in (
        ("latency", "p95 end-to-end latency at most", latencies, "ms"),
        ("energy", "energy per output token at most", energies, "J"),
    ):
        if values:
            most = float(f"{max(values) * 1.001:.4g}")
            yield (
                f'<label>{text} <input type="range" id="limit-{name}" min="{min(values):.4g}" max="{most}" '
                f'step="any" value="{most}" data-unit="{unit}"> <output></output></label>'  # a step would round it down
            )
    if len(rows) > 1:
        options = "".join(f'<option value="{number}">{in_html(row.label)}</option>' for number, row in enumerate(rows))
        second = options.replace('value="1"', 'value="1" selected', 1)
        yield (
            f'<label>Compare <select id="compare-first">{options}</select> with '
            f'<select id="compare-second">{second}</select></label><p id="compared"></p>'
        )
    yield "</div>"


def _table(rows: Sequence[ReportRow]) -> str:
    heads = ("", "cell", "J per output token", "p95 latency (ms)", "output tokens/s", "cycles", "method", "verdict")
    body = "".join(_cells_of(number, row) for number, row in enumerate(rows))
    head = "".join(f"<th>{in_html(name)}</th>" for name in heads)
    return f'<div class="scroll"><table id="cells"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells_of(number: int, row: ReportRow) -> str:
    cells = "".join(f"<td>{in_html(cell)}</td>" for cell in ("", row.label, *row.shown, f"{row.cycles}", row.method))
    return f'<tr data-cell="{number}">{cells}<td>{badge(row.verdict)}</td></tr>'
