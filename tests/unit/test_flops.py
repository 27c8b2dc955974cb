"""Parameters and operations of models, against what their makers published."""

from __future__ import annotations

import pytest
from attrs import evolve, frozen

from ai_energy_benchmarks.analysis import flops
from ai_energy_benchmarks.analysis.board_peaks import _PEAKS, arithmetic_of, peak
from ai_energy_benchmarks.backends.pytorch.options import Quantization
from ai_energy_benchmarks.domain.architecture import Architecture

GPT2 = Architecture(
    "gpt2",
    layers=12,
    hidden_size=768,
    heads=12,
    kv_heads=12,
    head_size=64,
    feed_forward_size=3072,
    vocabulary=50257,
    gated=False,
    tied_embeddings=True,
    learned_positions=1024,
    layer_norms=True,
    attention_bias=True,
    every_bias=True,
)
GPT3 = evolve(
    GPT2,
    family="gpt3",
    layers=96,
    hidden_size=12288,
    heads=96,
    kv_heads=96,
    head_size=128,
    feed_forward_size=49152,
    learned_positions=2048,
)
LLAMA_2_7B = Architecture("llama", 32, 4096, 32, 32, 128, 11008, 32000)
LLAMA_3_8B = Architecture("llama", 32, 4096, 32, 8, 128, 14336, 128256)
MIXTRAL = evolve(LLAMA_3_8B, family="mixtral", vocabulary=32000, experts=8, active_experts=2)
QWEN_2_5 = Architecture("qwen2", 24, 896, 14, 2, 64, 4864, 151936, tied_embeddings=True, attention_bias=True)


@frozen
class Published:
    """A count as its makers gave it, rounded as they did."""

    shape: Architecture
    parameters: float
    rounding: float
    active: bool = False


PUBLISHED = {
    # README of github.com/openai/gpt-2: "the 124M parameter model".
    "GPT-2": Published(GPT2, 124e6, 0.5e6),
    # Brown et al. 2020, table D.1: 174,600 M.
    "GPT-3": Published(GPT3, 174.6e9, 0.05e9),
    # Touvron et al. 2023, LLaMA, table 2 (Llama 2 7B has its shape): 6.7B.
    "Llama-2-7B": Published(LLAMA_2_7B, 6.7e9, 0.05e9),
    # Model card of meta-llama/Meta-Llama-3-8B: 8.03B.
    "Llama-3-8B": Published(LLAMA_3_8B, 8.03e9, 0.005e9),
    # Mistral AI 2023, "Mixtral of experts": 46.7B in total, 12.9B per token.
    "Mixtral-8x7B": Published(MIXTRAL, 46.7e9, 0.05e9),
    "Mixtral-8x7B, active": Published(MIXTRAL, 12.9e9, 0.05e9, active=True),
    # Model card of Qwen/Qwen2.5-0.5B: 0.49B.
    "Qwen2.5-0.5B": Published(QWEN_2_5, 0.49e9, 0.005e9),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name: str) -> None:
    """To the digits that the makers gave."""
    published = PUBLISHED[name]
    counted = flops.parameters(published.shape, active=published.active)
    assert abs(counted - published.parameters) <= published.rounding


def test_parameters_are_exact() -> None:
    """Elements in the checkpoints' own files; a router chooses among experts, and a lone one has none."""
    # model.safetensors.index.json of mistralai/Mixtral-8x7B-v0.1: 93,405,585,408 bytes in bfloat16.
    assert flops.parameters(MIXTRAL) == 93_405_585_408 // 2
    # model.safetensors.index.json of meta-llama/Meta-Llama-3-8B: 16,060,522,496 bytes in bfloat16.
    assert flops.parameters(LLAMA_3_8B) == 16_060_522_496 // 2
    # "124,439,808 parameters": transformers' GPT2Model documentation and OpenAI's checkpoint.
    assert flops.parameters(GPT2) == 124_439_808
    # Safetensors' count on the model card of Qwen/Qwen2.5-0.5B.
    assert flops.parameters(QWEN_2_5) == 494_032_768


def test_training_of_gpt3_took_what_its_makers_published() -> None:
    """Brown et al. 2020, table D.1: 3.14e23 operations for 300 billion tokens, backward twice forward, no attention."""
    forward = flops.per_token(GPT3, 0.0, output=True)
    assert 3 * forward * 300e9 == pytest.approx(3.14e23, rel=0.002)


def test_attention_grows_with_the_context() -> None:
    """Kaplan et al. 2020, table 1: forward 2 N + 2 layers × context × width per token, of which half is masked."""
    short, long = (flops.per_token(GPT2, context, output=False) for context in (0.0, 1024 / 2))
    assert long - short == 2 * 12 * 1024 * 768


def test_a_request_is_the_sum_of_its_tokens() -> None:
    """Prompt tokens but the last give no output; the last output token is never computed on."""
    work = flops.request(LLAMA_3_8B, 5, 3)
    prompt = [flops.per_token(LLAMA_3_8B, n, output=n == 5) for n in range(1, 6)]
    later = [flops.per_token(LLAMA_3_8B, n, output=True) for n in (6, 7)]
    assert (work.prefill, work.decode) == (sum(prompt), sum(later))


def test_cached_prompt_tokens_cost_nothing() -> None:
    """What a prefix cache holds is not computed, but still looked at."""
    whole, cached = flops.request(LLAMA_3_8B, 100, 3), flops.request(LLAMA_3_8B, 100, 3, cached_tokens=60)
    spared = sum(flops.per_token(LLAMA_3_8B, n, output=False) for n in range(1, 61))
    assert whole.prefill - cached.prefill == spared
    assert whole.decode == cached.decode


