"""Work per energy in the report document."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from ai_energy_benchmarks.analysis import flops
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.result import BenchmarkResult
from ai_energy_benchmarks.results.document.efficiency import efficiency
from ai_energy_benchmarks.results.document.report import report_document
from tests.factories import ENGINE, ENVIRONMENT, completion, reading, result, trial
from tests.unit.test_flops import LLAMA_3_8B

H100 = Board("GPU-7", 0, "NVIDIA H100 80GB HBM3")


def known() -> BenchmarkResult:
    """One trial of two requests by an engine that tells everything: 100 J in 10 s."""
    counted = flops.parameters(LLAMA_3_8B)
    engine = evolve(ENGINE, architecture=LLAMA_3_8B, parameters=counted, board_ids=(H100.id,), dtype="bfloat16")
    trials = [trial(1, reading(energy_j=100.0), outcomes=[completion(0), completion(1)], duration_s=10.0)]
    return evolve(result(trials, environment=evolve(ENVIRONMENT, boards=(H100,))), engine=engine)


def test_operations_are_those_of_the_requests() -> None:
    """Both requests' work, its ratio to the energy, and its share of the board's peak."""
    found = efficiency(known())
    work = flops.request(LLAMA_3_8B, 10, 4)
    assert found["flop"]["per_pass"] == 2 * work.total
    assert found["flop"]["confidence"] == "high"
    assert found["flop_per_j"]["gpu"] == pytest.approx(2 * work.total / 100.0)
    assert found["utilisation"]["share_of_peak"] == pytest.approx(2 * work.total / 10.0 / 989e12)
    assert found["energy_delay_product_j_s"]["gpu"] == {"value": 1000.0, "low": 990.0, "high": 1010.0}


def test_a_model_of_unknown_shape_has_no_operations() -> None:
    """They are absent with the reason, and so is everything that follows from them."""
    whole = known()
    assert whole.engine is not None
    found = efficiency(evolve(whole, engine=evolve(whole.engine, architecture=None)))
    assert (found["flop"], found["flop_per_j"], found["utilisation"]) == (None, {}, None)
    assert "not known" in found["flop_absent"]


@pytest.mark.parametrize(
    ("quantization", "tera"),
    [("bitsandbytes, 8 bits", 1979), ("fp8", 1979), ("gptq", 989), ("compressed-tensors", None)],
)
def test_quantised_weights_have_a_peak_of_their_own(quantization: str, tera: float | None) -> None:
    """An H100 multiplies eight bits twice as fast, so the same work is half the share of its peak; or it has none."""
    plain = known()
    assert plain.engine is not None
    found = efficiency(evolve(plain, engine=evolve(plain.engine, settings={"quantization": quantization})))
    used = found["utilisation"]
    assert (used and used["peak_flop_per_s"]) == (tera and tera * 1e12)


def test_an_unknown_board_has_no_utilisation() -> None:
    """A share of some of the boards would pass for that of all."""
    whole = known()
    assert whole.engine is not None
    found = efficiency(evolve(whole, engine=evolve(whole.engine, board_ids=(H100.id, "GPU-8"))))
    assert found["utilisation"] is None
    assert found["flop"] is not None


def test_weights_that_do_not_fit_lower_the_confidence() -> None:
    """The figure stays, and the reason stands beside it."""
    whole = known()
    assert whole.engine is not None
    flop = efficiency(evolve(whole, engine=evolve(whole.engine, parameters=123)))["flop"]
    assert flop["confidence"] == "low"
    assert "123" in flop["confidence_reason"]


def test_the_document_holds_the_block() -> None:
    """As plain JSON."""
    document = json.loads(json.dumps(report_document(known()), allow_nan=False))
    assert document["efficiency"]["flop"]["method"] == flops.METHOD
    assert document["backend_info"]["architecture"]["layers"] == LLAMA_3_8B.layers
