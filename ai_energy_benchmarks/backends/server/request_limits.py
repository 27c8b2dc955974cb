"""How long and how large the answer to one request may be, whatever a server sends."""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import frozen

# For each token of a request's budget: an event has some hundred bytes, and the slowest machine takes seconds.
_BYTES_PER_TOKEN = 64 * 1000
_S_PER_TOKEN = 10.0
_BYTES_ALWAYS = 1000 * 1000
# Keys of a request that ask for more about every token, with how many alternatives; true asks for one.
_MORE_PER_TOKEN = ("logprobs", "top_logprobs", "prompt_logprobs", "n_probs", "return_token_ids")
# A log probability with its token, its text and its bytes.
_BYTES_PER_ALTERNATIVE = 256
# -1 asks vLLM for all of the vocabulary; no model has a larger one.
_WHOLE_VOCABULARY = 2**19


@frozen
class Limits:
    """Of one request.

    Attributes:
        stall_s: maximum time without an event; comments of a stream are none.
        total_s: maximum time from sending to the end of the answer, retries included.
        size_bytes: most bytes of the answer, its headers and its framing included.
    """

    stall_s: float = 600.0
    total_s: float = math.inf
    size_bytes: float = math.inf


def limits_of(
    body: Mapping[str, object], sent_bytes: int, budget_tokens: int, stall_s: float, total_s: float | None
) -> Limits:
    """The limits of a request by what it asks for.

    Args:
        body: the JSON document that is sent.
        sent_bytes: its size, which bounds the number of prompt tokens.
        budget_tokens: maximum number of output tokens it asks for.
        total_s: what the user allows; None allows ``stall_s`` and 10 s for each token of the budget.
    """
    size_bytes = _BYTES_ALWAYS + _BYTES_PER_TOKEN * budget_tokens
    alternatives = max(_alternatives(body.get(key)) for key in _MORE_PER_TOKEN)
    if alternatives:
        size_bytes += _BYTES_PER_ALTERNATIVE * (alternatives + 1) * (budget_tokens + sent_bytes)
    return Limits(stall_s, stall_s + _S_PER_TOKEN * budget_tokens if total_s is None else total_s, size_bytes)


def _alternatives(value: object) -> int:
    if not isinstance(value, int):
        return 0
    return _WHOLE_VOCABULARY if value < 0 else int(value)
