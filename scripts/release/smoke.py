"""Whether an installed wheel works: run by the interpreter that has it, away from the repository.

    PYTHON -I smoke.py VERSION

Prints one line for each thing tried. Needs the base install only: the benchmark runs on the package's own fakes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def names(version: str) -> str:
    """The version is the one asked for and every public name resolves."""
    import ai_energy_benchmarks as package

    if package.__version__ != version:
        raise AssertionError(f"asked for {version}, installed is {package.__version__}")
    for name in package.__all__:
        getattr(package, name)
    return f"{len(package.__all__)} public names of {package.__version__}"


def promises() -> str:
    """What users were told to import still works, and finds the files that it needs."""
    from ai_energy_benchmarks import BenchmarkRunner, create_benchmark
    from ai_energy_benchmarks.backends.base import Backend
    from ai_energy_benchmarks.config.parser import BackendConfig, BenchmarkConfig, ConfigParser
    from ai_energy_benchmarks.formatters.registry import FormatterRegistry
    from ai_energy_benchmarks.runner import BenchmarkRunner as Again
    from ai_energy_benchmarks.runner import run_benchmark_from_config

    promised = (BackendConfig, BenchmarkConfig, ConfigParser, Backend, create_benchmark, run_benchmark_from_config)
    if BenchmarkRunner is not Again:
        raise AssertionError("BenchmarkRunner is not one class")
    if FormatterRegistry()._find_model_config("openai/gpt-oss-20b") is None:
        raise AssertionError("FormatterRegistry finds no formats: is reasoning_formats.yaml in the wheel?")
    return f"{len(promised) + 2} names that older scripts import; the reasoning formats are found"


def command() -> str:
    """The console script and ``python -m`` both answer."""
    script = Path(sys.executable).with_name("ai-energy-benchmark")
    for start in ([str(script)], [sys.executable, "-m", "ai_energy_benchmarks"]):
        for arguments in (["--help"], ["list"]):
            subprocess.run([*start, *arguments], check=True, capture_output=True)
    return "--help and list, as a script and as a module"


def benchmark() -> str:
    """A whole benchmark on fakes: 100 W over 2 prompts of 4 tokens at 0.25 s each is 200 J, so 25 J a token."""
    from ai_energy_benchmarks import BenchmarkConfig, BenchmarkRunner
    from ai_energy_benchmarks.config.model import BackendConfig, ReporterConfig, ScenarioConfig
    from ai_energy_benchmarks.testing import FakeBackend, FakeClock, FakeCollector, Journal

    journal = Journal()
    clock = FakeClock(journal)
    with tempfile.TemporaryDirectory() as directory:
        config = BenchmarkConfig(
            backend=BackendConfig("pytorch", "fake-model"),
            scenario=ScenarioConfig(num_samples=2),
            reporters=tuple(ReporterConfig(name) for name in ("json", "csv", "parquet")),
            output_dir=Path(directory),
        )
        runner = BenchmarkRunner(
            config, backend=FakeBackend(journal, clock), collector=FakeCollector(journal, clock), clock=clock
        )
        report = runner.run()
        written = sorted(path.name for path in runner.files)
        json.dumps(report)
    assert runner.result is not None
    [gpu] = runner.result.summary.components
    if gpu.per_output_token_j is None or abs(gpu.per_output_token_j.mean - 25.0) > 1e-9:
        raise AssertionError(f"100 W for 2 s over 8 tokens should be 25 J a token, got {gpu.per_output_token_j}")
    return f"25 J a token on fakes; wrote {', '.join(written)}"


def main() -> None:
    """Try everything."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(f"ok  {names(sys.argv[1])}")
    print(f"ok  {promises()}")
    print(f"ok  {command()}")
    print(f"ok  {benchmark()}")


if __name__ == "__main__":
    main()
