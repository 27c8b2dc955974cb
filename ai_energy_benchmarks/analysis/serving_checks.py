"""Checks that only a server's run needs: the client's own limits, and the server's counters against the client's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from ai_energy_benchmarks.analysis.filler_tokens import filler_tokens, unseen_tokens
from ai_energy_benchmarks.analysis.prompt_caches import cache_findings
from ai_energy_benchmarks.analysis.steady import in_flight_mean
from ai_energy_benchmarks.analysis.token_counts import count_findings, output_contradiction
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.summary import Summary
from ai_energy_benchmarks.domain.verdict import Finding, Level

_CPU_SHARE = (0.7, 0.95)  # of one core, on which the event loop runs
_LOOP_LAG_S = (0.010, 0.100)
_ACHIEVED = (0.9, 0.5)
_TOKEN_SHARE = 0.01
# A server streams or it does not: the first answers tell, and of a million not all need to be made again.
_LOOKED_AT = 1000
# An answer of two tokens may be one event: the second can be the end.
_ENDING_TOKENS = 2


def serving_findings(trials: Sequence[Trial], engine: EngineFacts | None = None) -> Iterator[Finding]:
    """The client's self-check, token counts, cache hits and preemptions; of engines in process only cache hits."""
    clients = [(trial, trial.client) for trial in trials if trial.client is not None]
    if not clients:
        yield from cache_findings(trials, engine)
        return
    # A part of a trial may be too short for its client to have settled.
    whole = [(trial, client) for trial, client in clients if trial.complete] or clients
    shares = [client.cpu_time_s / trial.duration_s for trial, client in whole]
    yield _worst("client CPU", shares, _CPU_SHARE, "the client used {:.0%} of a core")
    if lags_s := [client.loop_lag_s for _, client in whole if client.loop_lag_s is not None]:
        yield _worst("client event loop", lags_s, _LOOP_LAG_S, "the event loop woke up {:.4f} s late (99th percentile)")
    served = [trial for trial, _ in clients]
    yield from concurrency_findings(served)
    yield from _tokens(served)
    yield from count_findings(served)
    yield from _streams(served)
    yield from cache_findings(served, engine)
    yield from _preemptions(served)


def goodput_findings(summary: Summary) -> Iterator[Finding]:
    """How many requests kept the objectives; nothing if none was asked for."""
    found = summary.goodput
    if found is None:
        return
    asked = ", ".join(f"{name} ≤ {limit_s:g} s" for name, limit_s in found.slo.limits())
    if found.share is None:
        unknown = f"unknown for {found.unknown_requests:g} requests per pass: some of their token times are missing"
        why = unknown if found.unknown_requests else "unknown, as no request was sent in the time that counts"
        yield Finding("WARN", "goodput", f"{asked}: {why}")
    else:
        yield Finding(
            "INFO" if found.share < 1 else "PASS", "goodput", f"{found.share:.1%} of the requests kept {asked}"
        )


def token_doubt(trial: Trial) -> str | None:
    """Why the trial's token count cannot be trusted; None if it can, or nothing speaks against it.

    What answers report about themselves is set against their own events and limits (``analysis/token_counts.py``).
    The server's own counter may differ by one token a request, which an end token explains. Failed requests
    have generated tokens that no completion counts, so then there is nothing to compare.
    """
    if (contradiction := output_contradiction(trial)) is not None:
        return contradiction
    if (counted := _counted_tokens(trial)) is None:
        return None
    received = trial_figures(trial).counts.output_tokens + filler_tokens(trial)
    allowed = max(len(trial.outcomes) + len(trial.fillers), _TOKEN_SHARE * counted)
    if -allowed <= counted - received <= allowed + unseen_tokens(trial):
        return None
    return (
        f"trial {trial.number}: the server's own counter grew by {counted:,.0f} output tokens, its answers report "
        f"{received:,.0f}: something else uses the server, or a count is wrong"
    )


def _counted_tokens(trial: Trial) -> int | None:
    """Output tokens by the server's own counter; None without one, or where it also holds those of failed requests."""
    if trial.server is None or not len(trial.outcomes) or trial.outcomes.failed or trial.fillers.failed:
        return None
    return trial.server.output_tokens


def token_doubts(trials: Sequence[Trial]) -> tuple[Finding, ...]:
    """A finding for each trial whose tokens are in doubt; one is enough to withhold J per token."""
    doubts = (doubt for each in trials if (doubt := token_doubt(each)) is not None)
    return tuple(Finding("FAIL", "token counts", f"{doubt}; J per token is withheld") for doubt in doubts)


def _worst(check: str, values: Sequence[float], limits: tuple[float, float], words: str) -> Finding:
    worst = max(values)
    level: Level = "FAIL" if worst > limits[1] else "WARN" if worst > limits[0] else "PASS"
    return Finding(level, check, f"{words.format(worst)} in its worst trial")


def concurrency_findings(trials: Sequence[Trial], parts: Mapping[int, Trial] | None = None) -> Iterator[Finding]:
    """Requests in flight over the whole window of a trial, its ramp and its drain too.

    Args:
        trials: all of a server.
        parts: number of a trial → the part of it that counts, in place of the whole.
    """
    wanted = next((trial.client.concurrency for trial in trials if trial.client is not None), None)
    if wanted is None:
        return
    mean = min(in_flight_mean(each, parts[each.number] if parts else None) for each in trials)
    level: Level = "FAIL" if mean < _ACHIEVED[1] * wanted else "WARN" if mean < _ACHIEVED[0] * wanted else "PASS"
    where = "the part of each trial that counts" if parts else "the whole pass"
    yield Finding(level, "concurrency", f"{mean:.2f} of {wanted} requests in flight, on average over {where}")


def _streams(trials: Sequence[Trial]) -> Iterator[Finding]:
    """A server that does not stream sends every answer at once: its first token then comes with the last."""
    answers = (each for trial in trials for each in trial.completions if each.output_tokens > _ENDING_TOKENS)
    in_one_piece = [len(each.token_times_s) == 1 for each in islice(answers, _LOOKED_AT)]
    if in_one_piece and all(in_one_piece):
        message = "every answer came in one piece: times to the first token are those of the whole answer"
        yield Finding("WARN", "streaming", message)


def _tokens(trials: Sequence[Trial]) -> Iterator[Finding]:
    doubts = token_doubts(trials)
    yield from doubts
    compared = sum(_counted_tokens(trial) is not None for trial in trials)
    if compared and not doubts:
        part = "" if compared == len(trials) else f" in {compared} of {len(trials)} trials"
        message = f"the server's own counter agrees with the tokens of its answers{part}"
        yield Finding("PASS", "token counts", message)


def _preemptions(trials: Sequence[Trial]) -> Iterator[Finding]:
    known = [trial.server.preemptions for trial in trials if trial.server and trial.server.preemptions is not None]
    count = sum(known)
    if count or len(known) == len(trials):
        yield Finding("WARN" if count else "PASS", "preemptions", f"{count:.0f} requests were preempted and recomputed")
