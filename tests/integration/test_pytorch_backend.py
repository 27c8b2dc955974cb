"""The PyTorch backend on a tiny random model: real transformers, real generation."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from attrs import evolve

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Message, Prompt, Request
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.runner.plain_progress import PlainProgress
from tests.tiny_model import save_tiny_model

PROMPTS = (
    "a",
    "Hello there",
    "x" * 90,
    "The quick brown fox jumps over the lazy dog.",
    "7",
    "naïve café ☕",
    "zz top " * 8,
)


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1, *range(100, 106)])


def settings(model: Path, **options: object) -> BackendSettings:
    return BackendSettings(str(model), "cpu", (0,), None, "text-generation", PyTorchOptions(**options))  # type: ignore[arg-type] # options under test


def requests(*texts: str, chat: bool = True) -> tuple[Request, ...]:
    return tuple(
        Request(number, Prompt(number, text), (Message("user", text),) if chat else ())
        for number, text in enumerate(texts)
    )


def generate(backend: PyTorchBackend, batch: Batch) -> tuple[Outcome, ...]:
    return asyncio.run(backend.generate(batch))


def completions(outcomes: tuple[Outcome, ...]) -> list[Completion]:
    assert all(isinstance(each, Completion) for each in outcomes), outcomes
    return [each for each in outcomes if isinstance(each, Completion)]


def test_what_takes_long_before_the_weights_has_a_stage(model_directory: Path) -> None:
    """Importing torch and transformers took 10 s on a GPU machine, and nothing was shown meanwhile."""
    lines: list[str] = []
    shown = evolve(settings(model_directory), progress=PlainProgress(lines.append))
    with PyTorchBackend(shown):
        pass
    stages = [line.split("] ")[1] for line in lines if "done in" not in line]
    assert stages == ["import torch and transformers", "load model"]
    missing = evolve(settings(model_directory / "none"), progress=PlainProgress(lines.append))
    with pytest.raises(BackendError), PyTorchBackend(missing):
        pass
    assert "import torch and transformers: done in" in lines[-1]


def test_a_batch_counts_the_same_tokens_as_each_row_alone(model_directory: Path) -> None:
    """Prompts of very different lengths with early end tokens count as if each had been generated alone."""
    batch = Batch(requests(*PROMPTS), Generation(max_new_tokens=12))
    with PyTorchBackend(settings(model_directory)) as backend:
        together = completions(generate(backend, batch))
        alone = [completions(generate(backend, evolve(batch, requests=(each,))))[0] for each in batch.requests]
    counts = [(each.prompt_tokens, each.output_tokens, each.finish_reason) for each in together]
    assert counts == [(each.prompt_tokens, each.output_tokens, each.finish_reason) for each in alone]
    assert [each.output_token_ids for each in together] == [each.output_token_ids for each in alone]
    reasons = {each.finish_reason for each in together}
    assert reasons == {"stop", "length"}, "the test needs rows that end early and rows that do not"


def test_every_output_token_has_a_time(model_directory: Path) -> None:
    """Token times rise, lie within the request, and there is one for each output token of the row."""
    with PyTorchBackend(settings(model_directory)) as backend:
        done = completions(generate(backend, Batch(requests(*PROMPTS), Generation(max_new_tokens=24))))
    for each in done:
        times_s = list(each.token_times_s)
        assert len(times_s) == each.output_tokens
        assert times_s == sorted(times_s)
        assert each.sent_s < times_s[0]
        assert times_s[-1] <= each.finished_s
        assert each.ttft_s is not None
        assert each.ttft_s > 0


def test_prompt_tokens_are_those_of_the_rendered_template(model_directory: Path) -> None:
    """The chat template's own tokens count, padding does not."""
    with PyTorchBackend(settings(model_directory)) as backend:
        chat, _ = completions(generate(backend, Batch(requests("abc", "y" * 50), Generation(max_new_tokens=1))))
        (raw,) = completions(generate(backend, Batch(requests("abc", chat=False), Generation(max_new_tokens=1))))
    assert chat.prompt_tokens == len("<|user|>abc\n<|assistant|>")
    assert raw.prompt_tokens == 3
    assert chat.rendered_sha256 != raw.rendered_sha256


def test_long_prompts_are_cut_to_the_context_and_the_cut_is_recorded(model_directory: Path) -> None:
    """A prompt is cut to the context less the budget, inside the template, and says by how much."""
    with PyTorchBackend(settings(model_directory)) as backend:
        (done,) = completions(generate(backend, Batch(requests("z" * 400), Generation(max_new_tokens=16))))
    frame = len("<|user|>\n<|assistant|>")
    assert done.prompt_tokens == 256 - 16
    assert done.truncated_prompt_tokens == 400 + frame - (256 - 16)


def test_without_truncation_only_the_long_prompt_fails(model_directory: Path) -> None:
    """A prompt that does not fit fails with its reason; its neighbours in the batch succeed."""
    batch = Batch(requests("short", "z" * 400, "also short"), Generation(max_new_tokens=8), truncation=False)
    with PyTorchBackend(settings(model_directory)) as backend:
        first, long, last = generate(backend, batch)
    assert isinstance(first, Completion)
    assert isinstance(last, Completion)
    assert isinstance(long, FailedCompletion)
    assert "422 tokens exceeds the 248" in long.reason


def test_greedy_ignores_the_sampling_defaults_of_the_model(model_directory: Path) -> None:
    """Greedy is greedy: two runs agree, and no sampling parameter is reported as used."""
    batch = Batch(requests("again"), Generation(max_new_tokens=8))
    with PyTorchBackend(settings(model_directory)) as backend:
        first, second = (completions(generate(backend, batch))[0].output_token_ids for _ in range(2))
        used = backend.facts().generation
    assert first == second
    assert used["do_sample"] is False
    assert "temperature" not in used


