"""The config that ``init`` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.init import starting_point
from ai_energy_benchmarks.cli.main import exit_code
from ai_energy_benchmarks.config.loading import config_from_yaml, load_config
from ai_energy_benchmarks.config.model import ProtocolConfig
from ai_energy_benchmarks.environment.doctor import DoctorReport
from ai_energy_benchmarks.environment.lines import Line

BOARD = Line("GPU 0", "ready", "NVIDIA H200, 141 GiB, driver 570")
METER = Line("nvml", "missing", "no board\nwas found")
MISSING = Line("pytorch", "missing", "torch not installed", 'pip install "ai_energy_benchmarks[pytorch]"')


def report(*hardware: Line, pytorch: Line, vllm: str = "limited") -> DoctorReport:
    """A machine with these engines."""
    server = Line("vllm", "ready" if vllm == "ready" else "limited", f"vllm {vllm}")
    return DoctorReport(hardware, (METER,), (pytorch, server), (), (), ())


@pytest.mark.parametrize("name", ["benchmark.yaml", "my run: #1.yaml", "2.yaml"])
@pytest.mark.parametrize("boards", [(), (BOARD,)])
@pytest.mark.parametrize(("pytorch", "vllm", "engine"), [
    (Line("pytorch", "ready", "torch 2.13.0"), "ready", "pytorch"),
    (MISSING, "ready", "vllm"),
    (MISSING, "limited", "pytorch"),
])  # fmt: skip
def test_it_loads_on_every_machine(name: str, boards: tuple[Line, ...], pytorch: Line, vllm: str, engine: str) -> None:
    """The engine is one that is installed; the protocol is the full one; a name with odd characters does no harm."""
    text = starting_point(Path(name), report(*boards, pytorch=pytorch, vllm=vllm))
    config = config_from_yaml(text)
    assert config.backend.type == engine
    assert config.backend.launch == (engine == "vllm")
    assert config.protocol == ProtocolConfig()
    assert (BOARD.detail in text) == bool(boards)


def test_it_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file validates; a second time it is refused with a fix, and what the user changed in it stays."""
    monkeypatch.chdir(tmp_path)
    assert exit_code(["init"]) == 0
    assert load_config("benchmark.yaml").backend.model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    Path("benchmark.yaml").write_text("mine")
    assert exit_code(["init"]) == 2
    assert "fix: name another file, or use --force" in capsys.readouterr().err
    assert Path("benchmark.yaml").read_text() == "mine"
    assert exit_code(["init", "--force"]) == 0
    assert Path("benchmark.yaml").read_text() != "mine"


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where a directory should be: the exit code of what cannot be written, and no traceback."""
    (tmp_path / "file").write_text("")
    assert exit_code(["init", str(tmp_path / "file" / "a.yaml")]) == 1
    assert "cannot write" in capsys.readouterr().err
