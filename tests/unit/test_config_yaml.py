"""The YAML that configs are written in: scalars, variables, duplicates, aliases and tags."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ai_energy_benchmarks.config.loading import mapping_from_file
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.yaml_text import dump, parse


def value(text: str) -> object:
    """What a text holds, which must be without problems."""
    document = parse(text, "text")
    assert document.problems == ()
    return document.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("010", 10), ("0x1F", 31), ("0o17", 15), ("-3", -3), ("+3", 3),
        ("1e-3", 0.001), ("1.", 1.0), (".5", 0.5), ("-.inf", -math.inf),
        ("true", True), ("False", False), ("~", None), ("null", None),
        ("yes", "yes"), ("off", "off"), ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), ("1_000", "1_000"),
        ("'3'", "3"), ('"true"', "true"), ("!!str 3", "3"), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, expected: object) -> None:
    """Words such as yes, times and dates are text; a leading zero does not make a number octal."""
    found = value(f"key: {text}")
    assert found == {"key": expected}
    assert type(found["key"]) is type(expected)  # type: ignore[index] # it is the mapping just compared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${AEB_COUNT}", 7),
        ("'${AEB_COUNT}'", "7"),
        ('"${AEB_COUNT}"', "7"),
        ("1${AEB_COUNT}", 17),
        ("http://${AEB_HOST}:8000/v1", "http://gpu-host:8000/v1"),
        ("${AEB_UNSET:-3}", 3),
        ("${AEB_UNSET:-}", None),
        ("'${AEB_UNSET:-}'", ""),
        ("${AEB_EMPTY:-default}", "default"),
        ("${AEB_EMPTY}", None),
        ("${AEB_UNSET:-http://a:1/v1}", "http://a:1/v1"),
        ("$${AEB_COUNT}", "${AEB_COUNT}"),
        ("$AEB_COUNT", "$AEB_COUNT"),
        ("${AEB_LIST}", "[1, 2]"),
    ],
)
def test_variables_are_replaced_and_then_typed(monkeypatch: pytest.MonkeyPatch, text: str, expected: object) -> None:
    """Unquoted text is typed after the replacement, quoted text stays text, and structure cannot be smuggled in."""
    for name, content in {"COUNT": "7", "HOST": "gpu-host", "EMPTY": "", "LIST": "[1, 2]"}.items():
        monkeypatch.setenv(f"AEB_{name}", content)
    assert value(f"key: {text}") == {"key": expected}


def test_an_unset_variable_without_a_default_is_a_problem() -> None:
    """The problem names the variable, where it stands, and how to give a default."""
    [problem] = parse("a:\n  - ${AEB_SURELY_UNSET}", "text").problems
    assert str(problem) == (
        "a[0]: environment variable AEB_SURELY_UNSET is not set; set it, or write ${AEB_SURELY_UNSET:-default}"
    )


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A", "${A:default}"])
def test_a_reference_that_is_none_is_a_problem(text: str) -> None:
    """What opens like a reference but is not one is never taken as text."""
    [problem] = parse(f"key: '{text}'", "text").problems
    assert "opens no ${NAME}; write '$${'" in problem.text


def test_a_key_given_twice_is_a_problem() -> None:
    """Both lines are named; nobody can say which value is meant."""
    [problem] = parse("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "text").problems
    assert str(problem) == "b.c: is given twice, in lines 3 and 5; keep one"


def test_lists_and_mappings_as_keys_are_problems() -> None:
    """Keys are text."""
    [problem] = parse("a: 1\n? [1, 2]\n: 3\n", "text").problems
    assert str(problem) == "line 2 has a list or mapping as its key"


def test_an_alias_repeats_what_it_names() -> None:
    """Anchors and aliases work."""
    assert value("a: &x [1, 2]\nb: *x\n") == {"a": [1, 2], "b": [1, 2]}


def test_an_alias_that_contains_itself_is_a_problem() -> None:
    """A value without end is refused."""
    [problem] = parse("a: &x [*x]\n", "text").problems
    assert str(problem) == "a[0]: contains itself through a YAML alias"


def test_aliases_of_aliases_are_refused() -> None:
    """Ten levels of ten aliases would be ten billion values in whatever copies them; three are a thousand."""
    levels = ["l0: &l0 [x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 11)]
    with pytest.raises(ConfigError, match="by its YAML aliases"):
        value("\n".join(levels))
    assert "l3" in value("\n".join(levels[:4]))  # type: ignore[operator] # a mapping


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!timestamp", "!!int", "!mine"])
def test_tags_are_problems(tag: str) -> None:
    """A config holds plain values; no tag makes anything else of them."""
    [problem] = parse(f"a: {tag} x", "text").problems
    assert str(problem) == f"a: has the YAML tag {tag!r}; write the plain value"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1", "line 1, column 6"),
        ("a: 1\n b: 2", "line 2, column 3"),
        ("a: @", "line 1, column 4"),
        ("a: \0", "U+0000"),
    ],
)
def test_text_that_is_no_yaml(text: str, place: str) -> None:
    """The message says where reading failed."""
    with pytest.raises(ConfigError, match=r"^text is not valid YAML: ") as caught:
        parse(text, "text")
    assert place in caught.value.message


def test_deep_nesting_is_refused() -> None:
    """Thousands of brackets give an error of ours, not of Python's stack."""
    with pytest.raises(ConfigError, match="nested more than 100 levels deep"):
        parse("[" * 5000, "text")


