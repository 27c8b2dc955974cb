"""Importing the package and asking for help load no engine, frame, numeric or HTTP library."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "accelerate", "aiohttp", "codecarbon", "datasets", "gguf", "httpx", "huggingface_hub", "numpy", "pandas", "polars",
    "pynvml", "requests", "scipy", "tokenizers", "torch", "transformers", "urllib3", "vllm", "yaml", "zeus",
}  # fmt: skip
HELP = """
import runpy
sys.argv = ["ai-energy-benchmark", "--help"]
try:
    runpy.run_module("ai_energy_benchmarks", run_name="__main__")
except SystemExit as leaving:
    assert not leaving.code, leaving.code
"""


def loaded_by(code: str) -> set[str]:
    """Modules that running ``code`` in a new Python adds to those that every Python starts with."""
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint('loaded', *(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_loads_only_the_package_itself() -> None:
    """``import ai_energy_benchmarks`` loads no other module of ours and none of anyone else."""
    loaded = {name for name in loaded_by("import ai_energy_benchmarks") if name not in sys.stdlib_module_names}
    assert {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names} == {"ai_energy_benchmarks"}


def test_importing_does_not_read_the_version() -> None:
    """``__version__`` is looked up when it is first asked for."""
    assert "importlib.metadata" not in loaded_by("import ai_energy_benchmarks")
    assert "importlib.metadata" in loaded_by("import ai_energy_benchmarks as package; assert package.__version__")


def test_help_loads_nothing_heavy() -> None:
    """``--help`` needs the command line only."""
    loaded = {name.split(".")[0] for name in loaded_by(HELP)}
    assert "click" in loaded
    assert loaded & HEAVY == set()


def test_public_names_resolve() -> None:
    """Every name in ``__all__`` can be imported, still without an engine or a frame library."""
    code = "import ai_energy_benchmarks as package\nfor name in package.__all__: assert getattr(package, name)"
    loaded = {name.split(".")[0] for name in loaded_by(code)}
    assert loaded & (HEAVY - {"yaml"}) == set()
