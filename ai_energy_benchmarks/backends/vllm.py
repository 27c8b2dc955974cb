"""vLLM as a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ai_energy_benchmarks.backends.openai_server import OpenAIServerBackend


class VllmBackend(OpenAIServerBackend):
    """A vLLM server; its further request keys are those of its "extra parameters" documentation."""

    NAME: ClassVar[str] = "vllm"
    ENGINE: ClassVar[str] = "vLLM"
    DIALECT: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "min_p": "min_p",
        "min_new_tokens": "min_tokens",
        "repetition_penalty": "repetition_penalty",
    }
