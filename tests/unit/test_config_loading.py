"""Config files: every kind of mistake gives one clear message, and all mistakes are told together."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.config.loading import (
    config_from_mapping,
    config_from_yaml,
    config_to_mapping,
    config_to_yaml,
    load_config,
)
from ai_energy_benchmarks.config.model import DEFAULT_REPORTERS
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.metrics.auto import AutoOptions
from ai_energy_benchmarks.metrics.replay import ReplayOptions

SMALLEST = "backend: {type: pytorch, model: some/model}\n"


def refused(text: str) -> list[str]:
    """The lines of the error that a YAML text gives."""
    with pytest.raises(ConfigError) as caught:
        config_from_yaml(text, "my.yaml")
    assert caught.value.remedy
    return caught.value.message.splitlines()


def only_problem(text: str) -> str:
    """The one problem of a YAML text, below the line that names the file."""
    title, problem = refused(text)
    assert title == "my.yaml has a problem:"
    return problem.strip()


def test_the_smallest_config_has_every_default() -> None:
    """A backend's type and model are enough; the meter is auto, five trials, four reporters."""
    config = config_from_yaml(SMALLEST)
    assert (config.backend.type, config.backend.model, config.backend.device) == ("pytorch", "some/model", "auto")
    assert config.protocol.trials == 5
    assert [member.type for member in config.metrics.collectors] == ["auto"]
    assert config.reporters == DEFAULT_REPORTERS
    assert config.scenario.dataset_name == "builtin"


def test_every_block_is_read() -> None:
    """Each key reaches its place with its type."""
    config = config_from_yaml("""
name: full
backend:
  type: pytorch
  model: m
  device: cuda
  device_ids: [1, 0]
  options: {dtype: bfloat16, max_memory: {0: 20GiB, cpu: 1GiB}, threads: 2}
scenario:
  dataset_name: prompts.csv
  text_column_name: question
  num_samples: 7
  repeat: true
  truncation: false
  chat_template: false
  reasoning: true
  reasoning_params: {reasoning_effort: high, budget: 128}
  input_shapes: {batch_size: 3}
  generate_kwargs: {max_new_tokens: 9, min_new_tokens: 2, do_sample: true, temperature: 1, stop_strings: ["\\n"]}
  seed: 4
protocol: {bare_idle_s: 0, resident_idle_s: 1.5, warmup: {mode: fixed, requests: 0}, thermal_gate: false, trials: 2}
metrics:
  collectors: [modelled, {type: replay, options: {path: trace.csv, provenance: measured}}]
  country_iso_code: DEU
  carbon: {intensity_g_per_kwh: 380, source: a table, pue: 1.2}
reporters: [json, {type: csv, output_file: rows.csv}]
output_dir: out
save_texts: true
""")
    assert config.backend.device_ids == (1, 0)
    assert config.backend.options == PyTorchOptions(
        dtype="bfloat16", max_memory={"0": "20GiB", "cpu": "1GiB"}, threads=2
    )
    generate = config.scenario.generate_kwargs
    assert (generate.max_new_tokens, generate.min_new_tokens, generate.stop_strings) == (9, 2, ("\n",))
    assert isinstance(generate.temperature, float)
    assert config.scenario.reasoning_params == {"reasoning_effort": "high", "budget": 128}
    assert (config.protocol.bare_idle_s, config.protocol.resident_idle_s, config.protocol.warmup.requests) == (
        0,
        1.5,
        0,
    )
    assert config.metrics.collectors[1].options == ReplayOptions(Path("trace.csv"), "measured")
    assert config.metrics.carbon is not None
    assert config.metrics.carbon.pue == 1.2
    assert [(each.type, each.output_file) for each in config.reporters] == [("json", None), ("csv", Path("rows.csv"))]
    assert config.output_dir == Path("out")


