"""A comparison as text for people, as Markdown for a pull request, and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import asdict

from ai_energy_benchmarks.analysis.ratio import Ratio
from ai_energy_benchmarks.reporters.figures import amount, change, with_bounds
from ai_energy_benchmarks.study.comparison.comparing import Comparison, Side
from ai_energy_benchmarks.study.markdown_text import safe

SCHEMA_VERSION = 1
_DECIDED = {
    "pass": "PASS: B is at most {limit} worse",
    "regression": "REGRESSION: B is more than {limit} worse",
    "inconclusive": "INCONCLUSIVE: the interval reaches across {limit} worse; measure more cycles",
}
_MARKS = {"pass": "✅", "regression": "❌", "inconclusive": "⚠️"}


def lines(comparison: Comparison) -> tuple[str, ...]:
    """For a terminal: the decision first, then both sides, the ratio, and everything that stands against it."""
    return tuple(_lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    if (decision := decided(comparison)) is not None:
        yield decision
    yield sentence(comparison)
    for name, side in (("A", comparison.first), ("B", comparison.second)):
        yield f"  {name}  {_shown(side, comparison.unit)}"
    for title, texts in _remarks(comparison).items():
        yield from (f"  {title}: {text}" for text in texts)


def markdown(comparison: Comparison) -> str:
    """A heading, a table with both sides, and the remarks folded below."""
    decision = decided(comparison)
    mark = f"{_MARKS[comparison.decision]} " if comparison.decision else ""
    text = [
        f"### {mark}{safe(decision or 'Energy compared')}",
        "",
        safe(sentence(comparison)),
        "",
        f"| | result | processes | {comparison.unit} | CV | output tokens a request | verdict |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, side) for name, side in (("A", comparison.first), ("B", comparison.second))),
        "",
    ]
    remarks = [f"- {title}: {safe(each)}" for title, texts in _remarks(comparison).items() for each in texts]
    if remarks:
        text += ["<details><summary>What to know</summary>", "", *remarks, "", "</details>", ""]
    return "\n".join(text)


def plain(comparison: Comparison) -> dict[str, object]:
    """Plain values for JSON."""
    return {"schema_version": SCHEMA_VERSION, **asdict(comparison), "sentence": sentence(comparison)}


def decided(comparison: Comparison) -> str | None:
    """The decision in one sentence; None where nothing was to be decided."""
    if comparison.decision is None or comparison.limit is None:
        return None
    return _DECIDED[comparison.decision].format(limit=f"{100 * comparison.limit:.4g}%")


def sentence(comparison: Comparison) -> str:
    """How much more or less B has, with the interval."""
    quotient, what = comparison.quotient, comparison.unit
    subject = f"{comparison.component.upper()} {what}" if comparison.component and "J" in what else what
    ends = (quotient.best, quotient.low, quotient.high)
    than = f"B has {change(*ends)} {subject} than A"
    if quotient.low is None or quotient.high is None:
        return f"{than} (ratio {with_bounds(*ends)}, no interval)"
    sides = "" if _differs(quotient) else "; the interval includes no difference"
    return f"{than} (ratio {with_bounds(*ends)}, 95 %, {_method(quotient)}){sides}"


def _differs(quotient: Ratio) -> bool:
    return quotient.low is not None and quotient.high is not None and not quotient.low <= 1 <= quotient.high


def _method(quotient: Ratio) -> str:
    if quotient.degrees is None:
        return quotient.method
    shown = f"{quotient.degrees:.3g}"
    return f"{quotient.method}, {shown} degree{'' if shown == '1' else 's'} of freedom"


def _shown(side: Side, unit: str) -> str:
    scatter = "" if side.cv is None else f", CV {side.cv:.1%}"
    count = "1 process" if side.processes == 1 else f"{side.processes} processes"
    return f"{side.label}: {side.shown} {unit} ({count}{scatter}; verdict {_verdicts(side)})"


def _verdicts(side: Side) -> str:
    return ", ".join(f"{side.verdicts.count(each)} × {each}" for each in dict.fromkeys(side.verdicts))


def _row(name: str, side: Side) -> str:
    scatter = "–" if side.cv is None else f"{side.cv:.1%}"
    tokens = "–" if side.output_tokens is None else amount(side.output_tokens)
    cells = (name, side.label, str(side.processes), side.shown, scatter, tokens, _verdicts(side))
    return f"| {' | '.join(map(safe, cells))} |"


def _remarks(comparison: Comparison) -> Mapping[str, tuple[str, ...]]:
    return {
        "warning": comparison.cautions,
        "allowed, though not the same": tuple(map(str, comparison.allowed)),
        "differed": comparison.noted,
    }
