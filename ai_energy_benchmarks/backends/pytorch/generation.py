"""What transformers' generate is called with: the configuration and the padded tensors."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ai_energy_benchmarks.backends.base import Demand
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.domain.engine import FactValue
from ai_energy_benchmarks.domain.prompts import Generation

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
# What transformers falls back on while it generates; set openly, so that what is recorded is what is used.
_DEFAULTS: dict[str, float] = {"temperature": 1.0, "top_k": 50, "top_p": 1.0}
_RECORDED = ("do_sample", "num_beams", "max_new_tokens", "min_new_tokens", "temperature", "top_k", "top_p", "min_p")
# Settings that a checkpoint's generation_config.json may bring along and that make a token cost another amount, with
# the values that change nothing. Names and defaults are those of transformers' GenerationConfig.
_COSTLY: Mapping[str, tuple[object, ...]] = {
    "use_cache": (None, True),
    "guidance_scale": (None, 1, 1.0),
    "penalty_alpha": (None, 0, 0.0),
    "dola_layers": (None,),
    "prompt_lookup_num_tokens": (None,),
    "assistant_early_exit": (None,),
    "prefill_chunk_size": (None,),
    "cache_implementation": (None, "dynamic"),
    "cache_config": (None,),
    "token_healing": (None, False),
    "watermarking_config": (None,),
    "no_repeat_ngram_size": (None, 0),
    "sequence_bias": (None,),
    "max_time": (None,),
    "output_scores": (None, False),
    "output_logits": (None, False),
    "output_attentions": (None, False),
    "output_hidden_states": (None, False),
}


def generation_problems(demand: Demand) -> tuple[str, ...]:
    """Settings that this engine cannot honour exactly."""
    found = []
    if demand.generation.stop_strings and demand.batch_size > 1:
        found.append(
            "scenario.generate_kwargs.stop_strings: rows of a batch that end at a string are padded, and their "
            "tokens cannot be distinguished from padding; fix: set scenario.input_shapes.batch_size: 1"
        )
    if demand.concurrency > 1:
        found.append(
            f"load.concurrency: {demand.concurrency} batches at once need a server; in this process one batch runs "
            "at a time; fix: set scenario.input_shapes.batch_size instead"
        )
    return tuple(found)


def generation_config(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, generation: Generation, options: PyTorchOptions
) -> GenerationConfig:
    """The model's own generation config with ours on top; greedy with one beam unless sampling is asked for."""
    config = copy.deepcopy(model.generation_config)
    config.do_sample = generation.do_sample
    config.num_beams = config.num_return_sequences = 1
    config.return_dict_in_generate = False
    # A length limit of the model's own would compete with the budget that the user gave.
    config.max_length = None
    config.min_length = type(config)().min_length  # transformers 4 computes with it, so it must be its default of 0
    config.max_new_tokens = generation.max_new_tokens
    config.min_new_tokens = generation.min_new_tokens
    config.stop_strings = list(generation.stop_strings) or None
    if generation.repetition_penalty is not None:
        config.repetition_penalty = generation.repetition_penalty
    for name in _SAMPLING:
        asked = getattr(generation, name, None)
        if not generation.do_sample:
            setattr(config, name, None)
        elif asked is not None or getattr(config, name, None) is None:
            setattr(config, name, _DEFAULTS.get(name) if asked is None else asked)
    if config.eos_token_id is None:
        config.eos_token_id = tokenizer.eos_token_id
    if config.pad_token_id is None:
        config.pad_token_id = _padding(tokenizer, config.eos_token_id)
    _set_cache(config, options, model.device)
    return config


def _set_cache(config: GenerationConfig, options: PyTorchOptions, device: torch.device) -> None:
    """Cache and compilation as asked; transformers compiles by itself with a static cache unless it is told not to."""
    if options.cache is not None:
        config.cache_implementation = options.cache
        config.use_cache = True
    config.disable_compile = options.compile is None
    if options.compile is None:
        return
    from transformers import CompileConfig

    config.compile_config = CompileConfig(mode=options.compile)
    if device.type == "cpu":
        config.compile_config._compile_all_devices = True  # the only way to compile there; it has no public name


def proposals_are_checked() -> bool:
    """Whether this transformers calls stopping criteria with what an assistant proposes too, as 4.x and 5.0 do."""
    import inspect

    from transformers.generation import utils

    # There is no public sign of it; this function takes the answer to that call.
    return "is_done_candidate" in inspect.signature(utils._speculative_sampling).parameters


def _padding(tokenizer: PreTrainedTokenizerBase, ends: int | list[int] | None) -> int:
    """Any id will do, since padding is masked and never counted; an end token keeps transformers quiet."""
    if tokenizer.pad_token_id is not None:
        return int(tokenizer.pad_token_id)
    if ends is None:
        return 0
    return ends if isinstance(ends, int) else ends[0]


def used_parameters(config: GenerationConfig) -> dict[str, FactValue]:
    """The sampling parameters really in force, the model's own defaults included."""
    used: dict[str, FactValue] = {name: getattr(config, name, None) for name in (*_RECORDED, "repetition_penalty")}
    return {**{name: value for name, value in used.items() if value is not None}, **costly(config)}


def costly(config: GenerationConfig) -> dict[str, FactValue]:
    """Settings in force that make a token cost another amount than plain generation does."""
    found = {name: getattr(config, name, None) for name, plain in _COSTLY.items()}
    return {name: _fact(value) for name, value in found.items() if value not in _COSTLY[name]}


def saved_defaults(model: PreTrainedModel, options: PyTorchOptions) -> dict[str, FactValue]:
    """Those of ``costly`` that the checkpoint's own generation config brings along and nothing replaces."""
    replaced = {"use_cache", "cache_implementation"} if options.cache is not None else set()
    return {name: value for name, value in costly(model.generation_config).items() if name not in replaced}


def cache_in_use(model: PreTrainedModel, options: PyTorchOptions) -> str:
    """How keys and values are kept while tokens are generated; ``none`` where each token recomputes all before it."""
    if options.cache is not None:
        return options.cache
    if model.generation_config.use_cache is False:
        return "none"
    return model.generation_config.cache_implementation or "dynamic"


def _fact(value: object) -> FactValue:
    return value if isinstance(value, (str, int, float)) else str(value)


def end_ids(config: GenerationConfig) -> frozenset[int]:
    """Every id that ends a row; empty if none does."""
    ends = config.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or ())


def left_padded(
    rows: Sequence[Sequence[int]], padding_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask, both (rows × longest row), padded on the left as decoders need."""
    import torch

    longest = max(map(len, rows))
    ids = [[padding_id] * (longest - len(row)) + list(row) for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