def test_all_problems_are_told_together_in_the_order_of_the_file() -> None:
    """Unknown keys, wrong types and values out of range: one error, each with line, path and value."""
    assert refused("""
backend:
  type: pytorhc
  model: 3
scenario:
  num_smaples: 7
  num_samples: -1
  generate_kwargs:
    max_new_tokens: 2.7
protocol:
  trials: "3"
""") == [
        "my.yaml has 6 problems:",
        f"  line 3: backend.type: {registry.unknown_name('backends', 'pytorhc')}",
        "  line 4: backend.model: must be text, got 3; put it in quotes",
        "  line 6: scenario.num_smaples: is not a key of this block (value: 7); did you mean 'num_samples'?",
        "  line 7: scenario.num_samples: must be at least 1, got -1",
        "  line 9: scenario.generate_kwargs.max_new_tokens: must be a whole number, got 2.7",
        "  line 11: protocol.trials: must be a whole number, got '3'",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: null", "line 2: name: must be text, got null"),
        ("name: ''", "line 2: name: must be text that is not empty, got ''"),
        ("save_texts: 1", "line 2: save_texts: must be true or false, got 1"),
        ("save_texts: yes", "line 2: save_texts: must be true or false, got 'yes'"),
        ("output_dir: 3", "line 2: output_dir: must be a path, got 3"),
        ("output_dir: ''", "line 2: output_dir: must be a path that is not empty, got ''"),
        ("scenario:", "line 2: scenario: must be a mapping with keys, got null"),
        ("scenario: {num_samples: true}", "line 2: scenario.num_samples: must be a whole number, got true"),
        ("scenario: {num_samples: 1e2}", "line 2: scenario.num_samples: must be a whole number, got 100.0"),
        ("scenario: {seed: -1}", "line 2: scenario.seed: must be at least 0, got -1"),
        (
            "scenario: {seed: 99999999999999999999}",
            "line 2: scenario.seed: must be a whole number of at most 63 bits, got a whole number of 67 bits",
        ),
        ("scenario: {reasoning: low}", "line 2: scenario.reasoning: must be true or false, got 'low'"),
        (
            "scenario: {reasoning_params: {effort: [low]}}",
            "line 2: scenario.reasoning_params.effort: "
            "must be text or a whole number or a number or true or false, got ['low']",
        ),
        (
            "scenario: {generate_kwargs: {do_sample: true, temperature: 0}}",
            "line 2: scenario.generate_kwargs.temperature: must be more than 0, got 0",
        ),
        (
            "scenario: {generate_kwargs: {do_sample: true, top_p: 1.5}}",
            "line 2: scenario.generate_kwargs.top_p: must be at most 1, got 1.5",
        ),
        (
            "scenario: {generate_kwargs: {num_beams: 4}}",
            "line 2: scenario.generate_kwargs.num_beams: is not a key of this block (value: 4); known here: "
            "do_sample, max_new_tokens, min_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty, "
            "stop_strings",
        ),
        (
            "scenario: {generate_kwargs: {stop_strings: [a, '']}}",
            "line 2: scenario.generate_kwargs.stop_strings[1]: must be text that is not empty, got ''",
        ),
        ("protocol: {bare_idle_s: .inf}", "line 2: protocol.bare_idle_s: must be a finite number, got inf"),
        ("protocol: {bare_idle_s: .nan}", "line 2: protocol.bare_idle_s: must be a finite number, got nan"),
        ("protocol: {bare_idle_s: -0.5}", "line 2: protocol.bare_idle_s: must be at least 0, got -0.5"),
        ("protocol: {thermal_gate: 0}", "line 2: protocol.thermal_gate: must be true or false or a mapping, got 0"),
        (
            "protocol: {thermal_gate: {window_s: 0}}",
            "line 2: protocol.thermal_gate.window_s: must be more than 0, got 0",
        ),
        (
            "protocol: {thermal_gate: true, warmup: {requests: 0}}",
            "line 2: protocol.thermal_gate: generates the requests of the warm-up, of which there are none; "
            "set protocol.warmup.requests",
        ),
        (
            "protocol: {warmup: {mode: converge, requests: 0}}",
            "line 2: protocol.warmup.requests: must be at least 1 with mode: converge, got 0",
        ),
        (
            "protocol: {warmup: {mode: converge, max_requests: 4}}",
            "line 2: protocol.warmup.max_requests: must be at least last (5), got 4",
        ),
        (
            "protocol: {warmup: {mode: fixd}}",
            "line 2: protocol.warmup.mode: must be one of 'fixed', 'converge', got 'fixd'; did you mean 'fixed'?",
        ),
        ("metrics: {collectors: auto}", "line 2: metrics.collectors: must be a list, got 'auto'"),
        (
            "metrics: {collectors: [auot]}",
            f"line 2: metrics.collectors[0].type: {registry.unknown_name('collectors', 'auot')}",
        ),
        (
            "metrics: {collectors: [{type: replay, options: {file: x}}]}",
            "line 2: metrics.collectors[0].options.file: is not a key of this block (value: 'x'); "
            "known here: path, provenance",
        ),
        (
            "metrics: {collectors: [3]}",
            "line 2: metrics.collectors[0]: must be a name or a mapping with keys, got 3",
        ),
        (
            "metrics: {country_iso_code: us}",
            "line 2: metrics.country_iso_code: must be three capital letters, such as USA, got 'us'",
        ),
        (
            "metrics: {carbon: {intensity_g_per_kwh: 1}}",
            "line 2: metrics.carbon.source: must say where the intensity comes from",
        ),
        ("reporters: [jsn]", f"line 2: reporters[0].type: {registry.unknown_name('reporters', 'jsn')}"),
        ("scenarios: 4", "line 2: scenarios: is not a key of this block (value: 4); did you mean 'scenario'?"),
    ],
)
def test_one_wrong_value(text: str, problem: str) -> None:
    """Each wrong value is told with its line, path, the value found and what would be right."""
    assert only_problem(SMALLEST + text) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("backend: {type: pytorch}", "line 1: backend.model: is required and missing"),
        ("name: x", "backend: is required and missing"),
        ("backend: pytorch", "line 1: backend: must be a mapping with keys, got 'pytorch'"),
        ("backend: {type: 3, model: m}", "line 1: backend.type: must be text, got 3"),
        (
            "backend: {type: pytorch, model: m, options: {dtype: floot16}}",
            "line 1: backend.options.dtype: must be one of 'auto', 'float32', 'bfloat16', 'float16', got 'floot16'; "
            "did you mean 'float16'?",
        ),
        (
            "backend: {type: pytorch, model: m, options: {device_map: {layer: [1]}}}",
            "line 1: backend.options.device_map.layer: must be text or a whole number, got [1]",
        ),
        (
            "backend: {type: pytorch, model: m, device_ids: [0, x]}",
            "line 1: backend.device_ids[1]: must be a whole number, got 'x'",
        ),
        (
            "backend: {type: pytorch, model: m, task: chat}",
            "line 1: backend.task: must be 'text-generation', got 'chat'",
        ),
        (
            "backend: {type: pytorch, model: m, options: {max_memory: {0: 1GiB, '0': 2GiB}}}",
            "line 1: backend.options.max_memory: has a key both as text and as a number: {0: '1GiB', '0': '2GiB'}",
        ),
    ],
)
def test_one_wrong_backend(text: str, problem: str) -> None:
    """A backend is checked together with the options of its own class."""
    assert only_problem(text) == problem