def test_sampling_parameters_really_used_are_reported(model_directory: Path) -> None:
    """What was asked and what the model's own config adds are both in the facts; the seed decides the draw."""
    generation = Generation(max_new_tokens=16, min_new_tokens=16, do_sample=True, temperature=1.5, top_p=0.9)
    batch = Batch(requests("draw"), generation, seed=1)
    with PyTorchBackend(settings(model_directory)) as backend:
        draws = [completions(generate(backend, evolve(batch, seed=seed)))[0].output_token_ids for seed in (1, 1, 2)]
        used = backend.facts().generation
    assert draws[0] == draws[1] != draws[2]
    assert (used["do_sample"], used["temperature"], used["top_p"], used["top_k"]) == (True, 1.5, 0.9, 50)


def test_min_new_tokens_holds_back_end_tokens(model_directory: Path) -> None:
    """With min = max every row has exactly the budget."""
    batch = Batch(requests(*PROMPTS), Generation(max_new_tokens=12, min_new_tokens=12))
    with PyTorchBackend(settings(model_directory)) as backend:
        assert [each.output_tokens for each in completions(generate(backend, batch))] == [12] * len(PROMPTS)


def test_cancelling_stops_at_the_next_token(model_directory: Path) -> None:
    """A cancelled generation ends without using its budget of 50,000 tokens, and the backend is usable afterwards."""

    async def cancelled() -> None:
        task = asyncio.create_task(backend.generate(batch))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    long = save_tiny_model(model_directory / "long", end_ids=[1], context_tokens=100_000)
    batch = Batch(requests("go on"), Generation(max_new_tokens=50_000, min_new_tokens=50_000))
    with PyTorchBackend(settings(long)) as backend:
        asyncio.run(cancelled())
        (after,) = completions(generate(backend, Batch(requests("still here"), Generation(max_new_tokens=2))))
    assert after.output_tokens <= 2


def test_a_batch_that_breaks_fails_alone(model_directory: Path) -> None:
    """An error inside the engine becomes the failure of that batch, with its type and text."""
    with PyTorchBackend(settings(model_directory)) as backend:
        assert backend.model is not None
        embedding = backend.model.get_input_embeddings()
        backend.model.set_input_embeddings(type(embedding)(10, 32))
        (failed,) = generate(backend, Batch(requests("zzz"), Generation(max_new_tokens=2)))
        backend.model.set_input_embeddings(embedding)
        (fine,) = generate(backend, Batch(requests("zzz"), Generation(max_new_tokens=2)))
    assert isinstance(failed, FailedCompletion)
    assert "IndexError" in failed.reason
    assert isinstance(fine, Completion)


def test_facts_say_what_is_in_use(model_directory: Path) -> None:
    """Engine versions, device, type, context and number of weights are known after loading."""
    with PyTorchBackend(settings(model_directory, attn_implementation="eager", dtype="bfloat16")) as backend:
        facts = backend.facts()
        assert backend.process_ids() == (os.getpid(),)
        assert facts.parameters == backend.model.num_parameters()  # type: ignore[union-attr] # loaded
    assert facts.device == "cpu"
    assert facts.dtype == "bfloat16"
    assert facts.context_tokens == 256
    assert facts.settings["attn_implementation"] == "eager"
    assert facts.board_ids == ()
    assert "torch" in facts.engine


def test_leaving_releases_the_model_even_if_a_caller_deleted_it(model_directory: Path) -> None:
    """``del backend.model`` and ``del backend.tokenizer`` are allowed, and leaving is still clean."""
    backend = PyTorchBackend(settings(model_directory))
    with backend:
        del backend.model
        del backend.tokenizer
    assert backend.model is None
    backend._initialize_model()
    assert backend.model is not None
    backend.__exit__(None, None, None)


def test_a_directory_without_a_model_names_itself(tmp_path: Path) -> None:
    """A load error names the model and keeps its cause."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BackendError) as caught:
        PyTorchBackend(settings(tmp_path))._initialize_model()
    assert str(tmp_path) in caught.value.message


def test_cuda_without_a_board_is_a_problem_before_loading(model_directory: Path) -> None:
    """Asking for CUDA where there is none is said by ``problems``, not discovered as 0 J later."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    backend = PyTorchBackend(evolve(settings(model_directory), device="cuda"))
    (problem,) = backend.problems(Demand(Generation()))
    assert "no CUDA device" in problem


def test_stop_strings_in_a_batch_are_refused(model_directory: Path) -> None:
    """Rows that end at a string cannot be counted in a batch, so the setting is refused by name."""
    backend = PyTorchBackend(settings(model_directory))
    generation = Generation(stop_strings=("\n",))
    assert backend.problems(Demand(generation)) == ()
    assert "stop_strings" in backend.problems(Demand(generation, batch_size=4))[0]


def test_stop_strings_end_a_single_request(model_directory: Path) -> None:
    """At batch size 1 a stop string ends the request with the token that completes it."""
    open_ended = Generation(max_new_tokens=60, min_new_tokens=60)
    with PyTorchBackend(settings(model_directory)) as backend:
        request = requests("The quick brown fox jumps over the lazy dog.")
        (full,) = completions(generate(backend, Batch(request, open_ended)))
        assert backend.tokenizer is not None
        characters = [backend.tokenizer.decode([token_id]) for token_id in full.output_token_ids]
        position, stop = next((at, each) for at, each in enumerate(characters) if at > 4 and each.isascii() and each)
        first = characters.index(stop)
        (cut,) = completions(generate(backend, Batch(request, evolve(open_ended, stop_strings=(stop,)))))
    assert cut.output_tokens == first + 1 <= position + 1
    assert cut.finish_reason == "stop"
