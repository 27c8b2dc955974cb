"""Pages and charts inside a notebook: frames that hold a whole page, and what IPython shows of a result."""

from __future__ import annotations

import sys

from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.reporters.html.charts import Chart
from ai_energy_benchmarks.reporters.html.page import figure, page
from ai_energy_benchmarks.reporters.html.result_page import page_of_run

PAGE_PIXELS = 720
# A chart with its title, its note and the room that its legend may take.
_CHART_PIXELS = 420


def inline(text: str, height_pixels: int = PAGE_PIXELS) -> str:
    """A page as an element of another one, with its own style and scripts and no access to what surrounds it."""
    source = text.replace("&", "&amp;").replace('"', "&quot;")
    return (
        f'<iframe srcdoc="{source}" sandbox="allow-scripts allow-downloads" '
        f'style="width: 100%; height: {height_pixels}px; border: 0"></iframe>'
    )


def inline_chart(chart: Chart) -> str:
    """One chart as an element of another page."""
    return inline(page(chart.title, figure(chart), [chart]), _CHART_PIXELS)


def register() -> None:
    """Let IPython show a ``BenchmarkResult`` as its page, where the caller is a notebook; nothing happens elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        shell.display_formatter.formatters["text/html"].for_type(BenchmarkResult, _inline_result)


def _inline_result(result: BenchmarkResult) -> str:
    return inline(page_of_run(result))
