"""NVIDIA GPUs, through the library of their driver."""

from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector

__all__ = ["NvmlCollector"]
