"""Times of requests, whole and in a part of a run."""

from __future__ import annotations

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.results.cutting import cut_trial
from ai_energy_benchmarks.results.parts import of_a_part
from tests.factories import completion, trial


@pytest.mark.parametrize(("finish_reason", "tpot_s"), [("stop", 0.05), ("length", 0.0375)])
def test_an_end_token_that_nobody_saw_is_in_neither_time_nor_count(finish_reason: str, tpot_s: float) -> None:
    """Four events 0.05 s apart and five tokens: the last is the end token, if an end token ended the answer."""
    done = evolve(completion(output_tokens=4), output_tokens=5, finish_reason=finish_reason)
    assert done.tpot_s == pytest.approx(tpot_s)


def test_the_gaps_of_a_part_are_those_within_it() -> None:
    """Requests that had begun before it bring their later gaps, and none after its end."""
    whole = evolve(trial(1), outcomes=(completion(output_tokens=9, sent_s=20.0),), measurement=None)
    (done,) = whole.completions
    cut = cut_trial(whole, done.token_times_s[2] - whole.start_s, done.token_times_s[5] - whole.start_s, {})
    summary, _ = of_a_part(summarise([cut], ()), (whole,), (cut,), None)
    assert summary.itl_s is not None
    assert summary.itl_s.n == 3
    assert summary.ttft_s is None
