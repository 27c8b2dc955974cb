"""What is known of the prompts before anything is measured: whether they fit the model, and what was left aside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from ai_energy_benchmarks.backends.base import Backend
from ai_energy_benchmarks.backends.model.context import too_long
from ai_energy_benchmarks.backends.rendering import ChatTokenizer, RenderingError, render
from ai_energy_benchmarks.config.model import ScenarioConfig
from ai_energy_benchmarks.datasets.base import Dataset, SkipsRows
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.runner.workload import Passes, some_requests


def check_fit(passes: Passes, backend: Backend) -> None:
    """See that answers leave room for prompts, and that the model's template takes some prompt.

    Raises:
        BackendError: no request could succeed; the message names the keys.
    """
    facts, first = backend.facts(), passes.measured[0]
    context_tokens = facts.context_tokens
    if context_tokens is not None:
        where = "that the server at backend.endpoint reports" if backend.needs_endpoint else "of backend.model"
        for problem in too_long(first.generation, context_tokens, where):
            raise BackendError(problem, remedy="lower max_new_tokens, or choose a model with a longer context")
    if backend.needs_endpoint or not hasattr(backend.tokenizer, "apply_chat_template"):
        return  # the server renders the prompts
    tokenizer = cast("ChatTokenizer", backend.tokenizer)
    limit_tokens = None if context_tokens is None else context_tokens - first.generation.max_new_tokens
    failure: RenderingError | None = None
    for request in some_requests(passes.measured):
        try:
            render(tokenizer, request, limit_tokens, first.truncation)
        except RenderingError as error:
            failure = failure or error
        else:
            return
    if failure is not None:
        raise BackendError(f"no prompt can be given to the model: {failure.message}", remedy=failure.remedy)


def batch_findings(scenario: ScenarioConfig, backend: Backend) -> Iterator[Finding]:
    """That no batch is as large as the config says, since a pass has fewer prompts; a server forms its own."""
    size, prompts = scenario.input_shapes.batch_size, scenario.num_samples
    if size > prompts and not backend.needs_endpoint:
        message = (
            f"scenario.input_shapes.batch_size is {size}, but batches held at most {prompts}, since "
            f"scenario.num_samples is {prompts}; fix: set scenario.num_samples to at least {size}, "
            f"or scenario.input_shapes.batch_size to {prompts}"
        )
        yield Finding("WARN", "batch size", message)


def skipped_rows(dataset: Dataset) -> Iterator[Finding]:
    """How many rows of a dataset had no prompt."""
    if isinstance(dataset, SkipsRows) and (count := dataset.skipped_rows):
        rows = "1 row" if count == 1 else f"{count} rows"
        yield Finding("INFO", "dataset", f"{rows} without a prompt skipped (scenario.dataset_options.skip_empty)")
