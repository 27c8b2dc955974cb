"""From generated token ids to completions, with the times of the generation's own steps."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from ai_energy_benchmarks.backends.pytorch.step_clock import StepClock
from ai_energy_benchmarks.backends.rows import Rows
from ai_energy_benchmarks.backends.token_rows import row_output
from ai_energy_benchmarks.domain.completions import Completion


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
