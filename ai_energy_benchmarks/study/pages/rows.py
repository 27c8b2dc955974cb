"""The cells of a study, or the results under a directory, as the rows of a report: means over cycles with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.analysis.crossing import independent_axes
from ai_energy_benchmarks.domain.statistics import Estimate, estimate
from ai_energy_benchmarks.reporters.figures import as_known
from ai_energy_benchmarks.study.frame import NAMES, load_frame

if TYPE_CHECKING:
    import polars

Axis = str | int | float | bool | None
_LATENCY, _SPEED = "e2e_p95_ms", "output_tokens_per_s"


@frozen
class ReportRow:
    """One cell.

    Attributes:
        axes: dotted key → value, of the keys in which the cells differ.
        j_per_output_token: mean over the cycles with the process as the unit of replication; None if withheld.
        guessed: whether the figure is good to an order of magnitude only, in any cycle.
        latency_ms, output_tokens_per_s: means over the cycles; ``…_deviation`` is the sample standard deviation
            between these, None of a single one.
        cycles: that gave a figure; ``missing`` did not.
        component, method, meter: of the figure, from the first cycle.
        verdict: the worst of the cycles.
        withheld: the first reason why there is no figure.
    """

    label: str
    axes: Mapping[str, Axis]
    j_per_output_token: Estimate | None
    guessed: bool
    latency_ms: float | None
    latency_ms_deviation: float | None
    output_tokens_per_s: float | None
    output_tokens_per_s_deviation: float | None
    cycles: int
    missing: int
    component: str
    method: str
    meter: str
    verdict: str
    withheld: str

    @property
    def ranked(self) -> str:
        """Whether the row has a place in an order by energy, or why it has none."""
        if self.j_per_output_token is None:
            return "no figure"
        if self.verdict == "FAIL":
            return "no: verdict FAIL"
        return "by a model only" if self.method == "modelled" else "yes"

    @property
    def shown(self) -> tuple[str, str, str]:
        """Energy, latency and speed with as many digits as is known of them; a withheld figure is its reason."""
        energy = self.j_per_output_token
        text = (
            as_known(energy.mean, half_width=energy.half_width, scatter=energy.standard_deviation, guessed=self.guessed)
            if energy
            else f"withheld: {self.withheld}"
        )
        latency = _measured(self.latency_ms, self.latency_ms_deviation)
        return text, latency, _measured(self.output_tokens_per_s, self.output_tokens_per_s_deviation)


def _measured(value: float | None, deviation: float | None) -> str:
    return "–" if value is None else as_known(value, scatter=deviation)


def report_rows(path: Path) -> tuple[ReportRow, ...]:
    """The rows of a study directory, or of a directory of results, one result each.

    Raises:
        ConfigError: there is no result under the path.
    """
    frame = load_frame(path)
    axes = _axes(frame)
    cells = "cell" if "cell" in frame.columns and frame["cell"].null_count() == 0 else "directory"
    return tuple(_row(part, axes) for part in frame.partition_by(cells, maintain_order=True))


def _axes(frame: polars.DataFrame) -> tuple[str, ...]:
    """Columns with a dot are settings, but for those that begin with a component's name."""
    dotted = [name for name in frame.columns if "." in name and name.partition(".")[0] not in NAMES]
    rows = frame.select(dotted).unique(maintain_order=True).to_dicts()
    return tuple(name for axis in independent_axes(rows) for name in axis)


def _row(part: polars.DataFrame, axes: tuple[str, ...]) -> ReportRow:
    known = part.drop_nulls("j_per_output_token")
    energies = known["j_per_output_token"].to_list()
    bounds = list(zip(known["j_per_output_token_low"], known["j_per_output_token_high"], strict=True))
    levels = [level for level in ("FAIL", "WARN", "INFO", "PASS") if level in part["verdict"].to_list()]
    label = part["label"][0] if "label" in part.columns and part["label"][0] else None
    reasons = [reason for name in ("withheld", "reason") if name in part.columns for reason in part[name].drop_nulls()]
    return ReportRow(
        label=str(label or part["name"][0] or Path(part["directory"][0]).name),
        axes={name: part[name][0] for name in axes},
        j_per_output_token=_estimate(energies, bounds, modelled=_first(part, "method") == "modelled"),
        guessed="order_of_magnitude" in known.columns and known["order_of_magnitude"].any(),
        latency_ms=_mean(part, _LATENCY),
        latency_ms_deviation=_deviation(part, _LATENCY),
        output_tokens_per_s=_mean(part, _SPEED),
        output_tokens_per_s_deviation=_deviation(part, _SPEED),
        cycles=len(energies),
        missing=len(part) - len(energies),
        component=_first(part, "component"),
        method=_first(part, "method"),
        meter=_first(part, "meter"),
        verdict=levels[0] if levels else "FAIL",
        withheld=str(reasons[0]) if reasons else "",
    )


def _estimate(values: list[float], bounds: list[tuple[float, float]], *, modelled: bool) -> Estimate | None:
    """The mean with its interval; of modelled energy alone, because the error of the model is not known."""
    if not values:
        return None
    known = estimate(values, bounds)
    return Estimate(known.mean, known.n, known.standard_deviation) if modelled else known


def _first(part: polars.DataFrame, column: str) -> str:
    values = part[column].drop_nulls()
    return str(values[0]) if len(values) else ""


def _mean(part: polars.DataFrame, column: str) -> float | None:
    value = part[column].mean() if column in part.columns else None
    return value if isinstance(value, float) else None


def _deviation(part: polars.DataFrame, column: str) -> float | None:
    value = part[column].std() if column in part.columns else None
    return value if isinstance(value, float) else None
