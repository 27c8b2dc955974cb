"""The requests of a trial are walked once after its window, and everything later reads what that gave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from attrs import define, evolve

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.trial_figures import trial_figures, walked_parts
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.outcomes import OutcomeList, Outcomes
from ai_energy_benchmarks.domain.serving import ClientLoad
from ai_energy_benchmarks.reporters.csv import result_row
from ai_energy_benchmarks.reporters.lines import named_lines
from ai_energy_benchmarks.results.document.report import report_document
from ai_energy_benchmarks.results.request_tables import RowFacts
from ai_energy_benchmarks.results.requests import trial_frames
from tests.factories import completion, failure, reading, result, trial, verdict


@define(eq=False)
class Counted(OutcomeList):
    """Outcomes that count how often somebody walks through all of them."""

    walks: int = 0

    def __iter__(self) -> Iterator[Outcome]:
        self.walks += 1
        return iter(tuple(self._outcomes))


def test_summary_verdict_and_reports_walk_a_trial_once() -> None:
    """Of a server with one request in flight: figures in one walk, and the division of its time in another."""
    outcomes = Counted([completion(number, sent_s=float(number)) for number in range(50)])
    client = ClientLoad(1, 0.1, 0.001)
    trials = (evolve(trial(1, reading(), outcomes=()), outcomes=outcomes, client=client, stop_s=60.0),)
    summary = summarise(trials, ())
    judged = verdict(list(trials))
    finished = evolve(result(trials), summary=summary, verdict=judged)
    report_document(finished)
    report_document(finished)
    result_row(finished)
    list(named_lines(finished))
    assert outcomes.walks <= 3


def test_figures_follow_what_they_are_of() -> None:
    """Other fillers, or another window, make other figures of the same outcomes."""
    whole = trial(1, outcomes=[completion(0), completion(1), failure(2)])
    figures = trial_figures(whole)
    assert trial_figures(evolve(whole, measurement=None)) is figures
    assert (figures.counts.succeeded, figures.counts.failed, figures.facts.answers) == (2, 1, 2)
    filled = evolve(whole, fillers=[completion(3, output_tokens=40)])
    assert trial_figures(filled).pace != figures.pace
    assert trial_figures(evolve(whole, stop_s=whole.start_s)).in_flight_s == 0.0


def test_outcomes_of_any_kind_are_equal_if_they_hold_the_same() -> None:
    """A list, a tuple and what a trial makes of them compare like sequences."""
    done = [completion(0), failure(1)]
    made = trial(1, outcomes=done).outcomes
    assert isinstance(made, Outcomes)
    assert made == done
    assert made == tuple(done)
    assert made != done[:1]
    assert made != 3


@define(eq=False)
class InParts(OutcomeList):
    """Outcomes that count how often their parts are gone through."""

    reads: int = 0

    @property
    def in_pieces(self) -> bool:
        return True

    def parts(self) -> Iterator[Sequence[Outcome]]:
        self.reads += 1
        yield from (self._outcomes[:2], self._outcomes[2:])


def test_the_rows_of_a_very_long_pass_and_its_figures_come_from_one_walk() -> None:
    """Storing the rows has read all pieces, so that no summary has to read them again."""
    outcomes = InParts([completion(number) for number in range(5)])
    kept = evolve(trial(1, outcomes=()), outcomes=outcomes)
    facts = RowFacts("", False, 0.0, {}, ())
    assert sum(map(len, trial_frames(kept, facts))) == 5
    assert trial_figures(kept) == trial_figures(trial(1, outcomes=list(outcomes)))
    assert outcomes.reads == 1


def test_figures_that_cannot_be_made_cost_no_row() -> None:
    """A count that no float holds is met by whoever wants the figures, once the rows are stored."""
    outcomes = InParts([evolve(completion(0), output_tokens=10**400), *(completion(number) for number in range(1, 5))])
    kept = evolve(trial(1, outcomes=()), outcomes=outcomes)
    assert [len(part) for part in walked_parts(kept)] == [2, 3]
    with pytest.raises(OverflowError):
        trial_figures(kept)
