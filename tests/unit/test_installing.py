"""Lines that install this package install the copy that printed them, whether it came from an index or from a clone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_energy_benchmarks.cli.states import _wrapped
from ai_energy_benchmarks.machine.installing import Origin, arguments, install_line, origin_of


def test_a_copy_from_an_index_is_installed_from_there() -> None:
    """With its extras, and in the version of this one where another environment must have the same."""
    assert arguments(["vllm"], origin_of(None)) == '"ai_energy_benchmarks[vllm]"'
    assert arguments(["b", "a", "b"], Origin(), version="0.1.0") == '"ai_energy_benchmarks[a,b]==0.1.0"'
    assert arguments((), Origin()) == '"ai_energy_benchmarks"'


def test_a_copy_from_a_clone_is_installed_from_the_clone(tmp_path: Path) -> None:
    """An index has no such version before it is released; the quotes keep blanks and brackets from the shell."""
    clone = tmp_path / "my clone"
    clone.mkdir()
    record = {"url": clone.as_uri(), "dir_info": {"editable": True}}
    assert arguments(["vllm"], origin_of(json.dumps(record))) == f'-e "{clone}[vllm]"'
    record["dir_info"] = {}
    assert arguments((), origin_of(json.dumps(record)), version="0.1.0") == f'"{clone}"'
    clone.rmdir()
    assert origin_of(json.dumps(record)) == Origin()


def test_a_wheel_and_a_repository_are_named_by_their_address(tmp_path: Path) -> None:
    """As a direct reference; a wheel that is gone, as in an image that was built with it, is not."""
    wheel = tmp_path / "p-0.1.0-py3-none-any.whl"
    wheel.touch()
    of_wheel = json.dumps({"url": wheel.as_uri(), "archive_info": {}})
    assert arguments(["x"], origin_of(of_wheel)) == f'"ai_energy_benchmarks[x] @ {wheel.as_uri()}"'
    wheel.unlink()
    assert origin_of(of_wheel) == Origin()
    of_git = json.dumps({"url": "https://h/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}})
    assert arguments(["x"], origin_of(of_git)) == '"ai_energy_benchmarks[x] @ git+https://h/r.git@abc"'


@pytest.mark.parametrize("text", ["", "[]", "{}", "no JSON", '{"url": 3}', '{"url": "file:///x", "dir_info": 3}'])
def test_a_record_that_cannot_be_read_is_that_of_an_index(text: str) -> None:
    """Nothing is known of it then."""
    assert origin_of(text) == Origin()


def test_a_command_is_never_broken(tmp_path: Path) -> None:
    """Columns of doctor leave the quoted path of a clone whole, so that the line can be copied."""
    line = f"pip install {arguments(['vllm'], Origin(tmp_path / 'my clone', editable=True))}"
    assert line in _wrapped(f"vllm not installed; {line} and then go on with something else", 40)
    assert install_line("vllm").startswith("pip install ")
