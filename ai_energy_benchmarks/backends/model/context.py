"""How long prompt and answer may be together, as a model's config.json states it, and what does not fit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.model.files import name_problems
from ai_energy_benchmarks.backends.model.hub import cached_snapshot
from ai_energy_benchmarks.domain.prompts import Generation
from ai_energy_benchmarks.text.json_text import read_json

# transformers calls both max_position_embeddings once the config is loaded (``attribute_map`` of its GPT-2).
_KEYS = ("max_position_embeddings", "n_positions")
# An engine's option that replaces it.
_LIMITS = ("max_model_len", "max_seq_len")
_KEY = "scenario.generate_kwargs.max_new_tokens"


def too_long(generation: Generation, context_tokens: int, whose: str) -> Iterator[str]:
    """What is wrong with the longest answer, if it leaves no token for the prompt.

    Args:
        whose: where the context length comes from, to go on with "the context of 256 tokens".
    """
    wanted = generation.max_new_tokens
    if wanted >= context_tokens:
        yield (
            f"{_KEY}: {wanted} output tokens leave no place for a prompt in the context of {context_tokens} tokens "
            f"{whose}; fix: set it below {context_tokens}, by as much as the prompts take"
        )


def context_problems(settings: BackendSettings, generation: Generation) -> tuple[str, ...]:
    """``too_long`` before anything is loaded or downloaded; nothing where the context is not known by then.

    An engine's own limit comes before what config.json of the model states.
    """
    for name in _LIMITS:
        limit = getattr(settings.options, name, None)
        if isinstance(limit, int):
            return tuple(too_long(generation, limit, f"that backend.options.{name} sets"))
    config = config_at_hand(settings.model, getattr(settings.options, "revision", None))
    context_tokens = None if config is None else stated_context(config)
    if context_tokens is None:
        return ()
    return tuple(too_long(generation, context_tokens, f"that config.json of backend.model {settings.model!r} states"))


def config_at_hand(model: str, revision: str | None = None) -> Mapping[str, object] | None:
    """The config.json of a directory, or of a hub model in the cache; None where there is none, or it is no JSON."""
    directory = directory_at_hand(model, revision)
    return None if directory is None else read_config(directory)


def directory_at_hand(model: str, revision: str | None = None) -> Path | None:
    """Where a model's files are, without any download; None where they are not on this machine."""
    if name_problems(model):
        return None
    path = Path(os.path.expanduser(model))
    return path if path.exists() else cached_snapshot(model, revision)


def read_config(directory: Path) -> Mapping[str, object] | None:
    """The config.json of a directory; None where it is missing or no JSON object."""
    try:
        config = read_json(directory / "config.json")
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def stated_context(config: Mapping[str, object]) -> int | None:
    """The most tokens of prompt and answer; that of the text part where a model has several parts.

    None where positions are scaled, by which some engines lengthen the context and others do not.
    """
    for block in (config.get("text_config"), config):
        if isinstance(block, dict):
            scaling = block.get("rope_scaling")
            if isinstance(scaling, dict) and scaling.get("rope_type", scaling.get("type")) not in (None, "default"):
                return None
            lengths = [block[key] for key in _KEYS if isinstance(block.get(key), int) and block[key] > 0]
            if lengths:
                return int(lengths[0])
    return None
