"""The rows of a batch: its requests as token ids, with those that could not be prepared set aside."""

from __future__ import annotations

import time

from attrs import field, frozen

from ai_energy_benchmarks.backends.model.context import too_long
from ai_energy_benchmarks.backends.rendering import ChatTokenizer, Rendered, RenderingError, render
from ai_energy_benchmarks.domain.completions import FailedCompletion
from ai_energy_benchmarks.domain.prompts import Batch, Request


@frozen
class Rows:
    """The prompts of a batch as token ids, with those that could not be prepared set aside."""

    rendered: tuple[tuple[Request, Rendered], ...]
    failures: dict[int, str] = field(factory=dict)


def make_rows(tokenizer: ChatTokenizer, batch: Batch, context_tokens: int | None) -> Rows:
    """Render every request; what does not fit the context or its template fails alone."""
    for problem in () if context_tokens is None else too_long(batch.generation, context_tokens, "of the model"):
        return Rows((), {request.number: problem for request in batch.requests})
    limit = None if context_tokens is None else context_tokens - batch.generation.max_new_tokens
    rendered, failures = [], {}
    for request in batch.requests:
        try:
            rendered.append((request, render(tokenizer, request, limit, batch.truncation)))
        except RenderingError as error:
            failures[request.number] = str(error)
    return Rows(tuple(rendered), failures)


def all_failed(rows: Rows, reason: str, sent_s: float, *, dead: bool = False) -> tuple[FailedCompletion, ...]:
    """The same failure for every row."""
    now_s = time.perf_counter()
    return tuple(FailedCompletion(request.number, reason, sent_s, now_s, dead) for request, _ in rows.rendered)
