"""What a study answers: the cheapest cell, the ratios of cells, what each axis does; as far as its cycles show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.analysis.groups import Candidate, Fit, Group, Pair, against, all_pairs, fit, with_the_best
from ai_energy_benchmarks.analysis.main_effects import AxisValue, Effect, main_effects
from ai_energy_benchmarks.analysis.pareto import Point, pareto_front
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.results.quotable import FIGURES, J_PER_OUTPUT_TOKEN, Figure
from ai_energy_benchmarks.study.answers.caveats import caveats
from ai_energy_benchmarks.study.answers.hardware import findings, nodes
from ai_energy_benchmarks.study.answers.measured import MeasuredCell, measured_cells
from ai_energy_benchmarks.study.manifest import read_manifest

# So many of the best cells are held against one another; pairs of more than that fill no one's screen usefully.
_MOST_COMPARED, _MOST_PAIRED = 200, 12
# A cell keeps its objectives if so many of its requests do: the share that p95 limits are about.
GOOD_SHARE = 0.95
_SAME_TOKENS = 0.001
_NOTED = ("model", "dataset", "prompts", "generation", "tokens", "load", "method")


@frozen
class Answers:
    """A study in answers.

    Attributes:
        ranked: cells that can be compared, from the best mean on; with a verdict of FAIL, if wanted at all, after all
            others.
        unranked: name of each other cell → why it is not ranked.
        fitted: the model behind all intervals of ratios; None where no scatter is known.
        candidates: each ranked cell without a FAIL, of very many the best ones, against the best of the others; empty
            where no scatter is known.
        pairs: all pairs of ranked cells; empty where there are very many.
        controlled: every ranked cell over the control; empty without one.
        reference: the best cell over the control, or over the first cell of the study; None where that is the best
            one, or no scatter is known.
        effects: what each axis does, or why that cannot be said.
        front: names on the Pareto front of the figure against ``front_figure``.
        meeting: names of the ranked cells that keep the service-level objectives; None where none were set.
        meeting_candidates: each of these against the best of the others among them.
        findings: what limits all of this, in sentences: hardware that differs.
        caveats: what has to be known before the order is read, in sentences.
    """

    figure: Figure
    component: str
    cells: tuple[MeasuredCell, ...]
    ranked: tuple[MeasuredCell, ...]
    unranked: Mapping[str, str]
    fitted: Fit | None
    candidates: tuple[Candidate, ...]
    pairs: tuple[Pair, ...]
    controlled: tuple[Pair, ...]
    reference: Pair | None
    effects: tuple[Effect, ...] | str
    front_figure: Figure
    front: tuple[str, ...]
    meeting: tuple[str, ...] | None
    meeting_candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    findings: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


def answer(
    study: str | Path,
    *,
    figure: str = J_PER_OUTPUT_TOKEN.name,
    component: str | None = None,
    control: str | None = None,
    front: str = "output_tokens_per_s",
    with_failed: bool = False,
) -> Answers:
    """Answer a study from its directory, which may still be running.

    Args:
        figure: a name of ``results.quotable.FIGURES``.
        component: whose energy; the one that the first verdict is about by default.
        control: id or label of the cell that all others are held against.
        front: the latency or throughput of the Pareto front.
        with_failed: rank cells with a verdict of FAIL too.

    Raises:
        ConfigError: nothing is complete, or a name is unknown.
    """
    for name in (figure, front):
        if name not in FIGURES:
            raise ConfigError(f"there is no figure {name!r}", remedy=f"choose one of {', '.join(FIGURES)}")
    of, front_of = FIGURES[figure], FIGURES[front]
    component, cells = measured_cells(Path(study), of, component)
    if control is not None:
        _check_control(study, cells, control)
    unranked = {cell.name: why for cell in cells if (why := _unranked(cell, with_failed=with_failed)) is not None}
    sign = -1 if of.higher_is_better else 1
    kept, others = ([cell for cell in cells if (cell.name in unranked) is out] for out in (False, True))
    ranked = sorted(kept, key=lambda cell: (cell.failed > 0, sign * _mean(cell)))
    judged = [cell for cell in ranked if not cell.failed] or ranked
    fitted = fit([Group(cell.name, cell.values, cell.edge) for cell in ranked]) if len(ranked) > 1 else None
    settings = _settings(kept)
    meeting, lowest = _meeting(ranked), not of.higher_is_better
    points = [Point(cell.name, _mean(cell), cell.others[front]) for cell in judged if front in cell.others]
    return Answers(
        figure=of,
        component=component,
        cells=cells,
        ranked=tuple(ranked),
        unranked=unranked,
        fitted=fitted,
        candidates=_among(fitted, [cell.name for cell in judged], lowest=lowest),
        pairs=all_pairs(fitted) if fitted and len(ranked) <= _MOST_PAIRED else (),
        controlled=against(fitted, _control(ranked, control)) if fitted and control else (),
        reference=_reference(cells, ranked, fitted, control),
        effects=main_effects(fitted, settings) if fitted else "no scatter between processes is known",
        front_figure=front_of,
        front=tuple(point.name for point in pareto_front(points, higher_is_better=front_of.higher_is_better)),
        meeting=meeting,
        meeting_candidates=_among(
            fitted, [cell.name for cell in judged if cell.name in (meeting or ())], lowest=lowest
        ),
        notes=(*_notes(ranked), *nodes(read_manifest(study).attempts)),
        findings=tuple(findings([(cell.name, cell.hardware) for cell in ranked])),
        caveats=tuple(caveats(ranked, others)),
    )


def _among(fitted: Fit | None, names: Sequence[str], *, lowest: bool) -> tuple[Candidate, ...]:
    """Each of these cells against the best of the others among them, from the best mean on."""
    if fitted is None or len(names) < 2:
        return ()
    return with_the_best(fitted.only(names[:_MOST_COMPARED]), lowest=lowest)


def _mean(cell: MeasuredCell) -> float:
    assert cell.estimate is not None, "a ranked cell has values"
    return cell.estimate.mean


def _unranked(cell: MeasuredCell, *, with_failed: bool) -> str | None:
    if not cell.values:
        return next(iter(cell.withheld.values()), "not measured yet")
    if cell.failed and not with_failed:
        cycles = len(cell.verdicts)
        failed = "; ".join(f"{check} in {count} of {cycles} cycles" for check, count in cell.failed_checks.items())
        return f"the verdict is FAIL in {cell.failed} of {cycles} cycles{f': {failed}' if failed else ''}"
    return None


def _check_control(study: str | Path, cells: Sequence[MeasuredCell], control: str) -> None:
    """Refuse the name of a cell that the study does not have, whether or not any cell can be ranked."""
    if not any(control in (cell.cell.id, cell.cell.label) for cell in cells):
        names = ", ".join(cell.name for cell in cells[:10])
        raise ConfigError(f"{study} has no cell {control!r}", remedy=f"choose one of {names}")


def _control(ranked: Sequence[MeasuredCell], control: str) -> str:
    for cell in ranked:
        if control in (cell.cell.id, cell.cell.label):
            return cell.name
    names = ", ".join(cell.name for cell in ranked[:10])
    raise ConfigError(f"no ranked cell is called {control!r}", remedy=f"choose one of {names}")


def _reference(
    cells: Sequence[MeasuredCell], ranked: Sequence[MeasuredCell], fitted: Fit | None, control: str | None
) -> Pair | None:
    """Chosen by its place, not by its figure, so Dunnett's interval holds for whichever cell turned out best."""
    if fitted is None:
        return None
    first = _control(ranked, control) if control else next(cell.name for cell in cells if cell in ranked)
    return next((pair for pair in against(fitted, first) if pair.second == ranked[0].name), None)


