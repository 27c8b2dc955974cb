"""Whether a report document is of AI Energy Score's whole method, which a label is only written for."""

from __future__ import annotations

from collections.abc import Iterator

from ai_energy_benchmarks.results.no_score import number, why_no_score
from ai_energy_benchmarks.results.quotable import Document, block

# AI Energy Score's documentation: the mean of ten runs over the 1,000 prompts of its data set, one at a time, each with
# ten output tokens; models that reason may write more.
RUNS, PROMPTS, TOKENS = 10, 1000, 10
DATASET = "AIEnergyScore/text_generation"


def deviations(document: Document) -> tuple[str, ...]:
    """What keeps a result from being one of the whole method; empty if nothing does."""
    return tuple(_deviations(document))


def _deviations(document: Document) -> Iterator[str]:
    config, summary, settings = (
        block(document, "config"),
        block(document, "summary"),
        block(document, "config", "settings"),
    )
    if (withheld := why_no_score(document)) is not None:
        yield withheld
    if block(document, "verdict").get("level") == "FAIL":
        yield "its verdict is FAIL"
    if config.get("dataset") != DATASET:
        yield f"its prompts are of {config.get('dataset')}, not of {DATASET}"
    for name, value, wanted in (
        ("runs", summary.get("trials"), RUNS),
        ("prompts", config.get("num_samples"), PROMPTS),
        ("requests that succeeded in a run", summary.get("successful_prompts"), PROMPTS),
        ("prompts in a batch", config.get("batch_size"), 1),
        ("requests in flight", block(settings, "load").get("concurrency"), 1),
    ):
        if number(value) != wanted:
            yield f"it has {value if value is not None else 'an unknown number of'} {name}, not {wanted:,}"
    generate = block(settings, "scenario", "generate_kwargs")
    if generate.get("do_sample") is not False:
        yield "decoding is not known to be greedy"
    limits = [number(generate.get(name)) for name in ("max_new_tokens", "min_new_tokens")]
    if block(document, "reasoning").get("asked") is not True and limits != [TOKENS, TOKENS]:
        yield f"its output is not exactly {TOKENS} tokens a prompt"
