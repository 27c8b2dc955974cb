"""The file of a study: its axes and ranges, what is refused, and what is merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ai_energy_benchmarks.config.user_defaults import UserDefaults
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.study.plan.constraints import parse_constraint
from ai_energy_benchmarks.study.plan.expansion import Expansion, cell_mapping, expand
from ai_energy_benchmarks.study.plan.file import load_study, study_from_mapping
from ai_energy_benchmarks.study.plan.study import is_study

BASE = {"backend": {"type": "pytorch", "model": "m"}}


def expanded(**study: Any) -> Expansion:
    return expand(study_from_mapping({"base": BASE, **study}))


def values(axis: object, key: str = "scenario.num_samples") -> list[object]:
    return [cell.settings[key] for cell in expanded(sweep={key: axis}).cells]


def refused(text: str, tmp_path: Path) -> str:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        expand(load_study(file))
    return str(caught.value)


@pytest.mark.parametrize(
    ("axis", "wanted"),
    [
        ([3, 1, 3], [3, 1]),
        ({"min": 10, "max": 40, "num": 4}, [10, 20, 30, 40]),
        ({"log": {"min": 1, "max": 1000, "num": 4}}, [1, 10, 100, 1000]),
        ({"log": {"min": 1, "max": 10, "num": 3}}, [1, 3, 10]),
        ({"pow2": {"min": 1, "max": 16}}, [1, 2, 4, 8, 16]),
        ({"pow2": {"min": 3, "max": 15}}, [4, 8]),
    ],
)
def test_ranges(axis: object, wanted: list[int]) -> None:
    """Both limits are included where they are met, and whole limits give whole numbers."""
    assert values(axis) == wanted


def test_ranges_of_fractions() -> None:
    """A limit with a decimal point gives fractions, with the limits themselves exact."""
    assert values({"min": 0.0, "max": 0.3, "num": 4}, "protocol.bare_idle_s") == pytest.approx([0, 0.1, 0.2, 0.3])
    assert values({"min": 0.0, "max": 0.3, "num": 4}, "protocol.bare_idle_s")[-1] == 0.3
    assert values({"log": {"min": 0.1, "max": 10.0, "num": 3}}, "protocol.bare_idle_s") == pytest.approx([0.1, 1, 10])


@pytest.mark.parametrize(
    ("axis", "problem"),
    [
        ("3", "must be a list or a range, got 3; a value that all cells share belongs to base"),
        ("[]", "must have at least one value"),
        ("{min: 0, max: 1, num: 5}", "gives steps of 0.25 between whole numbers; write 0.0"),
        ("{min: 5, max: 1, num: 5}", "must rise from min to max, got 5 and 1"),
        ("{min: 1, max: 5, nums: 5}", "did you mean 'num'?"),
        ("{pow: {min: 1, max: 4}}", "{log: {min, max, num}}, {pow2: {min, max}}; did you mean 'pow2'?"),
        ("{}", "known here: {min, max, num}, "),
        ("{log: {min: 0, max: 5, num: 3}}", "log.min: must be more than 0"),
        ("{log: {min: 1, max: 3, num: 9}}", "has only 3 different whole numbers between 1 and 3"),
        ("{pow2: {min: 5, max: 7}}", "has no power of two between 5 and 7"),
    ],
)
def test_a_wrong_range_is_refused_at_its_line(tmp_path: Path, axis: str, problem: str) -> None:
    """With what would be right."""
    text = f"base: {{backend: {{type: pytorch, model: m}}}}\nsweep:\n  scenario.num_samples: {axis}\n"
    message = refused(text, tmp_path)
    assert "line 3: sweep.scenario.num_samples" in message
    assert problem in message


def test_a_wrong_kind_of_range_is_one_problem(tmp_path: Path) -> None:
    """No key of another kind of range is called missing."""
    text = "base: {backend: {type: pytorch, model: m}}\nsweep: {scenario.num_samples: {pow: {min: 1, max: 4}}}\n"
    message = refused(text, tmp_path)
    assert " has a problem:" in message
    assert "missing" not in message


def test_a_misspelt_required_key_is_one_problem(tmp_path: Path) -> None:
    """The nearest name of the same block is meant, and is not reported as missing besides."""
    message = refused("base: {backend: {type: pytorch, modle: m}}\nsweep: {scenario.seed: [1, 2]}\n", tmp_path)
    assert " has a problem:" in message
    assert "base.backend.modle: is not a key of this block (value: 'm'); did you mean 'model'?" in message
    assert "missing" not in message


def test_the_cell_that_sets_nothing_of_what_varies_is_called_base() -> None:
    """An alternative without a key that others set is no bare hash; cells that all agree need no label."""
    quantised = {"backend.options.quantization": {"bits": 8}}
    cells = expanded(
        sweep={"loading": [{"backend.options.dtype": "bfloat16"}, {"backend.options.dtype": "bfloat16", **quantised}]}
    ).cells
    assert [cell.label for cell in cells] == ["base", "bits=8"]
    assert cells[0].id.startswith("base-")
    assert [cell.label for cell in expanded().cells] == [""]


def test_a_single_benchmark_is_no_study(tmp_path: Path) -> None:
    """One sentence with the commands that take it, not a list of unknown keys."""
    file = tmp_path / "mine.yaml"
    file.write_text("backend: {type: pytorch, model: m}\nscenario: {num_samples: 3}\n")
    with pytest.raises(ConfigError, match="is a single benchmark, not a study") as caught:
        load_study(file)
    assert f"validate {file}" in str(caught.value.remedy)
    assert f"run {file}" in str(caught.value.remedy)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Those of the study, of its axes and of every cell's config have their lines and the nearest names."""
    first = refused(
        "bases: {}\nsweep:\n  nonsense: [1]\n  scenario.seed: []\ndesign: {order: shufle, cycles: 0}\n"
        "execution:\n  timeout: 5\n",
        tmp_path,
    )
    assert "line 1: bases: is not a key of this block (value: {}); did you mean 'base'?" in first
    assert "line 3: sweep.nonsense: is neither a key of a config, an engine, nor a list of mappings" in first
    assert "line 4: sweep.scenario.seed: must have at least one value" in first
    assert "line 5: design.order: must be one of" in first
    assert "did you mean 'shuffle'?" in first
    assert "line 5: design.cycles: must be at least 1, got 0" in first
    assert "line 7: execution.timeout: is not a key of this block (value: 5); did you mean 'timeout_s'?" in first
    second = refused(
        "base:\n  backend: {type: pytorch, model: m}\n  scenaro: {}\nsweep:\n"
        "  scenario.num_sample: [1, 2]\n  scenario.seed: [0, -1]\n"
        "  precision:\n    - {backend.options.dtype: float32}\n    - {backend.options.dtyp: bfloat16}\n",
        tmp_path,
    )
    assert "line 3: base.scenaro: is not a key of this block" in second
    assert "line 5: sweep.scenario.num_samples" not in second
    assert "line 5: sweep.scenario.num_sample: is not a key of this block (value: 1); did you mean" in second
    assert "line 6: sweep.scenario.seed: must be at least 0, got -1" in second
    assert "line 9: sweep.precision[1].backend.options.dtyp: is not a key" in second


