"""Servers whose counts contradict what the client saw: figures are withheld with the reason, or stand with a FAIL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis.derived import derive
from ai_energy_benchmarks.analysis.serving_checks import serving_findings, token_doubt
from ai_energy_benchmarks.analysis.summary import summarise
from ai_energy_benchmarks.analysis.token_counts import output_contradiction, prompt_contradiction
from ai_energy_benchmarks.config.loading import load_config
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.result import BenchmarkResult, Trial
from ai_energy_benchmarks.domain.serving import ClientLoad
from ai_energy_benchmarks.reporters.json import JsonReporter
from ai_energy_benchmarks.reporters.parquet import ParquetReporter
from ai_energy_benchmarks.results.reanalysis.recompute import Changes, differences, reanalyse
from ai_energy_benchmarks.runner import BenchmarkRunner
from tests import factories
from tests.servers import Exchange, delta, running, usage

Usage = Callable[[Exchange], dict[str, Any]]


def run(
    directory: Path, events: int, counts: Usage, *, budget: int = 40, tokenizes: int | None = None
) -> BenchmarkResult:
    """Two trials of four requests to a server that sends so many text events and this usage.

    Args:
        tokenizes: tokens of any text by the server's own tokenizer; None if it has none.
    """

    async def answer(exchange: Exchange) -> None:
        if not exchange.path.endswith("completions"):
            found = tokenizes is not None and exchange.path == "/tokenize" and "prompt" in exchange.body
            await exchange.document({"count": tokenizes} if found else {}, 200 if found else 404)
            return
        await exchange.begin_stream()
        for _ in range(events):
            await exchange.event(delta(content=" w"))
            await asyncio.sleep(0.001)
        await exchange.event(delta(content="", finish_reason="length"))
        await exchange.event(counts(exchange))
        await exchange.end_stream()

    file = directory / "wanted.yaml"
    file.write_text("{}\n")
    with running(answer) as server:
        chosen = {
            "backend.type": "openai",
            "backend.model": "scripted",
            "backend.endpoint": server.endpoint,
            "scenario.num_samples": 4,
            "scenario.generate_kwargs.max_new_tokens": budget,
            "protocol.bare_idle_s": 0,
            "protocol.resident_idle_s": 0,
            "protocol.warmup.requests": 1,
            "protocol.trials": 2,
            "metrics.enabled": False,
            "output_dir": str(directory),
        }
        reporters = [JsonReporter(directory / "result.json"), ParquetReporter(directory / "requests.parquet")]
        runner = BenchmarkRunner(load_config(file, chosen), reporters=reporters)
        runner.run()
    assert runner.result is not None
    assert differences(reanalyse(directory), directory) == ()
    return runner.result


def findings(result: BenchmarkResult) -> dict[str, tuple[str, str]]:
    return {each.check: (each.level, each.message) for each in result.verdict.findings}


@pytest.mark.parametrize("counted", [1, 0])
def test_fewer_tokens_than_events_with_a_text_are_not_believed(counted: int, tmp_path: Path) -> None:
    """A router that always says 1 (smg-project/smg#282): 40 events are no single token, whatever the tokenizer."""
    result = run(tmp_path, 40, lambda _: usage(20, counted))
    level, message = findings(result)["token counts"]
    assert level == "FAIL"
    assert f"4 of 4 answers report output tokens that cannot be true, such as {counted} for 40 token events" in message
    assert result.summary.tokens_in_doubt is not None
    assert json.loads((tmp_path / "result.json").read_text())["tokens"]["in_doubt"] == result.summary.tokens_in_doubt


def test_honest_counts_are_believed(tmp_path: Path) -> None:
    """As many tokens as events, within the limit, and the same prompts in every trial."""
    result = run(tmp_path, 40, lambda _: usage(20, 40))
    assert result.summary.tokens_in_doubt is result.summary.prompt_tokens_in_doubt is None
    assert not {"prompt tokens", "output limit", "token events"} & findings(result).keys()
    level, message = findings(result)["token counts"]
    assert (level, "no counter of output tokens" in message) == ("INFO", True)


def test_events_that_are_finer_than_tokens_are_a_finding_only(tmp_path: Path) -> None:
    """The server's tokenizer says of a warm-up answer what its usage says: 20 tokens in 40 events."""
    result = run(tmp_path, 40, lambda _: usage(20, 20), tokenizes=20)
    assert result.summary.tokens_in_doubt is None
    assert findings(result)["token events"][0] == "INFO"
    assert result.summary.itl_s is None
    assert result.summary.tokens_per_event == 0.5


def test_events_without_a_tokenizer_to_ask_stay_a_contradiction(tmp_path: Path) -> None:
    """Neither does one that says something else."""
    for tokenizes in (None, 40):
        result = run(tmp_path, 40, lambda _: usage(20, 20), tokenizes=tokenizes)
        assert result.summary.tokens_in_doubt is not None


def test_more_tokens_than_the_limit_are_not_believed_without_events(tmp_path: Path) -> None:
    """Usage of 1,000,000 for a limit of 8."""
    result = run(tmp_path, 8, lambda _: usage(20, 1_000_000), budget=8)
    level, message = findings(result)["token counts"]
    assert level == "FAIL"
    assert "such as 1,000,000 for a limit of 8 and 8 token events" in message


def test_a_server_that_ignores_the_limit_is_counted_and_fails(tmp_path: Path) -> None:
    """Events and usage agree on 40 tokens where 8 were asked for."""
    result = run(tmp_path, 40, lambda _: usage(20, 40), budget=8)
    assert result.summary.tokens_in_doubt is None
    assert result.summary.output_tokens == 160
    assert findings(result)["output limit"] == (
        "FAIL",
        "8 of 8 answers are longer than their limit: 40 tokens for 8; the server ignores it; "
        "fix: use a server that keeps to max_tokens",
    )


def test_a_prompt_with_other_tokens_in_another_trial_withholds_what_is_per_prompt_token(tmp_path: Path) -> None:
    """Ollama leaves out what it still holds of a prompt (ollama/ollama#5370): 20 tokens, then 0."""
    seen: set[str] = set()

    def counts(exchange: Exchange) -> dict[str, Any]:
        prompt = json.dumps(exchange.body["messages"])
        again = prompt in seen
        seen.add(prompt)
        return usage(0 if again else 20, 40)

    result = run(tmp_path, 40, counts)
    level, message = findings(result)["prompt tokens"]
    assert (level, message) == (
        "FAIL",
        "trial 2: 4 of 4 answers report 0 prompt tokens, which no prompt has; J per prompt token is withheld; "
        "fix: use a server that counts the prompt tokens that it was sent",
    )
    assert result.summary.tokens_in_doubt is None
    part = reanalyse(tmp_path, Changes(to_s=0.02))
    assert part.summary.prompt_tokens_in_doubt == result.summary.prompt_tokens_in_doubt
    assert "prompt tokens" in findings(part)


def answer(number: int = 0, **fields: object) -> Completion:
    """Forty tokens in forty events within a limit of 40, for a prompt of 100 tokens."""
    done = factories.completion(number, prompt_tokens=100, output_tokens=40, token_source="usage")
    return evolve(done, **{"budget_tokens": 40, **fields})  # type: ignore[arg-type] # fields under test


def served(number: int, *answers: Completion) -> Trial:
    whole = factories.trial(number, factories.reading(), outcomes=answers)
    return evolve(whole, client=ClientLoad(1, 0.1, 0.0))


def levels(*trials: Trial) -> dict[str, str]:
    return {each.check: each.level for each in serving_findings(trials)}


@pytest.mark.parametrize(("reported", "believed"), [(39, True), (38, False), (40, True), (41, True), (42, False)])
def test_one_token_more_or_less_is_no_contradiction(reported: int, believed: bool) -> None:
    """An event may be finer by one, and an end token may come on top of the limit; 42 are beyond limit and events."""
    doubt = output_contradiction(served(1, answer(output_tokens=reported)))
    assert (doubt is None) is believed


def test_a_contradiction_in_one_answer_of_hundreds_does_not_withhold() -> None:
    """Less than 1 % of the tokens cannot move the figure by more."""
    assert output_contradiction(served(1, answer(output_tokens=1), *[answer(n) for n in range(1, 200)])) is None
    assert output_contradiction(served(1, answer(output_tokens=1), *[answer(n) for n in range(1, 50)])) is not None


def test_counts_of_our_own_are_not_judged_by_events() -> None:
    """Ids in process may be several a step, and texts that were tokenised again are warned of already."""
    assert output_contradiction(served(1, answer(output_tokens=1, token_source="retokenised"))) is None
    assert output_contradiction(served(1, answer(output_tokens=1, token_source="token_ids"))) is None


def test_the_same_prompts_have_the_same_tokens() -> None:
    """Within one token a request and 1 %; more is a server that leaves out what it found."""
    first = served(1, *(answer(n) for n in range(4)))
    for tokens, level in ((100, None), (99, None), (98, "FAIL"), (60, "FAIL")):
        second = served(2, *(answer(n, prompt_tokens=tokens) for n in range(4)))
        assert levels(first, second).get("prompt tokens") == level
    doubt = prompt_contradiction([first, served(2, *(answer(n, prompt_tokens=60) for n in range(4)))])
    assert doubt is not None
    assert doubt.startswith("the same prompts have 400 tokens in trial 1 and 240 in trial 2")


def test_trials_with_failed_requests_are_not_compared() -> None:
    """Their prompts are not all counted."""
    failed = evolve(served(2, answer(0)), outcomes=(answer(0), factories.failure(1)))
    assert prompt_contradiction([served(1, answer(0), answer(1)), failed]) is None


def test_a_doubtful_prompt_count_withholds_only_what_it_is_in() -> None:
    """J per prompt token and per token of any kind are withheld, J per output token is not."""
    trials = [served(1, answer()), served(2, answer(prompt_tokens=0))]
    summary = summarise(trials, [])
    figures = derive(summary, summary.components[0])
    assert (figures.per_prompt_token_j, figures.per_total_token_j) == (None, None)
    assert figures.per_output_token_j is not None
    assert summary.prompt_tokens_in_doubt is not None


def test_a_part_is_not_larger_than_its_whole() -> None:
    """More cached than prompt tokens is a contradiction; more thinking than output is used for nothing."""
    cached = served(1, answer(cached_prompt_tokens=150))
    assert "more cached tokens than prompt tokens" in (prompt_contradiction([cached]) or "")
    assert levels(cached)["prompt tokens"] == "FAIL"
    thinking = served(1, answer(reasoning_tokens=50))
    assert levels(thinking)["thinking tokens"] == "WARN"
    assert summarise([thinking], []).reasoning_tokens is None
    assert summarise([served(1, answer(reasoning_tokens=40))], []).reasoning_tokens == 40


def test_a_contradiction_is_the_doubt_of_the_trial() -> None:
    """So everything that doubtful tokens withhold is withheld: one rule for all reports."""
    trial = served(3, answer(output_tokens=1))
    assert token_doubt(trial) == output_contradiction(trial)
    (gpu,) = summarise([trial], []).components
    assert gpu.per_output_token_j is None
