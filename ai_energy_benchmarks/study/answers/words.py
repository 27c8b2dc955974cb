"""The answers of a study as text, as Markdown, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import asdict

from ai_energy_benchmarks.analysis.groups import Candidate
from ai_energy_benchmarks.analysis.ratio import Ratio
from ai_energy_benchmarks.reporters.figures import change, plus_minus, with_bounds
from ai_energy_benchmarks.results.quotable import OUTPUT_TOKENS_PER_S
from ai_energy_benchmarks.study.answers.answering import GOOD_SHARE, Answers
from ai_energy_benchmarks.study.answers.measured import MeasuredCell
from ai_energy_benchmarks.study.markdown_text import safe

SCHEMA_VERSION = 1
_HEAD = ("cell", "cycles", "mean", "± (95 %)", "repeatability", "CV", "ratio to the best other", "verdict")
_MOST_ROWS = 50


def lines(answers: Answers) -> tuple[str, ...]:
    """For a terminal: the answers in sentences, then the cells, the pairs and the axes."""
    if not answers.ranked:
        reasons = (f"Not ranked: {name}: {why}" for name, why in answers.unranked.items())
        return (*sentences(answers), *reasons, f"fix: {remedy(answers)}")
    table = [_HEAD, *_rows(answers)]
    widths = [max(len(row[place]) for row in table) for place in range(len(_HEAD))]
    padded = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return (*sentences(answers), "", f"{_unit(answers)}, over processes:", *padded, *_details(answers))


def markdown(answers: Answers) -> str:
    """The same with a table."""
    rows = [_HEAD, ("---",) * len(_HEAD), *_rows(answers)]
    table = [f"| {' | '.join(map(safe, row))} |" for row in rows]
    text = [
        *(f"**{safe(sentence)}**" for sentence in sentences(answers)),
        "",
        f"{_unit(answers)}, over processes:",
        "",
        *table,
    ]
    details = [detail.strip() for detail in _details(answers) if detail.strip()]
    if not answers.ranked:
        details.append(f"fix: {remedy(answers)}")
    return "\n".join([*text, "", *(f"- {safe(detail)}" for detail in details), ""])


def plain(answers: Answers) -> dict[str, object]:
    """Plain values for JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "sentences": list(sentences(answers)),
        "fix": None if answers.ranked else remedy(answers),
        "figure": answers.figure.name,
        "unit": answers.figure.unit,
        "component": answers.component,
        "cells": [_cell(cell, answers) for cell in answers.cells],
        "candidates": [asdict(candidate) for candidate in answers.candidates],
        "pairs": [asdict(pair) for pair in answers.pairs],
        "over_reference": None if answers.reference is None else asdict(answers.reference),
        "against_control": [asdict(comparison) for comparison in answers.controlled],
        "main_effects": None if isinstance(answers.effects, str) else [asdict(effect) for effect in answers.effects],
        "main_effects_absent": answers.effects if isinstance(answers.effects, str) else None,
        "pareto_front": {"against": answers.front_figure.name, "cells": list(answers.front)},
        "meets_objectives": None if answers.meeting is None else list(answers.meeting),
        "caveats": list(answers.caveats),
        "notes": list(answers.notes),
        "findings": list(answers.findings),
    }


def _cell(cell: MeasuredCell, answers: Answers) -> dict[str, object]:
    return {
        "cell": cell.cell.id,
        "label": cell.cell.label,
        "settings": dict(cell.cell.settings),
        "ranked": cell.name not in answers.unranked,
        "not_ranked": answers.unranked.get(cell.name),
        "values": {str(cycle): value for cycle, value in cell.values.items()},
        "estimate": None if cell.estimate is None else {**asdict(cell.estimate), "cv": cell.estimate.cv},
        "verdicts": {str(cycle): level for cycle, level in cell.verdicts.items()},
        "withheld": {str(cycle): why for cycle, why in cell.withheld.items()},
        "others": dict(cell.others),
        "output_tokens_per_request": cell.output_tokens,
        "good_share": cell.good_share,
    }


def remedy(answers: Answers) -> str:
    """How a study in which no cell can be ranked becomes one that has an answer."""
    if any(cell.failed and cell.values for cell in answers.cells):
        return (
            "measure again while the machine is at rest, without what failed these checks; "
            "or rank the cells all the same with --with-failed"
        )
    return "correct what the reasons name, and measure again"


def sentences(answers: Answers) -> tuple[str, ...]:
    """What limits the order, the best cell, and the best one that keeps the objectives where there are any."""
    found = [*answers.caveats, _best(answers, answers.ranked, answers.candidates), *_against_reference(answers)]
    if answers.meeting is not None:
        meeting = [cell for cell in answers.ranked if cell.name in answers.meeting]
        share = f"at least {GOOD_SHARE:.0%} of requests within the objectives"
        if meeting:
            found.append(f"Of the cells with {share}: {_best(answers, meeting, answers.meeting_candidates)}")
        else:
            closest = max(answers.ranked, key=lambda cell: cell.good_share or 0.0)
            best = f"the closest, {closest.name}, has {closest.good_share or 0.0:.1%}"
            found.append(f"None meets the objectives: no cell has {share}; {best}.")
    return (*found, *answers.findings)


