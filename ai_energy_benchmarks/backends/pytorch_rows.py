"""The rows of a batch: from requests to token ids, and from generated ids to outcomes."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from attrs import field, frozen

from ai_energy_benchmarks.backends.context import too_long
from ai_energy_benchmarks.backends.rendering import ChatTokenizer, Rendered, RenderingError, render
from ai_energy_benchmarks.backends.step_clock import StepClock
from ai_energy_benchmarks.backends.token_rows import row_output
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion
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


def completions(
    rows: Rows,
    generated: Sequence[Sequence[int]],
    *,
    end_ids: Collection[int],
    budget_tokens: int,
    clock: StepClock,
    sent_s: float,
) -> tuple[Completion, ...]:
    """One completion per row; the device has finished.

    Args:
        generated: ids after the prompt, in the order of the rows.
    """
    finished_s, steps_s = time.perf_counter(), clock.times_s()
    found = []
    for (request, rendered), ids in zip(rows.rendered, generated, strict=True):
        output = row_output(ids, end_ids, budget_tokens)
        token_times_s, first_event_tokens = clock.token_events(len(output.token_ids), steps_s)
        found.append(
            Completion(
                number=request.number,
                prompt_tokens=len(rendered.token_ids),
                output_tokens=len(output.token_ids),
                token_source="token_ids",
                sent_s=sent_s,
                token_times_s=token_times_s,
                finished_s=finished_s,
                finish_reason=output.finish_reason,
                truncated_prompt_tokens=rendered.truncated_tokens,
                first_event_tokens=first_event_tokens,
                rendered_sha256=rendered.sha256,
                output_token_ids=output.token_ids,
            )
        )
    return tuple(found)


def all_failed(rows: Rows, reason: str, sent_s: float, *, dead: bool = False) -> tuple[FailedCompletion, ...]:
    """The same failure for every row."""
    now_s = time.perf_counter()
    return tuple(FailedCompletion(request.number, reason, sent_s, now_s, dead) for request, _ in rows.rendered)
