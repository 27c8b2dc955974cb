"""Importing the package and asking for help load no engine, frame, numeric or HTTP library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_version_is_that_of_the_distribution_without_its_parser() -> None:
    """``__version__`` is what ``importlib.metadata`` reads, and of a wheel it is found without importing that."""
    code = "import ai_energy_benchmarks as package; value = package.__version__"
    assert "importlib.metadata" not in loaded_by("import ai_energy_benchmarks")
    check = "from importlib.metadata import version; assert value == version('ai_energy_benchmarks'), value"
    assert loaded_by(f"{code}; {check}")


def test_version_of_a_wheel_needs_no_other_module(tmp_path: Path) -> None:
    """The version stands in the metadata of the first installation on the path."""
    metadata = tmp_path / "ai_energy_benchmarks-7.8.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.4\nName: ai_energy_benchmarks\nVersion: 7.8.9\n\nVersion: 1\n")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    code = f"{path}\nimport ai_energy_benchmarks as package\nassert package.__version__ == '7.8.9'"
    assert "importlib.metadata" not in loaded_by(code)


def test_version_of_an_editable_tree_needs_no_other_module(tmp_path: Path) -> None:
    """What ``pip install -e`` of older versions leaves in the tree is read as well."""
    metadata = tmp_path / "ai_energy_benchmarks.egg-info" / "PKG-INFO"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.4\nName: ai_energy_benchmarks\nVersion: 7.8.9\n")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    code = f"{path}\nimport ai_energy_benchmarks as package\nassert package.__version__ == '7.8.9'"
    assert "importlib.metadata" not in loaded_by(code)


def test_importing_and_the_version_load_no_large_module_of_python(tmp_path: Path) -> None:
    """``typing``, ``contextlib`` and the like take longer to import than the package and its version together."""
    metadata = tmp_path / "ai_energy_benchmarks-7.8.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Version: 7.8.9\n")
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path[:0] = {[str(tmp_path), root]!r}; import ai_energy_benchmarks as package"
    shown = (
        "print(package.__version__, *({'typing', 'contextlib', 'collections', 're', 'importlib'} & set(sys.modules)))"
    )
    # Without site-packages, whose files for editable installations import such modules themselves.
    command = [sys.executable, "-S", "-E", "-c", f"{code}; {shown}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["7.8.9"]


def test_the_runner_loads_nothing_that_only_a_run_needs() -> None:
    """``from ai_energy_benchmarks import BenchmarkRunner`` loads neither attrs nor any other room."""
    loaded = loaded_by("from ai_energy_benchmarks import BenchmarkRunner")
    ours = {name for name in loaded if name.startswith("ai_energy_benchmarks.")}
    assert ours == {f"ai_energy_benchmarks.{name}" for name in ("errors", "runner", "runner.benchmark")}
    assert "attrs" not in loaded


def test_help_loads_nothing_heavy() -> None:
    """``--help`` needs the command line only."""
    loaded = {name.split(".")[0] for name in loaded_by(HELP)}
    assert "click" in loaded
    assert loaded & HEAVY == set()
    # All values of a result take as long to import as everything else together.
    assert "ai_energy_benchmarks.domain.result" not in loaded_by(HELP)


def test_public_names_resolve() -> None:
    """Every name in ``__all__`` can be imported, still without an engine or a frame library."""
    code = "import ai_energy_benchmarks as package\nfor name in package.__all__: assert getattr(package, name)"
    loaded = {name.split(".")[0] for name in loaded_by(code)}
    assert loaded & (HEAVY - {"yaml"}) == set()
