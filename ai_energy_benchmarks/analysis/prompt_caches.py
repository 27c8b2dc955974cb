"""What servers found of the prompts in their caches: hits, what explains them, and signs of unreported ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median

from attrs import frozen

from ai_energy_benchmarks.analysis.pace import is_cancelled
from ai_energy_benchmarks.analysis.trial_figures import trial_figures
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.outcomes import TokenCounts
from ai_energy_benchmarks.domain.result import Trial
from ai_energy_benchmarks.domain.verdict import Finding

_CHECK = "prefix cache"
# Of the prompt tokens; hits that nothing explains make more than this another workload than was asked for.
_CACHED_SHARE = 0.01
# Later trials with a time to first token of at most this share of the first one's, by the median request.
_FASTER = 0.8
# And a sign test over requests that chance passes so seldom.
_CHANCE = 0.01
_COMPARED = 1000
# Options of engines that switch their cache on.
_SWITCHES = ("enable_prefix_caching", "enable_block_reuse")
_SALTED = {"key": "a salt", "text": "a first line"}
_FIX = (
    "fix: set load.salt: text, switch the server's cache off, or set load.salt: none if the cache is what you measure"
)


@frozen
class CacheUse:
    """Prompt tokens that came from a cache, over all trials that count.

    Attributes:
        share: of all prompt tokens.
        unexplained_share: those beyond what all prompts begin with, of all prompt tokens.
        common_tokens: with how many tokens every prompt begins, as far as that is known; 0 if it is not.
    """

    share: float
    unexplained_share: float
    common_tokens: float


@frozen
class _Policy:
    """What was done about caches.

    Attributes:
        salt: ``key``, ``text`` or ``none``, as it was used.
        requested: the setting that asks for a cache; empty if none does.
    """

    salt: str = "none"
    requested: str = ""
    common_prefix_tokens: int | None = None


def cache_findings(trials: Sequence[Trial], engine: EngineFacts | None) -> Iterator[Finding]:
    """Whether prompts came from a cache: as far as it is reported, else by what speaks for it.

    Args:
        trials: those of a server, or of an engine in process.
        engine: its settings say which salt was used, and whether a cache was asked for.
    """
    policy, served = _policy(engine), any(trial.client is not None for trial in trials)
    use = cache_use(trials, engine)
    if use is not None:
        if served and not use.share and not policy.requested and (drop := first_token_drop(trials)) is not None:
            yield _sooner("the server reports that it found nothing in a cache, yet", drop)
        elif served or use.share > _CACHED_SHARE:
            yield _reported(use, policy)
        return
    if served:
        yield _unreported(trials, policy)


def cache_was_hit(trials: Sequence[Trial]) -> bool:
    """Whether any trial reports prompt tokens from a cache."""
    return any(
        bool(trial.server and trial.server.prefix_cache_hit_tokens) or trial_figures(trial).facts.cached_tokens > 0
        for trial in trials
    )


def cache_use(trials: Sequence[Trial], engine: EngineFacts | None) -> CacheUse | None:
    """What the answers say of each request, else what the server's counter grew by; None where neither is known.

    vLLM leaves the field out of an answer where nothing was found, so it is known once any answer has it. Answers
    without any hit are not believed where the counter says otherwise.
    """
    policy = _policy(engine)
    answers = _by_answers(trials, policy)
    if answers is not None and answers.share:
        return answers
    return _by_counter(trials, policy) or answers


def _by_answers(trials: Sequence[Trial], policy: _Policy) -> CacheUse | None:
    facts = [trial_figures(trial).facts for trial in trials]
    known = any(fact.told_cached for fact in facts)
    cached_tokens = sum(fact.cached_tokens for fact in facts)
    prompt_tokens = sum(trial_figures(trial).counts.prompt_tokens for trial in trials)
    smallest = min((fact.smallest_cached_tokens for fact in facts if fact.smallest_cached_tokens), default=0)
    for done in _finished_fillers(trials):
        prompt_tokens += done.prompt_tokens
        if done.cached_prompt_tokens is not None:
            known = True
            if done.cached_prompt_tokens:
                cached_tokens += done.cached_prompt_tokens
                smallest = min(smallest or done.cached_prompt_tokens, done.cached_prompt_tokens)
    if not known:
        return None
    common = float(_common_tokens(trials, policy, smallest))
    beyond = sum(
        max(0.0, (done.cached_prompt_tokens or 0) - common) for done in (_answers(trials) if cached_tokens else ())
    )
    return CacheUse(_share(cached_tokens, prompt_tokens), _share(beyond, prompt_tokens), common)


def _answers(trials: Sequence[Trial]) -> Iterator[Completion | TokenCounts]:
    """All of them, one after the other: of a very long pass there is no room for all at once.

    Finished fillers too: they repeat the prompts of their pass, and their energy and tokens are in the steady state.
    """
    for trial in trials:
        yield from trial.outcomes.token_counts()
        yield from _finished_fillers((trial,))


def _finished_fillers(trials: Sequence[Trial]) -> Iterator[Completion]:
    for trial in trials:
        yield from (filler for filler in trial.fillers if isinstance(filler, Completion) and not is_cancelled(filler))


def cached_per_pass(trials: Sequence[Trial], by_answers: Sequence[float | None]) -> float | None:
    """Prompt tokens of one pass that came from a cache: the mean over trials; None where that is not known.

    Args:
        by_answers: of each trial what its answers say; where none says anything the server's counter does.
    """
    if any(answer is not None for answer in by_answers):
        return fmean(answer or 0.0 for answer in by_answers)
    if not _counted(trials):
        return None
    return fmean(_share(*_growth(trial)) * trial_figures(trial).counts.prompt_tokens for trial in trials)


def _counted(trials: Sequence[Trial]) -> bool:
    return any(trial.server and trial.server.prefix_cache_hit_tokens is not None for trial in trials)


def _growth(trial: Trial) -> tuple[float, float]:
    """Hits of the server's counter and what it looked up, both with filler requests and those of others."""
    server = trial.server
    if server is None:
        return 0.0, 0.0
    known = (server.prefix_cache_queries_tokens, server.prompt_tokens, trial_figures(trial).counts.prompt_tokens)
    # A counter that is not on the page yet has not grown.
    return server.prefix_cache_hit_tokens or 0, next(tokens for tokens in known if tokens is not None)


