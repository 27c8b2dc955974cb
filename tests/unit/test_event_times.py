"""How many tokens of an answer existed at a time: one at each event, or spread where events carry several."""

from __future__ import annotations

import random
from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.event_times import tokens_until
from ai_energy_benchmarks.analysis.pace import pace
from ai_energy_benchmarks.domain.completions import Completion
from tests.factories import completion
from tests.unit.test_steady import Bench, lognormal, steady_j

SINGLE = completion(output_tokens=5, first_s=1.0, step_s=1.0)
# In chunks of eight, by usage with every event or not.
CHUNKS = evolve(completion(output_tokens=3, first_s=8.0, step_s=8.0), output_tokens=24, first_event_tokens=None)
COUNTED = evolve(CHUNKS, event_tokens=array("q", (8, 8, 8)))


def test_tokens_come_with_their_events() -> None:
    """Nothing between two events, where these carry one token or a few."""
    pairs = evolve(SINGLE, output_tokens=10)
    for done, each in ((SINGLE, 1), (pairs, 2), (evolve(pairs, event_tokens=array("q", (2, 2, 2, 2, 2))), 2)):
        seen = [tokens_until(done, pace([done]), at_s) for at_s in (0.0, 0.9, 1.0, 2.9, 5.0, 9.0)]
        assert seen == [0, 0, each, 2 * each, 5 * each, 5 * each]


@pytest.mark.parametrize("chunks", [CHUNKS, COUNTED])
def test_tokens_of_a_chunk_are_made_before_it_is_shown(chunks: Completion) -> None:
    """Evenly since the chunk before, and the first chunk's at the same pace; after the last one come no more."""
    of = pace([chunks])
    seen = [tokens_until(chunks, of, at_s) for at_s in (0.0, 1.0, 8.0, 12.0, 16.0, 23.0, 24.0, 40.0)]
    assert seen == pytest.approx([0, 1, 8, 12, 16, 23, 24, 24])


def test_a_cancelled_request_had_tokens_that_it_never_showed() -> None:
    """Up to one chunk, by the pace of the finished ones; also before its first one."""
    of = pace([CHUNKS])
    cut = evolve(CHUNKS, token_times_s=array("d", (8.0,)), finished_s=15.0, finish_reason="cancelled")
    assert tokens_until(cut, of, 15.0) == pytest.approx(15)
    unseen = evolve(cut, token_times_s=array("d"), finished_s=3.0)
    assert tokens_until(unseen, of, 3.0) == pytest.approx(3)


def test_large_chunks_leave_the_steady_state_as_it_is() -> None:
    """J per token of chunks of 32 tokens is that of single ones; by their events it would be more than 1 % higher."""
    lengths = [64 + lognormal(random.Random(seed)) for seed in range(160)]
    single, chunks = (Bench(16, lengths, event_tokens=events).result() for events in (1, 32))
    assert steady_j(chunks) == pytest.approx(steady_j(single), rel=0.005)
