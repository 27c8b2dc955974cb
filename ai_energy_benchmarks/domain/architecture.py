"""The shape of a language model, as far as its arithmetic depends on it."""

from __future__ import annotations

from attrs import frozen


@frozen
class Architecture:
    """A decoder of equal layers, each attention and feed-forward.

    Attributes:
        layers: number of transformer blocks.
        hidden_size: width of the residual stream.
        heads: query heads of one layer.
        family: the model type in its config (``llama``, ``gpt2`` …).
        head_size: dimensions of one attention head.
        kv_heads: heads of keys and values; fewer than ``heads`` with grouped-query attention.
        feed_forward_size: inner width of one feed-forward block, or of one expert.
        gated: whether that block has three matrices (gate, up, down) and not two.
        experts, active_experts: feed-forward blocks of a layer, and how many of them a token passes.
        vocabulary: rows of the embedding.
        tied_embeddings: whether input and output share one embedding.
        learned_positions: rows of a learned embedding of positions; 0 if there is none.
        layer_norms: whether norms also have a bias.
        attention_bias: whether queries, keys and values have one.
        every_bias: whether all other products have one, too.
        head_norms: whether queries and keys have norms of their own.
        attention_window: how far back a token looks; None if to the beginning.
    """

    family: str
    layers: int
    hidden_size: int
    heads: int
    kv_heads: int
    head_size: int
    feed_forward_size: int
    vocabulary: int
    gated: bool = True
    experts: int = 1
    active_experts: int = 1
    tied_embeddings: bool = False
    learned_positions: int = 0
    layer_norms: bool = False
    attention_bias: bool = False
    every_bias: bool = False
    head_norms: bool = False
    attention_window: int | None = None
