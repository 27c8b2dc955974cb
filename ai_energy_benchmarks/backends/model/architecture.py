"""From a transformers config to the shape of the model, for families whose shape we know."""

from __future__ import annotations

from typing import Any

from ai_energy_benchmarks.domain.architecture import Architecture

# Each is checked against transformers' own count of parameters.
_FAMILIES = frozenset({"gpt2", "llama", "mistral", "mixtral", "qwen2", "qwen3"})


def architecture_of(config: Any) -> Architecture | None:
    """The shape that a text config describes; None for a family that is not known.

    Args:
        config: a transformers config, whose attributes differ by family.
    """
    family: str = config.model_type
    if family not in _FAMILIES:
        return None
    hidden_size, heads, gpt2 = config.hidden_size, config.num_attention_heads, family == "gpt2"
    windowed = getattr(config, "use_sliding_window", True)
    return Architecture(
        family=family,
        layers=config.num_hidden_layers,
        hidden_size=hidden_size,
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=getattr(config, "head_dim", None) or hidden_size // heads,
        feed_forward_size=(config.n_inner or 4 * hidden_size) if gpt2 else config.intermediate_size,
        vocabulary=config.vocab_size,
        gated=not gpt2,
        experts=getattr(config, "num_local_experts", 1),
        active_experts=getattr(config, "num_experts_per_tok", 1),
        tied_embeddings=bool(config.tie_word_embeddings),
        learned_positions=config.max_position_embeddings if gpt2 else 0,
        layer_norms=gpt2,
        attention_bias=gpt2 or family == "qwen2" or bool(getattr(config, "attention_bias", False)),
        every_bias=gpt2,
        head_norms=family == "qwen3",
        attention_window=getattr(config, "sliding_window", None) if windowed else None,
    )
