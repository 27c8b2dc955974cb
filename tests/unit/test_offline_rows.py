"""What an offline engine's steps become: one event a step, however many tokens it brought."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.analysis.latency import pooled
from ai_energy_benchmarks.backends.offline.engine import Row, as_outcome
from ai_energy_benchmarks.backends.rendering import Rendered
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.prompts import Prompt, Request


def answer(*steps: tuple[int, ...], step_s: float = 0.04) -> Completion:
    """A row whose steps brought these ids, one every ``step_s``."""
    row = Row(Request(0, Prompt(0, "a")), Rendered((1, 2), 0, ""))
    for number, ids in enumerate(steps, start=1):
        row.take(ids, "length" if number == len(steps) else None, step_s * number)
    outcome = as_outcome(row, 0.0, step_s * len(steps))
    assert isinstance(outcome, Completion)
    return outcome


def test_the_tokens_of_one_step_are_one_event() -> None:
    """Steps of one, four and four tokens: 80 ms for the eight after the first event, and no gap of 0 ms."""
    done = answer((7,), (1, 2, 3, 4), (1, 2, 3, 4))
    assert list(done.token_times_s) == pytest.approx([0.04, 0.08, 0.12])
    assert (done.output_tokens, done.first_event_tokens) == (9, 1)
    assert done.tpot_s == pytest.approx(0.01)
    found = pooled([done])
    assert found.itl_s is None
    assert found.inter_chunk_s is not None
    assert found.inter_chunk_s.p50 == pytest.approx(0.04)
    assert found.tokens_per_event == 3


def test_the_tokens_of_the_first_step_are_not_in_the_time_per_token() -> None:
    """A first step of three tokens and two steps of one: 80 ms for two tokens."""
    assert answer((1, 2, 3), (4,), (5,)).tpot_s == pytest.approx(0.04)


def test_a_step_without_a_token_is_no_event() -> None:
    """An engine may say that a row has ended after its last token."""
    done = answer((1,), (2,), ())
    assert list(done.token_times_s) == pytest.approx([0.04, 0.08])
    assert done.finish_reason == "length"