def test_a_window_limits_what_a_token_looks_at() -> None:
    """Past the window every token looks at as many."""
    shape = evolve(LLAMA_3_8B, attention_window=4)
    work = flops.request(shape, 6, 1)
    looks = [1, 2, 3, 4, 4, 4]
    assert work.prefill == sum(flops.per_token(shape, n, output=i == 5) for i, n in enumerate(looks))


def test_a_request_without_output_did_no_known_work() -> None:
    """Nothing is claimed for it."""
    assert flops.request(LLAMA_3_8B, 10, 0).total == 0.0


@pytest.mark.parametrize(("share", "doubted"), [(0.0, False), (0.0099, False), (-0.0099, False), (0.0101, True)])
def test_weights_are_doubted_from_one_percent_on(share: float, doubted: bool) -> None:
    """A vocabulary that is padded a little is the same model; both counts are named."""
    counted = flops.parameters(QWEN_2_5)
    why = flops.doubt(QWEN_2_5, round(counted / (1 + share)))
    assert (why is not None) is doubted
    assert why is None or why.startswith(f"the config makes {counted:,} weights, the engine has ")


@pytest.mark.parametrize(("engine", "says"), [(None, "does not report"), (6_000_000_000, "6,000,000,000")])
def test_a_count_that_does_not_fit_is_doubted(engine: int | None, says: str) -> None:
    """With both figures, so that the reader can see by how much."""
    doubt = flops.doubt(LLAMA_3_8B, engine)
    assert doubt is not None
    assert says in doubt
    assert flops.doubt(LLAMA_3_8B, flops.parameters(LLAMA_3_8B)) is None


@pytest.mark.parametrize(
    ("board", "dtype", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312),
        ("NVIDIA A100-SXM4-80GB", "int8", 624),
        ("NVIDIA A100-SXM4-80GB", "float8", None),
        ("NVIDIA A100-SXM-64GB", "bfloat16", None),
        ("NVIDIA A100X", "bfloat16", None),
        ("NVIDIA H100 80GB HBM3", "float16", 989),
        ("NVIDIA H100 80GB HBM3", "float8", 1979),
        ("NVIDIA H100 PCIe", "float16", 756),
        ("NVIDIA H100 NVL", "bfloat16", 835.5),
        ("NVIDIA H200", "bfloat16", 989),
        ("NVIDIA H200 NVL", "bfloat16", 835.5),
        ("NVIDIA H200 NVL", "float8", 1670.5),
        ("NVIDIA GH200 480GB", "bfloat16", 990),
        ("NVIDIA B200", "bfloat16", 2250),
        ("NVIDIA B200", "int8", 4500),
        ("NVIDIA GeForce RTX 4090", "float16", 165.2),
        ("NVIDIA GeForce RTX 4090 D", "float16", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "float16", None),
        ("NVIDIA GeForce RTX 5090", "bfloat16", 209.5),
        ("AMD Instinct MI300X", "bfloat16", 1307.4),
        ("AMD Instinct MI300X", "float8", 2614.9),
        ("Tesla T4", "float16", 65),
        ("Tesla T4", "bfloat16", None),
        ("NVIDIA L40S", "float16", 362.05),
        ("NVIDIA L40S-48Q", "float16", None),
        ("NVIDIA L4", "float32", None),
        ("NVIDIA L4", "float16", 121),
        ("NVIDIA L4", None, None),
    ],
)
def test_only_known_gpus_have_a_peak(board: str, dtype: str | None, tera: float | None) -> None:
    """By the whole name, so that an H200 NVL is no H200; and only for the numbers that the sheet speaks of."""
    found = peak(board, dtype)
    assert (found and found.flop_per_s) == (tera and tera * 1e12)


def test_every_peak_is_dense_and_has_its_sheet() -> None:
    """Eight bits are twice as fast as sixteen at most four times; every figure names a maker's paper."""
    for (board, arithmetic), found in _PEAKS.items():
        assert found.source.endswith(", dense"), board
        assert found.source.startswith(("NVIDIA", "AMD")), board
        of_half = found.flop_per_s / _PEAKS[board, "float16"].flop_per_s
        assert of_half == 1 if arithmetic.endswith("float16") else 1.99 < of_half < 4.01, board


@pytest.mark.parametrize(
    ("dtype", "quantization", "arithmetic"),
    [
        ("bfloat16", None, "bfloat16"),
        (None, None, None),
        ("float16", "bitsandbytes, 8 bits", "int8"),
        ("float16", "bitsandbytes, 4 bits, nf4, computed in bfloat16, double", "bfloat16"),
        ("bfloat16", "bitsandbytes, 4 bits, nf4, computed in float32", "float32"),
        ("float16", "bitsandbytes", None),
        ("float16", "gptq", "float16"),
        ("bfloat16", "fp8", "float8"),
        ("bfloat16", "fbgemm_fp8", "float8"),
        ("bfloat16", "compressed-tensors", None),
        ("bfloat16", "mxfp4", None),
        ("bfloat16", "GGUF blocks, unpacked while loading", "bfloat16"),
    ],
)
def test_quantised_weights_are_set_against_the_numbers_they_are_multiplied_in(
    dtype: str | None, quantization: str | None, arithmetic: str | None
) -> None:
    """LLM.int8 multiplies whole numbers, FP8 checkpoints eight-bit floats; where that is not known there is no peak."""
    assert arithmetic_of(dtype, quantization) == arithmetic


def test_the_words_for_bitsandbytes_are_those_of_the_engine() -> None:
    """What the engine calls its own quantisation is understood, whatever is asked of it."""
    assert arithmetic_of("float16", str(Quantization(8))) == "int8"
    assert arithmetic_of("float16", str(Quantization(4))) == "bfloat16"
    assert arithmetic_of("float16", str(Quantization(4, compute_dtype="float16", double=True))) == "float16"
