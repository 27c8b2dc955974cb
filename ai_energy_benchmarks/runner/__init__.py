"""``BenchmarkRunner`` and the two ways to get one: the order of one benchmark, and nothing else."""

from ai_energy_benchmarks.runner.benchmark import BenchmarkRunner, create_benchmark, run_benchmark_from_config

__all__ = ["BenchmarkRunner", "create_benchmark", "run_benchmark_from_config"]