def counted_share(trials: Sequence[Trial]) -> float | None:
    """Part of what a server looked up that its counter says it found, over all trials; None without such a counter."""
    if not _counted(trials):
        return None
    growth = [_growth(trial) for trial in trials]
    return _share(sum(hits for hits, _ in growth), sum(looked_up for _, looked_up in growth))


def _by_counter(trials: Sequence[Trial], policy: _Policy) -> CacheUse | None:
    if (share := counted_share(trials)) is None:
        return None
    requests = sum(trial_figures(trial).facts.answers for trial in trials)
    # Of every request, fillers included, the common beginning is this part of its prompt.
    common = float(policy.common_prefix_tokens or 0)
    explained = _share(common * requests, sum(trial_figures(trial).counts.prompt_tokens for trial in trials))
    return CacheUse(share, max(0.0, share - explained), common)


def _common_tokens(trials: Sequence[Trial], policy: _Policy, smallest_hit: int) -> int:
    """With how many tokens all prompts begin: as rendered, else by the smallest hit, if every trial was salted.

    With a salt nothing is found of earlier trials, so the smallest hit is what all prompts of one share, as long as
    none of them is sent twice in it.
    """
    if policy.common_prefix_tokens is not None:
        return policy.common_prefix_tokens
    return smallest_hit if policy.salt != "none" and not _repeat(trials) else 0


def _repeat(trials: Sequence[Trial]) -> bool:
    """Whether a trial sent a prompt twice."""
    return any(trial_figures(trial).facts.repeated_prompts for trial in trials)


def _reported(use: CacheUse, policy: _Policy) -> Finding:
    message = f"{use.share:.1%} of the prompt tokens came from a prefix cache"
    if policy.requested and use.share > _CACHED_SHARE:
        return Finding("INFO", _CHECK, f"{message}, as {policy.requested} asks")
    if use.unexplained_share > _CACHED_SHARE:
        beyond = ""
        if use.common_tokens:
            beyond = f", {use.unexplained_share:.1%} beyond the {use.common_tokens:.0f} tokens that all begin with"
        return Finding("FAIL", _CHECK, f"{message}{beyond}; {_FIX}")
    if use.share > _CACHED_SHARE:
        return Finding("INFO", _CHECK, f"{message}: the {use.common_tokens:.0f} tokens with which all prompts begin")
    return Finding("PASS", _CHECK, message)


