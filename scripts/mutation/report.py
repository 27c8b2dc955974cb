"""What was tried, as Markdown."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

GOAL = 0.95
# Changes that no user can see, each with the reason; the change is written as in the report.
ACCEPTED = Path("scripts") / "mutation" / "accepted.csv"


@frozen
class Trial:
    """A mutant, what became of it (noticed, not noticed, undecided, accepted), and the test or the reason."""

    module: str
    line: int
    change: str
    outcome: str
    by: str


@frozen
class Accepted:
    """Changes that were looked at and that no user can see."""

    reasons: Mapping[tuple[str, str], str]

    @classmethod
    def read(cls, root: Path) -> Accepted:
        """Those of a checkout."""
        with (root / ACCEPTED).open(encoding="utf-8", newline="") as rows:
            return cls({(row["module"], row["change"]): row["reason"] for row in csv.DictReader(rows)})

    def reason(self, module: str, change: str) -> str | None:
        """Why no user can see a change, if it is one of these."""
        return self.reasons.get((module, change))


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def report(trials: Sequence[Trial], total: int, seed: int) -> tuple[str, float]:
    """The report, and the share of the mutants that were noticed, of those that a user could see."""
    count = Counter(trial.outcome for trial in trials)
    tried = len(trials) - count["accepted"]
    share = count["noticed"] / tried if tried else 0.0
    rows = [
        f"| `{trial.module}:{trial.line}` | `{_cell(trial.change)}` | {trial.outcome} | {trial.by} |"
        for trial in sorted(trials, key=lambda trial: (trial.outcome, trial.module, trial.line))
        if trial.outcome != "noticed"
    ]
    head = (
        f"{tried} mutants of {total} places, seed {seed}: {count['noticed']} noticed, "
        f"{count['not noticed']} not noticed, {count['undecided']} undecided; "
        f"{100 * share:.1f} %, the goal is {100 * GOAL:.0f} %. "
        f"{count['accepted']} more were drawn that no user can see."
    )
    return "\n".join([head, "", "| place | change | outcome | why |", "|---|---|---|---|", *rows, ""]), share