@pytest.mark.parametrize(
    ("study", "problem"),
    [
        ({"sweep": {"scenario.seed": [1], "group": [{"scenario.seed": 2}]}}, "sets scenario.seed, which"),
        ({"sweep": {"scenario.slo": [{"ttft_s": 1}], "scenario.slo.ttft_s": [1]}}, "which sweep.scenario.slo sets too"),
        ({"sweep": {"vllm": {"scenario.seed": [1]}}}, "is of vllm, which no cell runs on"),
        ({"sweep": {"name": ["a"]}}, "belongs to the study"),
        ({"sweep": {"g": [{"output_dir": "x"}]}}, "belongs to the study"),
        ({"sweep": {"scenario.seed": list(range(400)), "scenario.num_samples": list(range(1, 401))}}, "160000"),
        ({"base": {**BASE, "output_dir": "x"}}, "write output_dir at the top"),
        ({"experiments": [{"scenario.seed": -1}]}, r"experiments\[0\].scenario.seed: must be at least 0"),
        ({"exclude": [{"scenario.sed": 1}]}, "is not a key of any cell"),
        ({"exclude": [{"scenario.seed": 7}]}, "matches no cell; remove it"),
        ({"exclude": [{"scenario.seed": 0}]}, "leaves no cell"),
        ({"constraints": ["scenario.sed < 1"]}, "scenario.sed is not a key of any cell"),
        ({"constraints": ["__import__('os').system('x') < 1"]}, "may compare keys and values only"),
        ({"constraints": ["+".join(["1"] * 100) + " > 2"]}, "is nested more than 50 levels deep"),
        ({"constraints": ["1 < " + "1" * 1000]}, "has more than 1,000 characters"),
        ({"constraints": ["2 ** 3 < scenario.seed"]}, "may compare keys and values only, got '2 "),
        ({"constraints": ["scenario.seed"]}, "compares nothing"),
        ({"constraints": ["scenario.seed <"]}, "cannot be read"),
        ({"design": {"cycles": 3, "until": {"relative_half_width": 0.1}}}, "contradicts until"),
        ({"design": {"until": {"relative_half_width": 0.1, "max_cycles": 2}}}, "must be at least min_cycles"),
    ],
)
def test_contradictions_are_refused(study: dict[str, Any], problem: str) -> None:
    """Each with what contradicts what."""
    with pytest.raises(ConfigError, match=problem):
        expanded(**study)