def test_a_key_that_is_no_text() -> None:
    """A number as a key is unknown like any other, and where no name is near all are listed."""
    problem = only_problem(SMALLEST + "3: 4")
    assert problem.startswith("line 2: 3: is not a key of this block (value: 4); known here: backend, name, scenario, ")


def test_what_an_options_class_itself_refuses_is_told_beside_the_rest() -> None:
    """A validator of the options has its say even where another option is wrong."""
    lines = refused("backend: {type: pytorch, model: m, options: {dtpye: auto, threads: 0}}")
    assert lines[1:] == [
        "  line 1: backend.options.dtpye: is not a key of this block (value: 'auto'); did you mean 'dtype'?",
        "  line 1: backend.options: 'threads' must be >= 1: 0",
    ]


def test_options_of_an_unknown_backend_are_not_judged() -> None:
    """Only the name is a problem: nobody can say what its options are."""
    problem = only_problem("backend: {type: elsewhere, model: m, options: {anything: 1}}")
    assert problem.startswith("line 1: backend.type: unknown backend 'elsewhere'")


def test_default_meters_get_options_of_their_own_class() -> None:
    """A meter that is not named is the same as one named without options."""
    unnamed, named = config_from_yaml(SMALLEST), config_from_yaml(SMALLEST + "metrics: {collectors: [auto]}")
    assert unnamed == named
    assert unnamed.metrics.collectors[0].options == AutoOptions()


def test_the_older_keys_are_read() -> None:
    """``metrics.type`` is a list of one collector and ``reporter`` a list of one reporter."""
    older = config_from_yaml(SMALLEST + "metrics: {type: modelled}\nreporter: {type: csv, output_file: rows.csv}")
    newer = config_from_yaml(
        SMALLEST + "metrics: {collectors: [modelled]}\nreporters: [{type: csv, output_file: rows.csv}]"
    )
    assert older == newer