def _settings(ranked: Sequence[MeasuredCell]) -> dict[str, dict[str, AxisValue]]:
    """Lists and mappings as text: a level is a single value."""
    return {
        cell.name: {
            key: value if value is None or isinstance(value, str | int | float | bool) else str(value)
            for key, value in cell.cell.settings.items()
        }
        for cell in ranked
    }


def _meeting(ranked: Sequence[MeasuredCell]) -> tuple[str, ...] | None:
    shares = {cell.name: cell.good_share for cell in ranked if cell.good_share is not None}
    return tuple(name for name, share in shares.items() if share >= GOOD_SHARE) if shares else None


def _notes(ranked: Sequence[MeasuredCell]) -> Iterator[str]:
    """What makes a ratio between cells mean something else than it says."""
    for name in dict.fromkeys(name for cell in ranked for name in cell.work if name.startswith(_NOTED)):
        values = dict.fromkeys(cell.work[name] for cell in ranked if name in cell.work)
        if len(values) > 1:
            yield f"the work differs between cells: {name} is {' or '.join(list(values)[:4])}"
    tokens = [cell.output_tokens for cell in ranked if cell.output_tokens is not None]
    if tokens and max(tokens) / min(tokens) - 1 > _SAME_TOKENS:
        yield f"emitted tokens differ between cells: {min(tokens):.4g} to {max(tokens):.4g} output tokens a request"
    if any(cell.modelled for cell in ranked):
        yield "energy is modelled, not measured: the ratios are those of a model, whose error is in no interval"
    if len({cell.devices for cell in ranked}) > 1:
        yield "cells were measured on different devices: the gain of their sensors is in no ratio"
    incomplete = [cell.name for cell in ranked if cell.withheld]
    if incomplete:
        yield f"cycles without a figure, which no mean holds: {', '.join(incomplete[:10])}"
