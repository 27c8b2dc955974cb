"""A whole page as one text: style, scripts and data in it, and nothing fetched."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.reporters.html.charts import Chart
from ai_energy_benchmarks.safety.printable import in_html

_VENDORED = ("vega", "vega-lite", "vega-embed")


def page(title: str, body: str, charts: Sequence[Chart], cells: Sequence[JsonValue] = ()) -> str:
    """The page of a body that holds a place for each chart (``figure``).

    Args:
        title: plain text.
        body: HTML, in which everything that came from outside is escaped.
        cells: what the page's own script ranks, of a study.
    """
    data = {"charts": {chart.name: chart.spec for chart in charts}, "cells": list(cells)}
    # In one pass, so that nothing inside a part is taken for the place of another.
    parts = {
        "title": in_html(title),
        "style": _file("page.css"),
        "body": body,
        "data": _packed(data),
        "scripts": "\n".join(f"<script>{_script(name)}</script>" for name in (*_vendored(), "page.js")),
    }
    return "".join(parts.get(piece, piece) for piece in _pieces())


def figure(chart: Chart) -> str:
    """The place of a chart in a body."""
    note = f"<figcaption>{in_html(chart.note)}</figcaption>" if chart.note else ""
    drawing = f'<div class="chart" id="chart-{in_html(chart.name)}"></div>'
    return f"<figure><h3>{in_html(chart.title)}</h3>{drawing}{note}</figure>"


def _vendored() -> tuple[str, ...]:
    return tuple(f"vendor/{name}.min.js" for name in _VENDORED)


@cache
def _file(name: str) -> str:
    return files(__package__ or "").joinpath(name).read_text(encoding="utf-8")


def _script(name: str) -> str:
    """A script as it may stand in a page: the end tag of its element is written so that it ends nothing."""
    return _file(name).replace("</script", "<\\/script")


@cache
def _pieces() -> tuple[str, ...]:
    """The template cut at its places; every second piece is the name of one."""
    return tuple(re.split(r"\{(title|style|body|data|scripts)\}", _file("page.html")))


def _packed(data: JsonValue) -> str:
    """Base64 of gzip of JSON, which no HTML parser finds anything in; without a time, so that equal data are equal."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), default=str)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