def _against_reference(answers: Answers) -> Iterator[str]:
    """What the best cell gains over the one that the study begins with, and what that costs in speed."""
    pair = answers.reference
    if pair is None or pair.ratio.low is None or pair.ratio.high is None:
        return
    ends = (pair.ratio.best, pair.ratio.low, pair.ratio.high)
    speeds = [cell.others.get(OUTPUT_TOKENS_PER_S.name) for name in (pair.first, pair.second)
              for cell in answers.ranked if cell.name == name]  # fmt: skip
    speed = ""
    if answers.figure.kind == "energy" and speeds[0] and speeds[1]:
        speed = f", at {speeds[1] / speeds[0] - 1:+.1%} output tokens/s"
    interval = f"(ratio {with_bounds(*ends)}, 95 %)"
    model = "By the model, " if any(cell.modelled for cell in answers.ranked) else ""
    yield f"{model}{pair.second} has {change(*ends)} {answers.figure.unit} than {pair.first} {interval}{speed}."


_ADJECTIVES = {"energy": "cheapest", "latency": "fastest", "throughput": "fastest"}


def _best(answers: Answers, among: Sequence[MeasuredCell], candidates: Sequence[Candidate]) -> str:
    """The best of some cells, and which of the others may be the best too."""
    if not among:
        return "No cell can be ranked."
    best, adjective = among[0], _ADJECTIVES[answers.figure.kind]
    said = f"{best.name} at {best.shown} {answers.figure.unit}{best.doubt}"
    if any(cell.modelled for cell in among):
        return f"By the model, {said} has the lowest mean."
    if len(among) == 1:
        return f"{said} is the only one."
    if not candidates:
        return f"{said} has the best mean; without a second cycle nothing is known of the scatter."
    rivals = [candidate.name for candidate in candidates if candidate.may_be_best and candidate.name != best.name]
    if rivals:
        more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
        return f"{said} has the best mean; {', '.join(rivals[:3])}{more} cannot be excluded as the {adjective}."
    return f"{said} is the {adjective} (95 %, against all others at once)."


def _rows(answers: Answers) -> list[tuple[str, ...]]:
    against_best = {
        candidate.name: f"{candidate.over_best_low:.3f} to {candidate.over_best_high:.3f}"
        for candidate in answers.candidates
    }
    rows = []
    for cell in answers.ranked[:_MOST_ROWS]:
        estimate = cell.estimate
        assert estimate is not None, "a ranked cell has values"
        widths = (estimate.leading_half_width, estimate.half_width)
        scatter = "–" if estimate.cv is None else f"{estimate.cv:.1%}"
        levels = list(cell.verdicts.values())
        verdict = ", ".join(f"{levels.count(level)} × {level}" for level in dict.fromkeys(levels))
        intervals = ["–" if not width else plus_minus(estimate.mean, width)[2:] for width in widths]
        row = (cell.name, str(estimate.n), cell.shown.partition(" ")[0], *intervals, scatter)
        rows.append((*row, against_best.get(cell.name, "–"), verdict))
    return rows


def _details(answers: Answers) -> Iterator[str]:
    if len(answers.ranked) > _MOST_ROWS:
        yield f"and {len(answers.ranked) - _MOST_ROWS} more cells"
    for title, pairs in (("Against the control (Dunnett)", answers.controlled), ("All pairs (Tukey)", answers.pairs)):
        for number, pair in enumerate(pairs):
            yield from ("", f"{title}:") if number == 0 else ()
            yield f"  {pair.second} over {pair.first}: {_ratio(pair.ratio)}"
    yield ""
    if isinstance(answers.effects, str):
        yield f"Main effects: none: {answers.effects}"
    for effect in () if isinstance(answers.effects, str) else answers.effects:
        spread = (
            ""
            if effect.highest - effect.lowest < 1e-9
            else f"; {effect.lowest:.3f} to {effect.highest:.3f} by the other axes"
        )
        yield f"Effect of {effect.axis}, {effect.level} over {effect.reference}: {_ratio(effect.ratio)}{spread}"
    if answers.front:
        yield f"Pareto front of {answers.figure.name} against {answers.front_figure.name}: {', '.join(answers.front)}"
    yield from (f"Not ranked: {name}: {why}" for name, why in answers.unranked.items())
    yield from (f"Note: {note}" for note in answers.notes)


def _ratio(ratio: Ratio) -> str:
    return with_bounds(ratio.best, ratio.low, ratio.high)


def _unit(answers: Answers) -> str:
    return (
        f"{answers.component.upper()} {answers.figure.unit}" if answers.figure.kind == "energy" else answers.figure.unit
    )