def _unreported(trials: Sequence[Trial], policy: _Policy) -> Finding:
    silent = "the server does not report what it found in a cache"
    if policy.requested:
        return Finding("INFO", _CHECK, f"{silent}, which {policy.requested} asks for")
    if (drop := first_token_drop(trials)) is not None:
        return _sooner(f"{silent}, and", drop)
    if (repeats := _repeats(trials, policy)) is not None:
        return Finding("WARN", _CHECK, f"{silent}, and {repeats}; {_FIX}")
    if policy.salt != "none":
        how = _SALTED.get(policy.salt, _SALTED["key"])
        return Finding("INFO", _CHECK, f"{silent}; every trial's prompts had {how} of its own")
    return Finding("INFO", _CHECK, f"{silent}; the prompts of the only trial had not been sent before in this run")


def _sooner(but: str, drop: float) -> Finding:
    message = f"{but} later trials had their first tokens after {drop:.0%} of the first trial's time: their prompts"
    return Finding("WARN", _CHECK, f"{message} probably came from a cache, or the warm-up was too short; {_FIX}")


def _repeats(trials: Sequence[Trial], policy: _Policy) -> str | None:
    """Which prompts a cache may hold already; None if there are none."""
    if policy.salt == "none" and len(trials) > 1:
        return "every trial sends the same prompts"
    if policy.salt == "none" and any(trial.fillers for trial in trials):
        return "filler requests repeat the prompts of their pass"
    if policy.salt != "text" and _repeat(trials):
        return "prompts of a trial were sent before in it"
    return None


def first_token_drop(trials: Sequence[Trial]) -> float | None:
    """Median over requests of TTFT in later trials over that in the first; None unless it clearly fell.

    The same request is compared with itself; the sign test needs at least seven of them. A server that makes all tokens
    faster later has prepared itself: a cache spares the prompt alone.
    """
    first_tokens = _later_over_first(trials, lambda done: done.ttft_s)
    ratios = list(first_tokens.values())
    if not ratios or median(ratios) > _FASTER:
        return None
    rest = _later_over_first(trials, lambda done: done.e2e_s - done.ttft_s if done.ttft_s is not None else None)
    against_rest = [ratio / rest[number] for number, ratio in first_tokens.items() if rest.get(number, 0.0) > 0.0]
    if against_rest and median(against_rest) > _FASTER:
        return None
    faster = sum(ratio < 1 for ratio in ratios)
    chance = sum(math.comb(len(ratios), count) for count in range(faster, len(ratios) + 1)) / 2 ** len(ratios)
    return median(ratios) if chance <= _CHANCE else None


def _later_over_first(trials: Sequence[Trial], time_s: Callable[[Completion], float | None]) -> Mapping[int, float]:
    """A time of each request in later trials, their median, over that in the first, by the request's number."""
    first_s: dict[int, float] = {}
    later_s: dict[int, list[float]] = {}
    for position, trial in enumerate(trials):
        # They stand in the order of their numbers, so of very many only the first are made.
        for done in trial.outcomes[:_COMPARED]:
            found_s = time_s(done) if isinstance(done, Completion) and done.number < _COMPARED else None
            if found_s is not None:
                if position == 0:
                    first_s[done.number] = found_s
                else:
                    later_s.setdefault(done.number, []).append(found_s)
    return {
        number: median(later) / first_s[number] for number, later in later_s.items() if first_s.get(number, 0.0) > 0.0
    }


def _policy(engine: EngineFacts | None) -> _Policy:
    """From the engine's settings; results from before ``load.salt`` salted vLLM alone."""
    if engine is None:
        return _Policy()
    settings = engine.settings
    switches = (f"backend.options.{name}: true" for name in _SWITCHES if settings.get(name) is True)
    common = settings.get("common_prefix_tokens")
    return _Policy(
        salt=str(settings.get("salt") or ("key" if engine.backend == "vllm" else "none")),
        requested=str(settings.get("cache_requested") or next(switches, "")),
        common_prefix_tokens=common if isinstance(common, int) else None,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
