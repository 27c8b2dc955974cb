"""Floating-point operations of a language model, counted from its shape.

Useful work only: two operations per weight in a matrix product and token, and attention over the context (Kaplan et
al. 2020, *Scaling Laws for Neural Language Models*, table 1; the attention term as in appendix B of Chowdhery et al.
2022, *PaLM*, for the forward pass). Norms, activations, softmax, padding, tokens that a draft proposed in vain, and
work that was done twice are not in it.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from ai_energy_benchmarks.domain.architecture import Architecture
from ai_energy_benchmarks.domain.completions import Completion
from ai_energy_benchmarks.domain.outcomes import TokenCounts

METHOD = (
    "counted from the model's config: 2 × weights in matrix products per token, active experts only, and attention "
    "over the context; without norms, activations and padding"
)
# A shape that misses so much of the engine's own count of weights is not that model's.
_COUNTS_AGREE = 0.01


@frozen
class Work:
    """Floating-point operations: of the prompt with the first output token, and of all later tokens."""

    prefill: float
    decode: float

    @property
    def total(self) -> float:
        return self.prefill + self.decode


def parameters(shape: Architecture, *, active: bool = False) -> int:
    """Number of weights; with ``active`` only those that one token passes, embeddings included."""
    experts = shape.active_experts if active else shape.experts
    norm = shape.hidden_size * (2 if shape.layer_norms else 1)
    layer = _attention(shape) + experts * _expert(shape) + _router(shape) + 2 * norm + _small(shape, experts)
    embeddings = (1 if shape.tied_embeddings else 2) * shape.vocabulary + shape.learned_positions
    return embeddings * shape.hidden_size + shape.layers * layer + norm


def per_token(shape: Architecture, context_tokens: float, *, output: bool) -> float:
    """Operations for one token that attends to ``context_tokens``, itself included.

    Args:
        output: whether the next token is chosen from it, which takes the product with the vocabulary.
    """
    weights = shape.layers * (_attention(shape) + shape.active_experts * _expert(shape) + _router(shape))
    if output:
        weights += shape.vocabulary * shape.hidden_size
    return 2 * weights + _per_context_token(shape) * context_tokens


def request(shape: Architecture, prompt_tokens: int, output_tokens: int, cached_tokens: int = 0) -> Work:
    """Operations of one request.

    The last output token is never fed back, so a request of P and O tokens computes P + O - 1 of them, less those whose
    keys and values a prefix cache held. Only the last token of the prompt is taken to the vocabulary, as engines do.
    """
    if output_tokens < 1:
        return Work(0.0, 0.0)
    plain, vocabulary = per_token(shape, 0.0, output=False), 2 * shape.vocabulary * shape.hidden_size
    last = prompt_tokens + output_tokens - 1
    look_back = _per_context_token(shape)
    prompt_context = _context_sum(shape, prompt_tokens) - _context_sum(shape, cached_tokens)
    output_context = _context_sum(shape, last) - _context_sum(shape, prompt_tokens)
    return Work(
        prefill=(prompt_tokens - cached_tokens) * plain + vocabulary + look_back * prompt_context,
        decode=(output_tokens - 1) * (plain + vocabulary) + look_back * output_context,
    )


def requests(shape: Architecture, completions: Iterable[Completion | TokenCounts]) -> Work:
    """Operations of all requests that succeeded; what failed ones did is not known."""
    prefill: list[float] = []
    decode: list[float] = []
    for each in completions:
        work = request(shape, each.prompt_tokens, each.output_tokens, each.cached_prompt_tokens or 0)
        prefill.append(work.prefill)
        decode.append(work.decode)
    return Work(sum(prefill), sum(decode))


def doubt(shape: Architecture, engine_parameters: int | None) -> str | None:
    """Why the count may not be that of the loaded model; None if its weights agree with the shape's."""
    counted = parameters(shape)
    if engine_parameters is None:
        return "the engine does not report its number of weights"
    if abs(counted - engine_parameters) > _COUNTS_AGREE * engine_parameters:
        return f"the config makes {counted:,} weights, the engine has {engine_parameters:,}"
    return None


def _attention(shape: Architecture) -> int:
    return 2 * shape.hidden_size * (shape.heads + shape.kv_heads) * shape.head_size


def _expert(shape: Architecture) -> int:
    return (3 if shape.gated else 2) * shape.hidden_size * shape.feed_forward_size


def _router(shape: Architecture) -> int:
    return shape.hidden_size * shape.experts if shape.experts > 1 else 0


def _small(shape: Architecture, experts: int) -> int:
    """Biases and norms inside the blocks."""
    count = 2 * shape.head_size if shape.head_norms else 0
    if shape.attention_bias:
        count += (shape.heads + 2 * shape.kv_heads) * shape.head_size
    if shape.every_bias:
        inner = (2 if shape.gated else 1) * shape.feed_forward_size
        count += shape.hidden_size + experts * (inner + shape.hidden_size)
    return count


def _per_context_token(shape: Architecture) -> int:
    """Scores and weighted values: one product each, two operations per element."""
    return 4 * shape.layers * shape.heads * shape.head_size


def _context_sum(shape: Architecture, tokens: int) -> int:
    """How many tokens the first ``tokens`` tokens look at, all together."""
    window = min(tokens, shape.attention_window or tokens)
    return window * (window + 1) // 2 + (tokens - window) * window
