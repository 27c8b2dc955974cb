"""The charts as Vega-Lite 6 specifications: plain values that page, figure and notebook share.

https://vega.github.io/vega-lite/docs/ describes every key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.domain.components import COMPONENTS, wholes
from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.results.pictures import Pictures
from ai_energy_benchmarks.results.quotable import J_PER_OUTPUT_TOKEN, quoted

if TYPE_CHECKING:
    import polars

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_TALL, _LOW, _BAR = 260, 180, 22
# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
_PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999"]
_SPAN_COLOURS = {"trial": "#0072B2", "steady window": "#009E73", "step": "#999999"}


@frozen
class Chart:
    """One chart of a page.

    Attributes:
        name: stands in addresses and file names.
        title: what it shows.
        note: what a reader must know to read it; may be empty.
        spec: the Vega-Lite specification with its data.
    """

    name: str
    title: str
    note: str
    spec: dict[str, JsonValue]


def charts_of_run(pictures: Pictures, document: Mapping[str, JsonValue]) -> tuple[Chart, ...]:
    """The charts of one result; those without data are left out."""
    candidates = (
        power_over_time(pictures),
        busy_threads(pictures),
        energy_per_token(document),
        energy_by_step(document),
        latencies(pictures, document),
        requests(pictures),
    )
    return tuple(chart for chart in candidates if chart is not None)


def power_over_time(pictures: Pictures) -> Chart | None:
    """Power of each device, the steps and trials shaded."""
    if pictures.power.is_empty():
        return None
    line: dict[str, JsonValue] = {
        "data": {"values": _rows(pictures.power)},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1},
        "params": [{"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}],
        "encoding": {
            "x": _quantitative("time_s", "time (s)"),
            "y": _quantitative("power_w", "power (W)"),
            "color": _nominal("device", "device"),
            "tooltip": [_quantitative("time_s", "s"), _quantitative("power_w", "W"), _nominal("device", "device")],
        },
    }
    note = "Shaded: trials, their steady windows, and the other steps of the protocol. Drag to move, scroll to zoom."
    return Chart("power", "Power over time", note, _layered(_shaded(pictures), line))


def busy_threads(pictures: Pictures) -> Chart | None:
    """Processor time over time, where the energy of the processor is modelled from it."""
    if pictures.threads.is_empty():
        return None
    line: dict[str, JsonValue] = {
        "data": {"values": _rows(pictures.threads)},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1},
        "encoding": {
            "x": _quantitative("time_s", "time (s)"),
            "y": _quantitative("busy_threads", "busy threads"),
            "color": _nominal("whose", "of"),
        },
    }
    note = "Processor energy is modelled from these; no meter here reads the power of the processor."
    return Chart("threads", "Busy processor threads", note, _layered(_shaded(pictures), line))


def energy_per_token(document: Mapping[str, JsonValue]) -> Chart | None:
    """J per output token of each component, with the limits that the meters state."""
    rows: list[JsonValue] = []
    for component, energy in _mapping(document.get("components")).items():
        value = quoted(document, J_PER_OUTPUT_TOKEN, component)
        if not isinstance(value, str):
            limits: dict[str, JsonValue] = {"value": value.value, "low": value.low, "high": value.high}
            rows.append({"component": component, "method": _mapping(energy).get("source"), **limits})
    if not rows:
        return None
    y: dict[str, JsonValue] = {"field": "component", "type": "nominal", "title": None}
    layers: list[JsonValue] = [
        {
            "mark": {"type": "bar", "height": {"band": 0.6}},
            "encoding": {
                "x": _quantitative("value", "J per output token"),
                "y": y,
                "color": _nominal("method", "method"),
            },
        },
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"x": _quantitative("low", "J per output token"), "x2": {"field": "high"}, "y": y},
        },
    ]
    note = "Lines: the bounds of the meters. A total is the sum of its parts, never added to them."
    return Chart(
        "energy", "Energy per output token", note, specification(_LOW // 2, data={"values": rows}, layer=layers)
    )


def energy_by_step(document: Mapping[str, JsonValue]) -> Chart | None:
    """What each step of the protocol and each trial took: parts as one bar, what contains them as another."""
    parts = [component for component in COMPONENTS if component not in wholes(COMPONENTS)]
    windows = [*_list(document.get("steps")), *_list(document.get("trials"))]
    rows: list[JsonValue] = [
        {
            "window": str(window.get("name") or f"trial {window.get('number')}"),
            "component": component,
            "of": "parts" if component in parts else component,
            "energy_j": energy_j,
        }
        for window in map(_mapping, windows)
        for component, energy in _mapping(window.get("energy")).items()
        if (energy_j := _mapping(energy).get("energy_j")) is not None
    ]
    if not rows:
        return None
    encoding: dict[str, JsonValue] = {
        "y": {"field": "window", "type": "nominal", "title": None, "sort": None},
        "x": _quantitative("energy_j", "energy (J)"),
        "color": _nominal("component", "component"),
    }
    bars = {_mapping(row)["of"] for row in rows}
    if len(bars) > 1:
        encoding["yOffset"] = {"field": "of", "type": "nominal"}
    spec = specification(_BAR * len(windows) * len(bars), data={"values": rows}, mark="bar", encoding=encoding)
    return Chart("steps", "Energy of each step of the protocol", "Only trials enter the figures of the report.", spec)


def latencies(pictures: Pictures, document: Mapping[str, JsonValue]) -> Chart | None:
    """The distribution of each latency, with a switch for the percentile that is marked.

    A latency that the report withholds is left out. Gaps between events of several tokens are no times between tokens.
    """
    known = _mapping(document.get("latency_ms"))
    names = {name: name for name in ("TTFT", "TPOT", "ITL", "E2E") if known.get(name.lower()) is not None}
    if known.get("inter_chunk") is not None:
        names["ITL"] = "between chunks"
    values = [
        {**row, "latency": names[str(row["latency"])]}
        for row in pictures.percentiles.to_dicts()
        if row["latency"] in names and row["ms"] > 0
    ]
    if not values:
        return None
    percent: list[JsonValue] = [50, 90, 95, 99]
    bind: dict[str, JsonValue] = {"input": "select", "options": percent, "name": "percentile "}
    param: dict[str, JsonValue] = {"name": "marked", "value": 95, "bind": bind}
    x = _quantitative("ms", "ms") | {"scale": {"type": "log"}}
    layers: list[JsonValue] = [
        {
            "mark": {"type": "line", "interpolate": "step-after"},
            "encoding": {"x": x, "y": _quantitative("percent", "percent of requests")},
        },
        {
            "transform": [{"filter": "datum.percent == marked"}],
            "mark": {"type": "rule", "strokeDash": [4, 3]},
            "encoding": {"x": x},
        },
        {
            "transform": [{"filter": "datum.percent == marked"}],
            "mark": {"type": "text", "align": "left", "dx": 4, "y": 10},
            "encoding": {"x": x, "text": {"field": "ms", "type": "quantitative", "format": ".4~s"}},
        },
    ]
    spec = specification(
        None,
        data={"values": list[JsonValue](values)},
        params=[param],
        facet={"field": "latency", "type": "nominal", "title": None, "sort": list[JsonValue](names.values())},
        columns=2,
        spec={"width": 280, "height": _LOW, "layer": layers},
        resolve={"scale": {"x": "independent"}},
    )
    note = (
        "Share of requests that were as fast or faster; of ITL, or between chunks, the share of gaps. In milliseconds."
    )
    return Chart("latency", "Latencies", note, spec)


def requests(pictures: Pictures) -> Chart | None:
    """Every request: how many tokens it had and how long it took."""
    if pictures.requests.is_empty():
        return None
    axes: list[JsonValue] = ["output_tokens", "prompt_tokens", "sent_s"]
    param: dict[str, JsonValue] = {
        "name": "against",
        "value": "output_tokens",
        "bind": {
            "input": "select",
            "options": axes,
            "labels": ["output tokens", "prompt tokens", "time sent"],
            "name": "against ",
        },
    }
    spec = specification(
        _TALL,
        data={"values": _rows(pictures.requests)},
        params=[param],
        transform=[{"calculate": "datum[against]", "as": "x"}],
        mark={"type": "point", "filled": True, "size": 25, "opacity": 0.6},
        encoding={
            "x": _quantitative("x", "chosen below"),
            "y": _quantitative("e2e_ms", "end-to-end latency (ms)"),
            "color": _nominal("trial", "trial"),
            "shape": _nominal("ok", "ok"),
            "tooltip": [
                _quantitative(name, name) for name in ("prompt_tokens", "output_tokens", "ttft_ms", "e2e_ms", "sent_s")
            ],
        },
    )
    shown, total = len(pictures.requests), pictures.requests_in_all
    note = (
        ""
        if shown == total
        else f"{shown:,} of {total:,} requests, the slowest and the fastest of every stretch among them."
    )
    return Chart("requests", "Requests", note, spec)


def _shaded(pictures: Pictures) -> dict[str, JsonValue]:
    """Steps and trials as bands behind a line, their names above them."""
    kinds: list[JsonValue] = list(_SPAN_COLOURS)
    colours: list[JsonValue] = list(_SPAN_COLOURS.values())
    return {
        "data": {"values": _rows(pictures.spans)},
        "mark": {"type": "rect", "opacity": 0.12, "tooltip": True},
        "encoding": {
            "x": _quantitative("start_s", "time (s)"),
            "x2": {"field": "stop_s"},
            "color": {
                "field": "kind",
                "type": "nominal",
                "title": "shaded",
                "scale": {"domain": kinds, "range": colours},
            },
            "tooltip": [_nominal("name", "step"), _nominal("kind", "kind")],
        },
    }


def _layered(*layers: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return specification(_TALL, layer=list(layers), resolve={"scale": {"color": "independent"}})


def specification(height: JsonValue, **keys: JsonValue) -> dict[str, JsonValue]:
    """A specification that fills the width of its place; without a height, one that has its own size."""
    size: dict[str, JsonValue] = {} if height is None else {"width": "container", "height": height}
    palette: list[JsonValue] = list(_PALETTE)
    config: dict[str, JsonValue] = {
        "range": {"category": palette},
        "view": {"stroke": None},
        "legend": {"orient": "bottom", "columns": 3},
    }
    fit: dict[str, JsonValue] = {"autosize": {"type": "fit-x", "contains": "padding"}} if size else {}
    return {"$schema": SCHEMA, "background": "transparent", "config": config, **size, **fit, **keys}


def _quantitative(field: str, title: str) -> dict[str, JsonValue]:
    return {"field": field, "type": "quantitative", "title": title}


def _nominal(field: str, title: str) -> dict[str, JsonValue]:
    return {"field": field, "type": "nominal", "title": title}


def _rows(frame: polars.DataFrame) -> list[JsonValue]:
    return [dict(row) for row in frame.to_dicts()]


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _list(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list) else []
