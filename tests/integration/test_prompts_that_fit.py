"""Prompts that a model's chat template or context cannot take: one error, with the key to set."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from ai_energy_benchmarks import BenchmarkRunner, load_config
from ai_energy_benchmarks.domain.completions import FailedCompletion
from ai_energy_benchmarks.errors import BackendError
from tests.functional.commands import command
from tests.servers import Exchange, delta, running
from tests.tiny_model import save_tiny_model

RAW = "scenario.chat_template: false"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1])


def with_template(model: Path, template: object) -> Path:
    from transformers import AutoTokenizer

    for file in model.glob("*chat_template*"):
        file.unlink()
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(model)
    return model


def config_at(directory: Path, backend: str) -> Path:
    file = directory / "benchmark.yaml"
    file.write_text(
        f"backend: {backend}\n"
        "scenario: {num_samples: 2, generate_kwargs: {max_new_tokens: 3}}\n"
        "protocol: {bare_idle_s: 0, resident_idle_s: 0, warmup: {requests: 1}, trials: 1}\n"
        f"metrics: {{enabled: false}}\noutput_dir: {directory / 'out'}\n"
    )
    return file


def runner(directory: Path, backend: str, **overrides: object) -> BenchmarkRunner:
    return BenchmarkRunner(load_config(config_at(directory, backend), overrides), reporters=[])


def local(model: Path) -> str:
    return f"{{type: pytorch, model: {model}, device: cpu}}"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ({"tool_use": "t", "rag": "r"}, r"several chat templates \(rag, tool_use\) and none of them is the default"),
        ("{{ 'x' + messages }}", "the model's chat template fails: TypeError: "),
        ("{{ 1 // 0 }}", "the model's chat template fails: ZeroDivisionError: "),
        ("{{ messages[9].content }}", "the model's chat template fails: UndefinedError: "),
        ("{{ nothing() }}", "the model's chat template fails: UndefinedError: "),
        ("{% if %}", "the model's chat template fails: TemplateSyntaxError: "),
        ("{{ raise_exception('only tools') }}", "the model's chat template refuses these turns: only tools"),
    ],
)
def test_a_template_that_takes_no_prompt_is_one_error_with_its_fix(tmp_path: Path, template: object, why: str) -> None:
    """Whatever it raises; with the key that leaves it out the same model runs."""
    model = with_template(save_tiny_model(tmp_path / "model", end_ids=[1]), template)
    with pytest.raises(BackendError, match=why) as caught:
        runner(tmp_path, local(model)).measure()
    assert RAW in str(caught.value.remedy)
    assert "\n" not in caught.value.message
    (trial,) = runner(tmp_path, local(model), **{"scenario.chat_template": False}).measure().trials
    assert not any(isinstance(outcome, FailedCompletion) for outcome in trial.outcomes)


def test_a_template_of_several_with_a_default_is_used(tmp_path: Path) -> None:
    """Named templates are no error by themselves."""
    model = with_template(save_tiny_model(tmp_path / "model", end_ids=[1]), {"default": "{{ 'd' }}", "rag": "r"})
    (trial,) = runner(tmp_path, local(model)).measure().trials
    assert [outcome.prompt_tokens for outcome in trial.outcomes if not isinstance(outcome, FailedCompletion)] == [1, 1]


def test_a_server_s_answers_that_cannot_be_counted_fail_with_the_key(tmp_path: Path) -> None:
    """Its tokenizer here has a template that fails; nothing is raised, and every request has the reason."""

    async def without_usage(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta(content="a"))
        await exchange.event(delta(finish_reason="length"))
        await exchange.end_stream()

    model = with_template(save_tiny_model(tmp_path / "model", end_ids=[1]), "{{ 'x' + messages }}")
    with running(without_usage) as server:
        backend = f"{{type: openai, model: scripted, endpoint: '{server.endpoint}', options: {{tokenizer: {model}}}}}"
        result = runner(tmp_path, backend).measure()
    reasons = {outcome.reason for outcome in result.trials[0].outcomes if isinstance(outcome, FailedCompletion)}
    (reason,) = reasons
    assert reason.startswith("backend.options.tokenizer: the model's chat template fails: TypeError")
    assert RAW in reason


def test_validate_sees_that_answers_leave_no_place_for_prompts(model: Path, tmp_path: Path) -> None:
    """Before loading, with both numbers and both keys, on the command line too."""
    config = str(config_at(tmp_path, local(model)))
    done = command("validate", config, "-o", "scenario.generate_kwargs.max_new_tokens=8192", cwd=tmp_path)
    assert done.code != 0
    words = " ".join(done.err.split())
    assert "scenario.generate_kwargs.max_new_tokens: 8192 output tokens" in words
    assert "context of 256 tokens that config.json of backend.model" in words


def test_prompts_that_may_not_be_cut_and_never_fit_are_one_error(model: Path, tmp_path: Path) -> None:
    """All of them are longer than what the answers leave of the context."""
    settings = {"scenario.truncation": False, "scenario.generate_kwargs.max_new_tokens": 250}
    with pytest.raises(BackendError, match="exceeds the 6 that the context leaves for it") as caught:
        runner(tmp_path, local(model), **settings).measure()
    assert "scenario.truncation: true" in str(caught.value.remedy)


@pytest.mark.parametrize("reported", ["models", "props"])
def test_a_server_that_reports_its_context_is_asked_for_no_more(tmp_path: Path, reported: str) -> None:
    """Before any request is sent; the scripted server's models have 512 tokens, the other page 300."""

    async def never(exchange: Exchange) -> None:
        raise AssertionError(exchange.path)

    with running(never, model="scripted" if reported == "models" else "unlisted") as server:
        server.pages["/props"] = lambda: '{"default_generation_settings": {"n_ctx": 300}}'
        if reported == "props":
            server.context_tokens = None
        backend = f"{{type: openai, model: {server.model}, endpoint: '{server.endpoint}'}}"
        with pytest.raises(BackendError, match=r"that the server at backend\.endpoint reports") as caught:
            runner(tmp_path, backend, **{"scenario.generate_kwargs.max_new_tokens": 512}).measure()
    number = 512 if reported == "models" else 300
    assert f"max_new_tokens: 512 output tokens leave no place for a prompt in the context of {number}" in str(
        caught.value
    )