def test_axes_of_one_engine_cross_its_cells_alone() -> None:
    """Two engines, of which one has two dtypes, are three cells."""
    found = expanded(
        sweep={"backend.type": ["pytorch", "vllm_offline"], "pytorch": {"backend.options.dtype": ["float32", "auto"]}}
    )
    assert [cell.label for cell in found.cells] == [
        "type=pytorch, dtype=float32",
        "type=pytorch, dtype=auto",
        "type=vllm_offline",
    ]


def test_what_has_no_effect_on_an_engine_is_merged_with_its_reason() -> None:
    """Concurrency is a server's, a batch size an engine's in this process, an option that of its engine."""
    server = {"backend.type": "openai", "backend.endpoint": "http://localhost:1/v1"}
    found = expanded(
        sweep={
            "engine": [{"backend.type": "pytorch"}, server],
            "load.concurrency": [1, 8],
            "scenario.input_shapes.batch_size": [1, 4],
            "backend.options.dtype": ["float32", "bfloat16"],
        }
    )
    assert (found.declared, found.invalid_cells, len(found.cells)) == (16, 0, 6)
    assert sum(found.merged.values()) == 10
    assert set(found.merged) == {
        "load.concurrency has no effect on pytorch, which is no server",
        "scenario.input_shapes.batch_size has no effect on openai, a server, which forms its own batches",
    }
    assert [set(cell.settings) & {"load.concurrency", "backend.options.dtype"} for cell in found.cells[-2:]] == [
        {"load.concurrency"}
    ] * 2


def test_a_temperature_without_sampling_is_one_cell() -> None:
    """What the loader calls without effect is merged too."""
    generate = "scenario.generate_kwargs"
    found = expanded(sweep={f"{generate}.do_sample": [False, True], f"{generate}.temperature": [0.5, 1.0]})
    assert [cell.label for cell in found.cells] == [
        "do_sample=false",
        "do_sample=true, temperature=0.5",
        "do_sample=true, temperature=1",
    ]
    assert sum(found.merged.values()) == 1


def test_invalid_combinations_are_counted_by_reason() -> None:
    """A combination that contradicts itself is left out; the others stay."""
    generate = "scenario.generate_kwargs"
    found = expanded(sweep={f"{generate}.max_new_tokens": [8, 64], f"{generate}.min_new_tokens": [4, 32]})
    assert (found.declared, found.invalid_cells, len(found.cells)) == (4, 1, 3)
    (reason,) = found.invalid
    assert reason.startswith(f"sweep.{generate}.min_new_tokens: must be at most max_new_tokens (8), got 32")


def test_cells_that_resolve_to_the_same_are_one() -> None:
    """A default that is written out is the default."""
    found = expanded(experiments=[{}, {"scenario": {"num_samples": 100}}, {"scenario.num_samples": 7}])
    assert (len(found.cells), dict(found.merged)) == (2, {"equal to another cell": 1})


