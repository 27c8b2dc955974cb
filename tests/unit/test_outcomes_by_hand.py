"""The outcomes of a pass as a sequence: order, counts, parts, and what is remembered of them."""

from __future__ import annotations

import math

import pytest
from attrs import evolve

from ai_energy_benchmarks.domain import outcomes as module
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.outcomes import OutcomeList, as_outcomes, begun_s
from tests.factories import completion, failure

DONE, LATE, LOST = completion(2, sent_s=1.0), completion(0, sent_s=1.0, first_s=0.5), failure(1)


def test_completions_and_failures_are_told_apart() -> None:
    """In their order, by index and by slice; a sequence that is behind the interface already stays as it is."""
    found = as_outcomes([DONE, LOST, LATE])
    assert as_outcomes(found) is found
    assert (len(found), found.failed, found.in_pieces, found.problem, found.shelved_rows) == (3, 1, False, "", 0)
    assert list(found.completions) == [DONE, LATE]
    assert found.failures == (LOST,)
    assert as_outcomes([DONE]).failures == ()
    assert (found[1], found[-1], found[1:]) == (LOST, LATE, (LOST, LATE))
    completions = module.Completions(found)
    assert (len(completions), list(completions), completions[1], completions[:1]) == (2, [DONE, LATE], LATE, (DONE,))


def test_outcomes_are_equal_to_any_sequence_of_the_same() -> None:
    """Of the same length, row by row; with anything else they cannot be compared."""
    found = as_outcomes([DONE, LOST])
    assert found == [DONE, LOST]
    assert found == as_outcomes([DONE, LOST])
    assert found != [DONE]
    assert found != [DONE, LOST, LATE]
    assert found != [DONE, LATE]
    assert found != 7
    assert as_outcomes([]) == ()


def test_finished_outcomes_are_in_the_order_of_their_numbers() -> None:
    """Each is replaced by what is made of it, and what was remembered is forgotten."""
    found = OutcomeList([DONE, LOST])
    assert (found.failed, len(found.completions)) == (1, 1)
    found.extend([LATE])
    assert (found.failed, list(found.completions)) == (1, [DONE, LATE])

    def lost(outcome: Outcome) -> Outcome:
        return failure(outcome.number) if isinstance(outcome, Completion) else outcome

    found.finish(lost)
    assert [outcome.number for outcome in found] == [0, 1, 2]
    assert (found.failed, list(found.completions)) == (3, [])


def test_a_value_is_made_once_for_each_name() -> None:
    """Until outcomes are added."""
    found, made = OutcomeList([DONE]), []

    def make() -> int:
        made.append(1)
        return len(made)

    assert [found.remembered("a", make), found.remembered("a", make), found.remembered("b", make)] == [1, 1, 2]
    found.extend([])
    assert found.remembered("a", make) == 3


def test_the_first_that_were_sent_count_by_their_time_and_then_by_their_place() -> None:
    """Their first token, or their end where they had none: 1.5, 0.5 and 1.1 s."""
    found = as_outcomes([LATE, LOST, DONE])
    assert found.first_begun_s(0) == []
    assert found.first_begun_s(1) == [0.5]
    assert found.first_begun_s(2) == [0.5, 1.5]
    assert found.first_begun_s(9) == [0.5, 1.5, pytest.approx(1.1)]
    assert begun_s(evolve(DONE, token_times_s=DONE.token_times_s[:0], finished_s=9.0)) == 9.0
    assert begun_s(LOST) == 0.5


def test_the_last_to_end_is_the_latest() -> None:
    """Wherever it stands; of none it is before all times."""
    assert as_outcomes([LATE, DONE, LOST]).last_finished_s() == LATE.finished_s
    assert as_outcomes([LOST]).last_finished_s() == 0.5
    assert as_outcomes([]).last_finished_s() == -math.inf


@pytest.mark.parametrize(("number", "parts"), [(0, []), (3, [3]), (4, [4]), (5, [4, 1]), (8, [4, 4])])
def test_parts_have_at_most_so_many_rows(monkeypatch: pytest.MonkeyPatch, number: int, parts: list[int]) -> None:
    """All of them, in order, and no empty one."""
    monkeypatch.setattr(module, "PART_ROWS", 4)
    rows = [completion(count) for count in range(number)]
    found = list(as_outcomes(rows).parts())
    assert [len(part) for part in found] == parts
    assert [outcome for part in found for outcome in part] == rows


def test_a_long_pass_is_kept_in_columns_and_read_in_parts() -> None:
    """From 100,000 requests on, 32,768 at a time."""
    assert (module.MANY_REQUESTS, module.PART_ROWS) == (100_000, 32_768)
