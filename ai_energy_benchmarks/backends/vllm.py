"""The public import path of the vLLM server backend, which lives in ``backends/server/``."""

from ai_energy_benchmarks.backends.server.vllm import VllmBackend

__all__ = ["VllmBackend"]
