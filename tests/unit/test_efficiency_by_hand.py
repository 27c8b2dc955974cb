"""When work per energy has a figure, of which GPUs its peak is, and what is said where there is none, by hand."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis import flops
from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.results.document.efficiency import efficiency
from tests.factories import ENGINE, ENVIRONMENT, completion, reading, trial
from tests.unit.summary_by_hand import GPU_ENERGY, RESULT, SUMMARY
from tests.unit.test_flops import LLAMA_3_8B, MIXTRAL

H100, A100, OTHER = (
    Board("GPU-7", 0, "NVIDIA H100 80GB HBM3"),
    Board("GPU-8", 1, "NVIDIA A100-SXM4-80GB"),
    Board("GPU-9", 2, "a GPU that no table has"),
)
# Dense BF16, of the manufacturer's data sheets.
H100_FLOP_PER_S, A100_FLOP_PER_S = 989e12, 312e12


def of_two_trials(**changed: object) -> BenchmarkResult:
    """One request of 10 and 4 tokens in the first trial and two in the second, in passes of 10 s on an H100."""
    engine = evolve(ENGINE, architecture=LLAMA_3_8B, dtype="bfloat16", board_ids=(H100.id,))
    trials = (
        trial(1, reading(), outcomes=[completion(0)]),
        trial(2, reading(), outcomes=[completion(0), completion(1)]),
        trial(3, reading(), outcomes=[completion(number) for number in range(9)], complete=False),
    )
    environment = evolve(ENVIRONMENT, boards=(H100, A100, OTHER))
    return evolve(RESULT, **{"engine": engine, "trials": trials, "environment": environment, **changed})


def of_engine(**changed: object) -> dict[str, Any]:
    """The block where the engine reports something else."""
    result = of_two_trials()
    assert result.engine is not None
    return efficiency(evolve(result, engine=evolve(result.engine, **changed)))


def test_the_work_of_a_pass_is_the_mean_over_the_complete_trials() -> None:
    """One request and two are one and a half; of prefill and decode apart, and of 1,000 J [900, 1,200] in 10 s."""
    found, of_one = efficiency(of_two_trials()), flops.request(LLAMA_3_8B, 10, 4)
    assert found["energy_delay_product_j_s"]["gpu"] == {"value": 10_000.0, "low": 9000.0, "high": 12_000.0}
    assert found["energy_delay_product_j_s"]["cpu"] == {"value": None, "low": 800.0, "high": 5000.0}
    assert found["flop"] == {
        "per_pass": pytest.approx(1.5 * of_one.total),
        "prefill": pytest.approx(1.5 * of_one.prefill),
        "decode": pytest.approx(1.5 * of_one.decode),
        "method": flops.METHOD,
        "confidence": "low",
        "confidence_reason": "the engine does not report its number of weights",
        "parameters": 8_030_261_248,
        "active_parameters": 8_030_261_248,
    }
    assert list(found["flop_per_j"]) == ["gpu", "total"]
    assert found["utilisation"] == {
        "share_of_peak": pytest.approx(1.5 * of_one.total / 10 / H100_FLOP_PER_S),
        "peak_flop_per_s": H100_FLOP_PER_S,
        "arithmetic": "bfloat16",
        "source": "NVIDIA H100 Tensor Core GPU data sheet, SXM, dense",
    }


def test_weights_that_the_engine_reports_confirm_the_count() -> None:
    """Meta-Llama-3-8B has 8,030,261,248; a token of Mixtral-8x7B passes 12.9 of its 46.7 thousand million."""
    known = of_engine(parameters=8_030_261_248)["flop"]
    assert (known["confidence"], known["confidence_reason"]) == (
        "high",
        "the same config makes the engine's number of weights",
    )
    mixture = of_engine(architecture=MIXTRAL)["flop"]
    assert mixture["parameters"] == pytest.approx(46.7e9, abs=0.05e9)
    assert mixture["active_parameters"] == pytest.approx(12.9e9, abs=0.05e9)


@pytest.mark.parametrize("energy_j", [0.5, 1.0, 2.0])
def test_little_energy_has_work_per_joule_too(energy_j: float) -> None:
    """Operations over the energy, however small; none where it is not resolved."""
    energy = evolve(GPU_ENERGY, bounds_j=Bounds(0.9 * energy_j, energy_j, 1.2 * energy_j))
    result = of_two_trials(summary=evolve(SUMMARY, components=(energy,), total=None))
    found = efficiency(result)
    assert found["flop_per_j"] == {"gpu": pytest.approx(found["flop"]["per_pass"] / energy_j)}
    for none_j in (0.0, -energy_j):
        nothing = evolve(SUMMARY, components=(evolve(energy, bounds_j=Bounds.exact(none_j)),), total=None)
        assert efficiency(evolve(result, summary=nothing))["flop_per_j"] == {}
    blurred = evolve(SUMMARY, components=(evolve(energy, resolved=False),), total=None)
    assert efficiency(evolve(result, summary=blurred))["flop_per_j"] == {}


@pytest.mark.parametrize(
    ("doubts", "why"),
    [
        ({"tokens_in_doubt": "events differ"}, "events differ"),
        ({"prompt_tokens_in_doubt": "the server cut them"}, "the server cut them"),
        ({"tokens_in_doubt": "events differ", "prompt_tokens_in_doubt": "the server cut them"}, "events differ"),
    ],
)
def test_work_is_withheld_where_tokens_are_in_doubt(doubts: dict[str, str], why: str) -> None:
    """Those of answers or of prompts, whose lengths it is counted from; energy times delay has no tokens in it."""
    found = efficiency(of_two_trials(summary=evolve(SUMMARY, **doubts)))
    assert found["flop_absent"] == f"they follow from token counts, which are in doubt: {why}"
    assert (found["flop"], found["flop_per_j"], found["utilisation"]) == (None, {}, None)
    assert found["energy_delay_product_j_s"]["gpu"]["value"] == 10_000.0


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"trials": ()}, "no request succeeded"),
        ({"trials": (trial(1, reading(), outcomes=[]),)}, "no request succeeded"),
        ({"engine": None}, "the engine does not report the model's shape, or its family is not known"),
        ({"engine": ENGINE}, "the engine does not report the model's shape, or its family is not known"),
    ],
)
def test_work_that_cannot_be_counted_says_why(changed: dict[str, object], why: str) -> None:
    """Without trials, without requests, without an engine, without a shape."""
    found = efficiency(of_two_trials(**changed))
    assert (found["flop"], found["flop_absent"], found["utilisation"]) == (None, why, None)


@pytest.mark.parametrize(
    ("board_ids", "peak_flop_per_s"),
    [
        (("GPU-7",), H100_FLOP_PER_S),
        (("GPU-8",), A100_FLOP_PER_S),
        (("GPU-7", "GPU-8"), H100_FLOP_PER_S + A100_FLOP_PER_S),
        (("GPU-7", "GPU-9"), None),
        (("GPU-9",), None),
        ((), None),
        (None, None),
    ],
)
def test_the_peak_is_of_the_gpus_in_use(board_ids: tuple[str, ...] | None, peak_flop_per_s: float | None) -> None:
    """Of these and no other of the machine; none where one has no known peak, or where they are not known."""
    found = of_engine(board_ids=board_ids)
    if peak_flop_per_s is None:
        assert found["utilisation"] is None
    else:
        assert found["utilisation"]["peak_flop_per_s"] == peak_flop_per_s
        assert found["utilisation"]["share_of_peak"] == found["flop"]["per_pass"] / 10 / peak_flop_per_s
    assert found["flop"] is not None


def test_a_pass_of_no_time_has_no_use_of_the_peak() -> None:
    """Half a second has; the sources of two alike GPUs are given once."""
    assert efficiency(of_two_trials(summary=evolve(SUMMARY, duration_s=0.0)))["utilisation"] is None
    short = efficiency(of_two_trials(summary=evolve(SUMMARY, duration_s=0.5)))
    assert short["utilisation"]["share_of_peak"] == short["flop"]["per_pass"] / 0.5 / H100_FLOP_PER_S
    twin = evolve(H100, id="GPU-6")
    result = of_two_trials(environment=evolve(ENVIRONMENT, boards=(H100, twin)))
    assert result.engine is not None
    both = efficiency(evolve(result, engine=evolve(result.engine, board_ids=(H100.id, twin.id))))
    assert both["utilisation"]["peak_flop_per_s"] == 2 * H100_FLOP_PER_S
    assert both["utilisation"]["source"] == short["utilisation"]["source"]