@pytest.mark.parametrize(
    ("constraint", "left"),
    [
        ("scenario.num_samples * scenario.seed <= 4", 3),
        ("scenario.num_samples == 2 or not scenario.seed > 1", 3),
        ("backend.type in ['pytorch', 'vllm'] and scenario.seed < 2", 2),
        ("1 < scenario.num_samples <= 3 ", 4),
        ("scenario.reasoning != true or scenario.seed == 1", 4),
    ],
)
def test_constraints(constraint: str, left: int) -> None:
    """They are computed with each cell's values; one about an absent key does not apply."""
    constraints = [constraint, "scenario.seed > 0"]
    if "reasoning" in constraint:
        with pytest.raises(ConfigError, match="is not a key of any cell"):
            expanded(sweep={"scenario.num_samples": [2, 3], "scenario.seed": [1, 2]}, constraints=constraints)
        return
    found = expanded(sweep={"scenario.num_samples": [2, 3], "scenario.seed": [1, 2]}, constraints=constraints)
    assert len(found.cells) == left


@pytest.mark.parametrize("text", ["scenario.seed in [1] * 9999999999", "'a' * 9999999999 == scenario.seed"])
def test_a_constraint_repeats_no_list_and_no_text(text: str) -> None:
    """Python would, until the memory is full; such a constraint does not apply."""
    assert parse_constraint(text).holds(lambda _: 1) is None


def test_the_config_of_a_cell(tmp_path: Path) -> None:
    """It is base with the cell's settings; a cell has one trial unless base says otherwise, defaults lie under it."""
    file = tmp_path / "s.yaml"
    file.write_text("base: {backend: {type: pytorch, model: m}}\nsweep: {scenario.seed: [3]}\noutput_dir: there\n")
    defaults = UserDefaults("~/d.yaml", {"metrics": {"country_iso_code": "FRA"}, "protocol": {"bare_idle_s": 1}})
    study = load_study(
        file,
        {"sweep.scenario.num_samples": {"min": 7, "max": 8, "num": 2}, "base.protocol.bare_idle_s": 2.0},
        defaults=defaults,
    )
    cell, _ = expand(study).cells
    mapping = cell_mapping(study, cell, Path("d"), "n")
    assert mapping["protocol"] == {"trials": 1, "repeats": "cycles", "bare_idle_s": 2.0}
    assert mapping["metrics"] == {"country_iso_code": "FRA"}
    assert (mapping["name"], mapping["output_dir"], mapping["scenario"]) == ("n", "d", {"seed": 3, "num_samples": 7})
    assert study.directory == Path("there")


def test_which_files_are_studies() -> None:
    """Those with base, sweep or experiments."""
    assert is_study({"base": {}})
    assert is_study({"sweep": {}})
    assert not is_study({"backend": {}})
    assert not is_study([])


def test_ids_survive_when_other_cells_come() -> None:
    """A longer axis keeps the ids of the cells that were there, so their results are found."""
    short = expanded(sweep={"scenario.seed": [1, 2]}).cells
    longer = expanded(sweep={"scenario.seed": [2, 3, 1]}).cells
    assert {cell.id for cell in short} < {cell.id for cell in longer}
    assert short[0].id.startswith("seed=1-")


def test_a_misspelt_key_of_the_study_hides_no_other_problem(tmp_path: Path) -> None:
    """Keys of the study, axes, base, executor and rules are reported together; what follows from another is not."""
    body = (
        ":\n  backend: {type: pytorch, model: m, optoins: {}}\nsweep:\n  scenario.sed: [1, 2]\n  lod.concurrency: [1]\n"
        "desing: {cycles: 3}\nexecution: {executor: ry}\nconstraints: [scenario.num_samples <]\n"
        "exclude: [{lod.concurrency: 1}]\n"
    )
    for base in ("base", "bas"):
        said = refused(base + body, tmp_path)
        assert f"has {6 + (base == 'bas')} problems" in said
        for line in (
            f"line 2: {base}.backend.optoins: is not a key of this block",
            "line 4: sweep.scenario.sed: is not a key of this block (value: 1); did you mean 'seed'?",
            "line 5: sweep.lod.concurrency: is neither a key of a config",
            "line 6: desing: is not a key of this block",
            "line 7: execution.executor: unknown executor 'ry'; did you mean 'ray'?",
            "line 8: constraints[0]: ",
        ):
            assert line in said
    assert "line 1: bas: is not a key of this block" in said