def test_several_documents_are_refused() -> None:
    """A config is one document."""
    with pytest.raises(ConfigError, match="is not valid YAML: line 2"):
        parse("a: 1\n---\nb: 2\n", "text")


def test_lines_are_those_of_keys_and_items() -> None:
    """A path leads to its line; one that is not in the text, to its nearest parent's."""
    document = parse("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", "text")
    paths = [("a",), ("a", "b"), ("a", "c", 1, "y"), ("a", "c", 7), ("a", "nowhere"), ("nowhere",)]
    assert [document.line(path) for path in paths] == [1, 2, 5, 3, 1, None]


@pytest.mark.parametrize(
    "text", ["1e5", "0o17", "true", "010", "~", "", "yes", "${HOME}", "$${A}", "a: b", "\n", "é\0"]
)
def test_dumped_text_stays_text(text: str) -> None:
    """Text that looks like something else is written so that it is read as text again."""
    assert value(dump({"key": text})) == {"key": text}


@pytest.mark.parametrize(
    ("text", "value", "doubt"),
    [
        ("017", 17, "017 is read as 17, as YAML 1.2 says, where YAML 1.1 reads 15; fix: write 17 or 15"),
        ("-010", -10, "-010 is read as -10, as YAML 1.2 says, where YAML 1.1 reads -8; fix: write -10 or -8"),
        ("07", 7, None),
        ("00", 0, None),
        ("089", 89, None),
        ("0o17", 15, None),
        ("'017'", "017", None),
        ("017.5", 17.5, None),
    ],
)
def test_a_number_that_yaml_1_1_reads_otherwise_is_doubted(
    text: str, value: object, doubt: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is what YAML 1.2 says, with one warning that names file, line, key, both numbers and the fix."""
    file = tmp_path / "config.yaml"
    file.write_text(f"scenario:\n  seed: {text}\n")
    assert mapping_from_file(file) == {"scenario": {"seed": value}}
    expected = [] if doubt is None else [f"{file}, line 2: scenario.seed: {doubt}"]
    assert [record.getMessage() for record in caplog.records] == expected


def test_a_secret_is_never_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning would show it."""
    monkeypatch.setenv("TOKEN_OF_DIGITS", "01755")
    assert parse("backend:\n  api_key: ${TOKEN_OF_DIGITS}\n  headers: {x-api-key: 01777}\n", "t").doubts == ()
