"""Energy by phase, split by time: thinking apart from the answer, prefill apart from decode."""

from __future__ import annotations

from array import array

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.time_shares import time_shares
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.results.phases import phases_by_time
from tests.factories import reading, result, trial


def done(sent_s: float, times_s: tuple[float, ...], thinking: int | None = None, number: int = 0) -> Completion:
    """A request whose tokens came at ``times_s``."""
    return Completion(
        number=number,
        prompt_tokens=5,
        output_tokens=len(times_s),
        token_source="token_ids",
        sent_s=sent_s,
        token_times_s=array("d", times_s),
        finished_s=times_s[-1] if times_s else sent_s,
        finish_reason="stop",
        reasoning_tokens=thinking,
    )


def window(*outcomes: Completion, stop_s: float = 10.0) -> Trial:
    return Trial(1, 0.0, stop_s, None, outcomes)


def test_one_request_after_another() -> None:
    """2 s to the first token, 6 s for the others, and 2 s of the window without a request."""
    shares = time_shares([window(done(1.0, (3.0, 5.0, 9.0)))])
    assert shares is not None
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.2, 0.2, 0.6))
    assert shares.thinking is shares.answer is None


def test_thinking_ends_with_its_last_token() -> None:
    """Two of the three tokens are thinking: 2 s of the 6 s of decode."""
    shares = time_shares([window(done(1.0, (3.0, 5.0, 9.0), thinking=2))])
    assert shares is not None
    assert (shares.thinking, shares.answer) == pytest.approx((0.2, 0.4))


def test_requests_side_by_side_share_their_time() -> None:
    """Two equal requests at once give the shares of one."""
    shares = time_shares([window(done(1.0, (3.0, 5.0, 9.0), 0), done(1.0, (3.0, 5.0, 9.0), 0, number=1))])
    assert shares is not None
    assert (shares.outside, shares.prefill, shares.decode) == pytest.approx((0.2, 0.2, 0.6))
    assert shares.thinking == 0.0


@pytest.mark.parametrize("outcomes", [(), (done(1.0, ()),)])
def test_without_a_token_there_are_no_shares(outcomes: tuple[Completion, ...]) -> None:
    """Nothing is divided by nothing."""
    assert time_shares([window(*outcomes)]) is None


def test_the_parts_add_up_to_the_whole() -> None:
    """Preprocess, prefill and decode are the energy of the pass; tokens of each kind cost their own share."""
    outcomes = (done(20.0, (22.0, 24.0, 28.0), thinking=2),)
    one = evolve(trial(1, reading()), outcomes=outcomes)
    found = result([one])
    found = evolve(found, summary=summarise([one], ()))
    phases = phases_by_time(found)
    assert phases is not None
    (energy,) = found.summary.components
    parts = phases.energy["gpu"]
    assert parts.preprocess_j + parts.prefill_j + parts.decode_j == pytest.approx(energy.energy_j)
    assert parts.per_thinking_token_j is not None
    assert parts.per_answer_token_j is not None
    assert 2 * parts.per_thinking_token_j + parts.per_answer_token_j == pytest.approx(parts.decode_j)
    assert parts.whole_per_answer_token_j == pytest.approx(energy.energy_j)