def test_older_and_newer_keys_together_are_refused() -> None:
    """Nobody can say which of the two is meant."""
    text = SMALLEST + "metrics: {type: auto, collectors: [auto]}\nreporter: csv\nreporters: [json]"
    assert refused(text)[1:] == [
        "  line 2: metrics.type: is the older form of 'collectors', which is given too; keep one",
        "  line 3: reporter: is the older form of 'reporters', which is given too; keep one",
    ]


def test_problems_of_older_keys_have_the_paths_that_the_user_wrote() -> None:
    """A wrong ``metrics.type`` is not called ``metrics.collectors[0].type``."""
    lines = refused(SMALLEST + "metrics: {type: rapll}\nreporter: {type: xml}")
    assert lines[1].startswith("  line 2: metrics.type: unknown collector 'rapll'")
    assert lines[2].startswith("  line 3: reporter.type: unknown reporter 'xml'")


@pytest.mark.parametrize("content", ["", "\n# only a comment\n", "---\n"])
def test_an_empty_file(tmp_path: Path, content: str) -> None:
    """An empty file is called empty, and the message says what a config needs."""
    file = tmp_path / "empty.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"empty\.yaml (is empty|must hold a mapping with keys, got null)") as caught:
        load_config(file)
    assert caught.value.remedy == "a config needs at least backend.type and backend.model"


@pytest.mark.parametrize("content", ["just text", "- a\n- b\n", "3"])
def test_a_file_that_is_no_mapping(tmp_path: Path, content: str) -> None:
    """A list or a single value is refused as a whole."""
    file = tmp_path / "list.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match="must hold a mapping with keys, got"):
        load_config(file)


def test_a_missing_file(tmp_path: Path) -> None:
    """The message has the path."""
    with pytest.raises(ConfigError, match=r"there is no file .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_directory(tmp_path: Path) -> None:
    """A directory is called one."""
    with pytest.raises(ConfigError, match="is a directory, not a file"):
        load_config(tmp_path)


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused, with the fix."""
    file = tmp_path / "latin.yaml"
    file.write_bytes("name: Zürich".encode("latin-1"))
    with pytest.raises(ConfigError, match="is not UTF-8 text") as caught:
        load_config(file)
    assert caught.value.remedy == "save it as UTF-8"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """Editors that begin a file with a mark do no harm."""
    file = tmp_path / "marked.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert load_config(file) == config_from_yaml(SMALLEST)


def test_a_path_with_a_nul_character() -> None:
    """Even a path that no system accepts gives a ConfigError."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config("a\0b.yaml")


def test_a_mapping_is_loaded_without_lines() -> None:
    """What comes from Python has no lines, and its source is named as the caller says."""
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"backend": {"type": "pytorch", "model": "m"}, "output_dir": None}, source="the study")
    assert caught.value.message == "the study has a problem:\n  output_dir: must be a path, got null"


def test_a_mapping_is_taken_literally() -> None:
    """References to the environment are replaced in files only."""
    config = config_from_mapping({"backend": {"type": "pytorch", "model": "${MODEL}"}})
    assert config.backend.model == "${MODEL}"
    assert config_from_yaml(config_to_yaml(config)) == config


def test_a_config_error_is_a_value_error() -> None:
    """Scripts written for 0.0.x catch ValueError."""
    with pytest.raises(ValueError, match="is empty"):
        config_from_yaml("")


def test_overridden_values_are_told_as_overrides(tmp_path: Path) -> None:
    """A wrong value from an override is not blamed on a line of the file."""
    file = tmp_path / "ok.yaml"
    file.write_text(SMALLEST + "scenario: {num_samples: 3}\n")
    assert load_config(file, {"scenario.num_samples": 5}).scenario.num_samples == 5
    with pytest.raises(ConfigError, match=r"\n  override: scenario\.num_samples: must be at least 1, got 0\n"):
        load_config(file, {"scenario": {"num_samples": 0}})


def test_the_mapping_of_a_config_is_plain() -> None:
    """Only mappings with text keys, lists and scalars, with every default spelt out."""

    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and plain(each) for key, each in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return value is None or type(value) in (str, int, float, bool)

    config = config_from_yaml(SMALLEST)
    mapping = config_to_mapping(config)
    assert plain(mapping)
    assert mapping["protocol"] == {
        "bare_idle_s": 10.0,
        "resident_idle_s": 10.0,
        "settle_cap_s": 60.0,
        "warmup": {"mode": "fixed", "requests": 10, "last": 5, "cv": 0.05, "max_requests": 50},
        "thermal_gate": None,
        "trials": 5,
        "repeats": "trials",
    }
    assert config_from_mapping(mapping) == config
