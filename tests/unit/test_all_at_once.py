"""Everything that is in the way is said at once, with where a key belongs and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks import BackendError, BenchmarkError, BenchmarkRunner, ConfigError, DatasetError
from ai_energy_benchmarks.backends.server.http_connection import Response
from ai_energy_benchmarks.backends.server.replies import refusal
from ai_energy_benchmarks.config.loading import config_from_mapping, config_from_yaml
from ai_energy_benchmarks.domain.address import Address
from ai_energy_benchmarks.runner.obstacles import Obstacles

MAPPING = {"backend": {"type": "pytorch", "model": "m"}}


def test_a_check_finds_what_is_wrong_with_every_part(tmp_path: Path) -> None:
    """Reasoning, model, load, prompts and directory in one error, each with its fix."""
    pytest.importorskip("transformers", reason="without it the engine is missing and nothing else of it is said")
    (tmp_path / "file").touch()
    config = config_from_mapping(
        {
            "backend": {"type": "pytorch", "model": "./nowhere", "device": "cpu"},
            "scenario": {"dataset_name": str(tmp_path / "no.csv"), "reasoning": True},
            "load": {"concurrency": 8},
            "output_dir": str(tmp_path / "file" / "out"),
        }
    )
    with pytest.raises(ConfigError) as caught:
        BenchmarkRunner(config).check()
    message = str(caught.value)
    assert message.startswith("5 problems prevent this run:\n")
    for part in (
        "  scenario.reasoning is true, but",
        "  backend.model: './nowhere' is neither",
        "  load.concurrency: 8 batches",
        "no.csv: there is no such file",
        f"  cannot write {tmp_path / 'file' / 'out'}",
    ):
        assert part in message
    assert message.count("fix: ") == 5


def test_one_obstacle_is_the_error_that_it_was() -> None:
    """With its kind and its fix; the same one twice is one; none is no error."""
    Obstacles().report()
    alone = Obstacles()
    error = DatasetError("no prompts", remedy="add some")

    def refuse(each: BenchmarkError) -> None:
        raise each

    assert alone.tried(lambda: 7) == 7
    assert alone.tried(lambda: refuse(error)) is None
    alone.refuse(DatasetError("no prompts", remedy="add some"))
    with pytest.raises(DatasetError) as caught:
        alone.report()
    assert caught.value is error


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [((BackendError, DatasetError), BenchmarkError), ((BackendError, ConfigError), ConfigError),
     ((BackendError, BackendError), BackendError)],
)  # fmt: skip
def test_several_are_of_the_kind_that_they_share(
    kinds: tuple[type[BenchmarkError], ...], kind: type[BenchmarkError]
) -> None:
    """Or of the config, if one of them is; every fix stands below its problem."""
    obstacles = Obstacles()
    for number, each in enumerate(kinds):
        obstacles.refuse(each(f"problem {number}", remedy="mend it"))
    with pytest.raises(BenchmarkError) as caught:
        obstacles.report()
    assert type(caught.value) is kind
    assert str(caught.value).count("\n    fix: mend it") == 2


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("trials", "protocol.trials"),
        ("trails", "protocol.trials"),
        ("max_new_tokens", "scenario.generate_kwargs.max_new_tokens"),
        ("backend.num_samples", "scenario.num_samples"),
        ("scenario.num_sample", "num_samples"),
        ("protocol.trails", "trials"),
        ("metrics.warmup", "protocol.warmup"),
        ("bakend2", "backend"),
    ],
)
def test_an_unknown_key_is_told_where_it_belongs(path: str, meant: str) -> None:
    """By its own name in another block, else the nearest in its block or anywhere."""
    block, _, key = path.rpartition(".")
    inner = {key: 3}
    mapping = {**MAPPING, **({block: {**MAPPING.get(block, {}), **inner}} if block else inner)}
    with pytest.raises(ConfigError) as caught:
        config_from_mapping(mapping)
    assert f"{path}: is not a key of this block (value: 3); did you mean {meant!r}?" in str(caught.value)


@pytest.mark.parametrize("key", ["modle", "mode"])
def test_a_misspelt_required_key_is_one_problem(key: str) -> None:
    """The missing key of its block is meant, even where another block has that very name."""
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"backend": {"type": "pytorch", key: "m"}})
    assert f"backend.{key}: is not a key of this block (value: 'm'); did you mean 'model'?" in str(caught.value)
    assert "missing" not in str(caught.value)


def test_a_key_like_no_other_gets_the_keys_of_its_block() -> None:
    """Nothing is guessed."""
    with pytest.raises(ConfigError, match=r"protocol\.zzzz: is not a key of this block .*; known here: "):
        config_from_mapping({**MAPPING, "protocol": {"zzzz": 1}})


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("backend:\n\ttype: pytorch\n", "YAML takes no tabs: indent with spaces"),
        ("backend:\n  model: a: b: c\n", "put a value that holds a colon and a space in quotes"),
        ("backend: [1, 2\n", "correct the YAML on that line"),
    ],
)
def test_the_usual_mistakes_in_yaml_have_their_own_hint(text: str, fix: str) -> None:
    """Tabs, and a colon within a value."""
    with pytest.raises(ConfigError) as caught:
        config_from_yaml(text)
    assert fix in str(caught.value.remedy)


@pytest.mark.parametrize(("status", "shown"), [(404, True), (400, False)])
def test_a_path_that_a_server_does_not_have_is_shown(status: int, shown: bool) -> None:
    """With the whole address, so that a wrong prefix is seen; never a password."""
    response = Response(status, {})
    response.refusal = b"Not Found"
    address = Address("localhost", 8000, False, "/api/v1", "key=secret", "user:password")
    text = refusal(response, address, "/chat/completions")
    assert ("(http://localhost:8000/api/v1/chat/completions); check backend.endpoint" in text) is shown
    assert "secret" not in text
    assert "password" not in text
