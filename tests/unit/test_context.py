"""The context that a model, an option or a server states, and answers that are longer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.model.context import context_problems, stated_context
from ai_energy_benchmarks.backends.offline.engine import OfflineOptions
from ai_energy_benchmarks.backends.offline.vllm import VllmOfflineBackend, VllmOfflineOptions
from ai_energy_benchmarks.backends.server.probe import context_tokens, slot_tokens
from ai_energy_benchmarks.backends.server.requests import refused
from ai_energy_benchmarks.backends.server.vllm import VllmOptions
from ai_energy_benchmarks.domain.prompts import Generation


def settings(model: Path, options: object, *, launch: bool = False) -> BackendSettings:
    return BackendSettings(str(model), "auto", (0,), None, "text-generation", options, launch=launch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 256}))
    return tmp_path


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"max_position_embeddings": 8192}, 8192),
        ({"n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 4096}, "max_position_embeddings": 77}, 4096),
        ({"max_position_embeddings": 4096, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, None),
        ({"max_position_embeddings": 4096, "rope_scaling": None}, 4096),
        ({"max_position_embeddings": 4096, "rope_scaling": {"rope_type": "default"}}, 4096),
        ({"vocab_size": 100}, None),
        ({"max_position_embeddings": -1}, None),
    ],
)
def test_a_config_states_the_context_of_its_text_part(config: dict[str, object], tokens: int | None) -> None:
    """Under either name; nothing is concluded from positions that an engine may scale."""
    assert stated_context(config) == tokens


@pytest.mark.parametrize(("wanted", "refused_so"), [(255, False), (256, True), (8192, True)])
def test_an_answer_that_leaves_no_place_for_a_prompt_is_refused(model: Path, wanted: int, refused_so: bool) -> None:
    """With both numbers and both keys, by a look at config.json alone."""
    problems = context_problems(settings(model, OfflineOptions()), Generation(max_new_tokens=wanted))
    assert bool(problems) == refused_so
    for problem in problems:
        assert problem.startswith(f"scenario.generate_kwargs.max_new_tokens: {wanted} output tokens")
        assert f"the context of 256 tokens that config.json of backend.model '{model}' states" in problem


def test_an_engine_s_own_limit_comes_first(model: Path) -> None:
    """It may be below the model's, or above."""
    generation = Generation(max_new_tokens=300)
    (problem,) = context_problems(settings(model, VllmOfflineOptions(max_model_len=128)), generation)
    assert "the context of 128 tokens that backend.options.max_model_len sets" in problem
    assert context_problems(settings(model, VllmOfflineOptions(max_model_len=512)), generation) == ()


def test_every_engine_that_loads_a_model_looks(model: Path) -> None:
    """Those in process and those that are launched; a server that runs already knows its context itself."""
    demand = Demand(Generation(max_new_tokens=300))
    offline = VllmOfflineBackend(settings(model, VllmOfflineOptions())).problems(demand)
    assert any("the context of 256 tokens" in problem for problem in offline)
    launched = settings(model, VllmOptions(), launch=True)
    assert any("the context of 256 tokens" in problem for problem in refused("vllm", {}, demand, launched))
    assert refused("vllm", {}, demand, settings(model, VllmOptions())) == ()


def test_nothing_is_concluded_without_a_config(tmp_path: Path) -> None:
    """A hub model that is not in the cache, or a file that is no JSON."""
    generation = Generation(max_new_tokens=10**6)
    assert context_problems(settings(tmp_path / "nowhere", OfflineOptions()), generation) == ()
    (tmp_path / "config.json").write_text("[]")
    assert context_problems(settings(tmp_path, OfflineOptions()), generation) == ()


@pytest.mark.parametrize("key", ["max_model_len", "context_length", "context_window", "max_context_length"])
def test_servers_report_their_context_under_several_names(key: str) -> None:
    """Of the model that is asked for alone."""
    models: dict[str, object] = {"data": [{"id": "other", key: 1}, {"id": "m", key: 4096}]}
    assert context_tokens(models, "m") == 4096
    assert context_tokens({"data": [{"id": "m"}]}, "m") is None


def test_llama_cpp_reports_the_context_of_a_slot() -> None:
    """Which is less than that of the server where several requests share it."""
    assert slot_tokens({"default_generation_settings": {"n_ctx": 2048}, "total_slots": 4}) == 2048
    assert slot_tokens({}) is None
