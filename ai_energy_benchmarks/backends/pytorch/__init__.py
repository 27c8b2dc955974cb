"""Hugging Face models in this process, through PyTorch and transformers."""

from ai_energy_benchmarks.backends.pytorch.backend import PyTorchBackend

__all__ = ["PyTorchBackend"]
