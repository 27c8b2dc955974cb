"""Goodput: the requests per second that keep every service-level objective."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.serving import Goodput, Slo


def goodput(
    passes: Sequence[tuple[Iterable[Outcome], float]], slo: Slo | None, requests_per_s: float | None = None
) -> Goodput | None:
    """Judge every request; means over the passes.

    Args:
        passes: of each the outcomes and its duration in seconds.
        slo: None if nothing was asked, and then there is no goodput.
        requests_per_s: how many requests were served a second; None takes those of the passes over their durations.
    """
    if slo is None or not passes:
        return None
    good, unknown, requests = [], [], []
    for outcomes, _ in passes:
        judged = [keeps(each, slo) for each in outcomes]
        requests.append(len(judged))
        good.append(judged.count(True))
        unknown.append(judged.count(None))
    duration_s = fmean(each for _, each in passes)
    known = not any(unknown) and duration_s > 0 and sum(requests) > 0
    share = sum(good) / sum(requests) if known else None
    rate_per_s = fmean(requests) / duration_s if requests_per_s is None and duration_s > 0 else requests_per_s
    return Goodput(
        slo=slo,
        good_requests=fmean(good),
        unknown_requests=fmean(unknown),
        requests_per_s=None if share is None or rate_per_s is None else share * rate_per_s,
        share=share,
    )


def keeps(outcome: Outcome, slo: Slo) -> bool | None:
    """Whether a request kept all objectives; None if that is not known.

    A failed request kept none. Of an answer that showed no text only its end is known. An answer of one token has no
    later ones that could have been slow. Where events carried several tokens the time per token is not known.
    """
    if not isinstance(outcome, Completion):
        return False
    if (slo.e2e_s is not None and outcome.e2e_s > slo.e2e_s) or _longer(outcome.ttft_s, slo.ttft_s):
        return False
    if outcome.ttft_s is None and _longer(outcome.e2e_s, slo.ttft_s):  # else the first token was in time too
        return None
    if slo.tpot_s is None or outcome.output_tokens <= 1:
        return True
    return None if outcome.tpot_s is None else outcome.tpot_s <= slo.tpot_s


def _longer(seconds: float | None, limit_s: float | None) -> bool:
    return seconds is not None and limit_s is not None and seconds > limit_s
