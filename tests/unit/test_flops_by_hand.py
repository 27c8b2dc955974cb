"""Weights and operations of a small model by hand: every part of its shape counts once, and where it should."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis import flops
from ai_energy_benchmarks.analysis.flops import Work
from ai_energy_benchmarks.domain.architecture import Architecture
from tests.factories import completion

# All sizes differ. A layer: attention 2 · 5 · (7 + 3) · 11 = 1100, feed-forward 3 · 5 · 13 = 195, two norms of 5.
SHAPE = Architecture(
    "small", layers=3, hidden_size=5, heads=7, kv_heads=3, head_size=11, feed_forward_size=13, vocabulary=17
)
EXPERTS = {"experts": 4, "active_experts": 2}


@pytest.mark.parametrize(
    ("changed", "weights"),
    [
        ({}, 2 * 17 * 5 + 3 * (1100 + 195 + 10) + 5),
        ({"tied_embeddings": True}, 17 * 5 + 3 * (1100 + 195 + 10) + 5),
        ({"learned_positions": 19}, (2 * 17 + 19) * 5 + 3 * (1100 + 195 + 10) + 5),
        ({"layer_norms": True}, 2 * 17 * 5 + 3 * (1100 + 195 + 20) + 10),
        ({"head_norms": True}, 2 * 17 * 5 + 3 * (1100 + 195 + 10 + 2 * 11) + 5),
        ({"attention_bias": True}, 2 * 17 * 5 + 3 * (1100 + 195 + 10 + (7 + 2 * 3) * 11) + 5),
        ({"every_bias": True}, 2 * 17 * 5 + 3 * (1100 + 195 + 10 + 5 + 2 * 13 + 5) + 5),
        ({"gated": False}, 2 * 17 * 5 + 3 * (1100 + 130 + 10) + 5),
        ({"gated": False, "every_bias": True}, 2 * 17 * 5 + 3 * (1100 + 130 + 10 + 5 + 13 + 5) + 5),
        (EXPERTS, 2 * 17 * 5 + 3 * (1100 + 4 * 195 + 5 * 4 + 10) + 5),
        ({**EXPERTS, "every_bias": True}, 2 * 17 * 5 + 3 * (1100 + 4 * 195 + 5 * 4 + 10 + 5 + 4 * (2 * 13 + 5)) + 5),
        ({"experts": 2}, 2 * 17 * 5 + 3 * (1100 + 2 * 195 + 5 * 2 + 10) + 5),
    ],
)
def test_each_part_of_a_shape_has_its_weights(changed: dict[str, Any], weights: int) -> None:
    """A norm before attention and one before feed-forward in each layer, and one at the end."""
    assert flops.parameters(evolve(SHAPE, **changed)) == weights


def test_a_token_passes_its_experts_alone() -> None:
    """Two of four, with their biases, and the router to all four."""
    mixed = evolve(SHAPE, **EXPERTS)
    assert flops.parameters(mixed, active=True) == 2 * 17 * 5 + 3 * (1100 + 2 * 195 + 5 * 4 + 10) + 5
    biased = evolve(mixed, every_bias=True)
    assert flops.parameters(biased, active=True) - flops.parameters(mixed, active=True) == 3 * (5 + 2 * (2 * 13 + 5))
    assert flops.per_token(mixed, 0.0, output=False) == 2 * 3 * (1100 + 2 * 195 + 5 * 4)


def test_a_token_costs_two_operations_a_weight_and_four_a_head_and_context_token() -> None:
    """Of three layers of 7 heads of 11: 924 for each token that it looks at; the vocabulary where it is asked."""
    assert flops.per_token(SHAPE, 0.0, output=False) == 2 * 3 * (1100 + 195)
    assert flops.per_token(SHAPE, 2.5, output=False) == 7770 + 2.5 * 4 * 3 * 7 * 11
    assert flops.per_token(SHAPE, 2.5, output=True) == 7770 + 2310 + 2 * 17 * 5


@pytest.mark.parametrize(
    ("window", "tokens", "work"),
    [
        # 4 prompt tokens of which 1 is cached, 3 of output: looks 2 + 3 + 4, then 5 + 6.
        (None, (4, 3, 1), Work(3 * 7770 + 170 + 9 * 924, 2 * 7940 + 11 * 924)),
        (2, (4, 3, 1), Work(3 * 7770 + 170 + 6 * 924, 2 * 7940 + 4 * 924)),
        (4, (4, 3, 1), Work(3 * 7770 + 170 + 9 * 924, 2 * 7940 + 8 * 924)),
        (None, (4, 3, 0), Work(4 * 7770 + 170 + 10 * 924, 2 * 7940 + 11 * 924)),
        (None, (4, 1, 0), Work(4 * 7770 + 170 + 10 * 924, 0)),
        (None, (4, 0, 0), Work(0, 0)),
        (None, (0, 2, 0), Work(170, 7940 + 924)),
    ],
)
def test_a_request_by_hand(window: int | None, tokens: tuple[int, int, int], work: Work) -> None:
    """Only the last prompt token and all but the last of the output are taken to the vocabulary."""
    found = flops.request(evolve(SHAPE, attention_window=window), *tokens)
    assert found == work
    assert found.total == work.prefill + work.decode


def test_requests_add_up() -> None:
    """A cache that is not spoken of held nothing."""
    first = completion(prompt_tokens=4, output_tokens=3, cached_prompt_tokens=1)
    second = completion(prompt_tokens=4, output_tokens=1)
    assert flops.requests(SHAPE, [first, second]) == Work(
        7 * 7770 + 2 * 170 + 19 * 924, 2 * 7940 + 11 * 924
    )  # fmt: skip
    assert flops.requests(SHAPE, []) == Work(0, 0)


@pytest.mark.parametrize(
    ("positions", "engine", "why"),
    [
        (7, 4000, None),
        (8, 4000, "the config makes 4,045 weights, the engine has 4,000"),
        (7, 4080, None),
        (7, 4081, "the config makes 4,040 weights, the engine has 4,081"),
        (7, None, "the engine does not report its number of weights"),
    ],
)
def test_one_percent_of_the_engines_weights_is_let_pass(positions: int, engine: int | None, why: str | None) -> None:
    """4,005 and 5 for each position: 40 of 4,000 are one percent, 45 are more, and 41 of 4,081 too."""
    assert flops.doubt(evolve(SHAPE, tied_embeddings=True, learned_positions=positions), engine) == why
