"""Requests and tokens of a pass, counted by hand, as objects, as rows of a table, and of several passes together."""

from __future__ import annotations

from collections.abc import Sequence

import polars
import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.tokens import Counting, Counts, count, together
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.outcome_frames import with_times
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable
from tests.factories import completion, failure

SENT = "a" * 64
NOTHING = Counts(0, 0, 0, 0, None, None, 0, 0)


def counted(outcomes: Sequence[Outcome]) -> Counts:
    """Those of objects, which are those of the same outcomes in tables, and of both one after the other."""
    by_object = count(outcomes)
    by_table, first = Counting(), Counting()
    table = OutcomeTable()
    table.extend(outcomes)
    for part in table.parts():
        assert isinstance(part, polars.DataFrame)
        by_table.add_table(with_times(part))
    assert by_table.counts() == by_object
    for one in outcomes:
        alone = OutcomeTable()
        alone.extend([one])
        for part in alone.parts():
            assert isinstance(part, polars.DataFrame)
            first.add_table(with_times(part))
    assert first.counts() == by_object
    return by_object


def test_what_requests_bring_is_added() -> None:
    """Those that failed bring nothing but their number."""
    outcomes = [
        completion(0, prompt_tokens=11, output_tokens=3, truncated_prompt_tokens=1, rendered_sha256=SENT),
        failure(1),
        completion(2, prompt_tokens=7, output_tokens=5, token_source="retokenised", rendered_sha256=SENT),
        completion(3, prompt_tokens=2, output_tokens=9, truncated_prompt_tokens=40, rendered_sha256=SENT),
        completion(4, prompt_tokens=1, output_tokens=2, token_source="usage", rendered_sha256=SENT),
        failure(5),
    ]
    sources = frozenset({"token_ids", "retokenised", "usage"})
    assert counted(outcomes) == Counts(4, 2, 21, 19, None, None, 2, 1, sources)  # type: ignore[arg-type] # token sources
    assert counted([failure(0)]) == evolve(NOTHING, failed=1)
    assert counted([]) == NOTHING


@pytest.mark.parametrize(
    ("cached", "tokens"),
    [((None, None), None), ((0, None), 0), ((None, 3), 3), ((5, None, 7), 12), ((4, 0, 9), 13)],
)
def test_cached_tokens_are_known_once_an_answer_has_any(cached: Sequence[int | None], tokens: int | None) -> None:
    """Those that say nothing had none."""
    outcomes = [
        completion(number, cached_prompt_tokens=each, rendered_sha256=SENT) for number, each in enumerate(cached)
    ]
    assert counted(outcomes).cached_prompt_tokens == tokens


@pytest.mark.parametrize(
    ("thinking", "tokens"),
    [
        ((3, 2), 5),
        ((4, 4), 8),
        ((0, 0), 0),
        ((5, 2), None),
        ((2, 5), None),
        ((None, 2), None),
        ((2, None), None),
        ((2, None, 3), None),
        ((None, None), None),
    ],
)
def test_thinking_is_known_if_every_answer_tells_it(thinking: Sequence[int | None], tokens: int | None) -> None:
    """More of it than the four tokens of an answer is not believed; failures say nothing of it."""
    outcomes: list[Outcome] = [
        completion(number, reasoning_tokens=each, rendered_sha256=SENT) for number, each in enumerate(thinking)
    ]
    assert counted([*outcomes, failure(9)]).reasoning_tokens == tokens
    assert counted([failure(9), *outcomes]).reasoning_tokens == tokens


def test_amounts_are_added_by_unit() -> None:
    """Of images 2 and 3, of audio 1.5 s; nothing of a failure."""
    outcomes = [
        evolve(completion(0), amounts={"images": 2.0}),
        failure(1),
        evolve(completion(2), amounts={"images": 3.0, "audio_s": 1.5}),
    ]
    assert count(outcomes).amounts == {"images": 5.0, "audio_s": 1.5}


def test_passes_are_counted_together() -> None:
    """Sums of each; cached tokens where any pass knows them, thinking where every pass that was answered does."""
    first = Counts(2, 1, 30, 9, 4, 3, 1, 2, frozenset({"usage"}))
    second = Counts(3, 5, 50, 11, 6, 2, 4, 7, frozenset({"token_ids"}))
    both = frozenset({"usage", "token_ids"})
    assert together([first, second]) == Counts(5, 6, 80, 20, 10, 5, 5, 9, both)  # type: ignore[arg-type] # token sources
    untold = evolve(second, cached_prompt_tokens=None, reasoning_tokens=None)
    for parts in ([first, untold], [untold, first]):
        assert (together(parts).cached_prompt_tokens, together(parts).reasoning_tokens) == (4, None)
    assert (together([untold]).cached_prompt_tokens, together([untold]).reasoning_tokens) == (None, None)
    lost = evolve(NOTHING, failed=3)
    assert together([lost, first]).reasoning_tokens == together([first, lost]).reasoning_tokens == 3
    nothing_cached = evolve(first, cached_prompt_tokens=0)
    assert together([nothing_cached]).cached_prompt_tokens == 0
    assert together([lost]) == lost
    assert together([]) == NOTHING
