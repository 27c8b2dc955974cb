"""Which mutants take part in ``scripts/mutation.sh``, and how they are tried and counted."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = '''
"""A module."""
import logging
from functools import cache

log = logging.getLogger(__name__)
LIMIT = 0.05


@cache
def limited(value: int | None = None, *, strict: bool = True) -> float | None:
    """Read more | than | this."""
    assert value is not None and value > 2
    log.debug("%s", value + 1)
    pairs = zip([value], [LIMIT], strict=True)
    return max(
        value * LIMIT
        for value, _ in pairs
    )
'''


@pytest.fixture
def part(root: Path) -> Any:
    """Imports one of the script's modules, which are no package."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"_mutation_{name}", root / "scripts" / "mutation" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


def test_what_no_user_reads_takes_no_part(part: Any) -> None:
    """Annotations, decorators, assertions, log lines and ``strict=``; the formula of the same function does."""
    unseen = part("unseen")
    ranges = unseen.unseen_ranges(SOURCE)
    lines = SOURCE.splitlines()

    def seen(text: str) -> bool:
        number = next(number for number, line in enumerate(lines) if text in line)
        begin = lines[number].index(text)
        return not unseen.is_in(((number + 1, begin), (number + 1, begin + len(text))), ranges)

    assert not any(map(seen, ("int | None", "float | None", "value > 2", "value + 1", "strict=True")))
    assert unseen.is_in(((10, 1), (10, 6)), ranges)  # the decorator
    mark = lines[10].index("*,")
    assert unseen.is_in(((11, mark), (11, mark + 1)), ranges)  # behind which arguments have names
    assert all(map(seen, ("0.05", "value * LIMIT", "= None")))


@pytest.mark.parametrize(
    ("operator", "code", "takes_part"),
    [
        ("core/ReplaceBinaryOperator_Mul_Div", "*", True),
        ("core/ReplaceBinaryOperator_Mul_RShift", "*", False),
        ("core/ReplaceBinaryOperator_BitOr_BitAnd", "|", True),
        ("core/ReplaceBinaryOperator_BitOr_Add", "|", False),
        ("core/ReplaceComparisonOperator_Lt_LtE", "<", True),
        ("core/ReplaceComparisonOperator_Eq_Is", "==", False),
        ("core/ReplaceComparisonOperator_Is_IsNot", "is", True),
        ("core/ReplaceUnaryOperator_USub_Invert", "-", False),
        ("core/ReplaceUnaryOperator_Delete_Not", "not", True),
        ("core/NumberReplacer", "3", True),
        ("core/NumberReplacer", "0.05", False),
        ("core/AddNot", "value", False),
        ("figures/DropSide", "value", True),
    ],
)
def test_changes_that_any_test_would_notice_take_no_part(part: Any, operator: str, code: str, takes_part: bool) -> None:
    """They would raise the share without saying anything about the tests."""
    assert part("unseen").takes_part(operator, code) is takes_part


def test_the_tests_of_a_line_are_those_of_its_statement(part: Any) -> None:
    """The fast ones first, within the budget; what runs on import is seen by all tests of the module."""
    covering = part("covering")
    document = {"tests": [("a", 0.1), ("b", 1.0), ("c", 30.0)], "lines": {"m.py": {"16": [2], "17": [0], "14": [1]}}}
    tests = covering.Covering(document)
    assert tests.tests_of("m.py", SOURCE, 18, 20.0) == ["a"]
    assert tests.tests_of("m.py", SOURCE, 18, 60.0) == ["a", "c"]
    assert tests.tests_of("m.py", SOURCE, 7, 20.0) == ["a", "b"]
    assert tests.tests_of("m.py", SOURCE, 15, 20.0) == []
    assert tests.tests_of("other.py", SOURCE, 18, 20.0) == []


def test_a_changed_function_is_put_in_place_everywhere(part: Any) -> None:
    """Also where it was imported by name; constants cannot be, since others have their values."""
    swap = part("swap")
    source = "def double(x):\n    return 2 * x\n\n\nclass Shape:\n    def area(self):\n        return 3\n\n\nFEW = 8\n"
    source += "def times(n):\n    def read(x):\n        return n * x\n    return read\n"
    module = ModuleType("mutated_module")
    exec(compile(source, "mutated_module", "exec"), module.__dict__)
    double, shape, triple = module.double, module.Shape(), module.times(3)
    existing = swap.functions_of("mutated_module")["mutated_module"]
    swap.swap("mutated_module", source, source.replace("2 * x", "2 / x").replace("return 3", "return 4"), existing)
    assert (double(4), shape.area(), triple(4)) == (0.5, 4, 12)
    swap.swap("mutated_module", source, source.replace("n * x", "n + x"), existing)
    assert (double(4), shape.area(), triple(4)) == (0.5, 4, 7)
    with pytest.raises(swap.NotInFunctionsError):
        swap.swap("mutated_module", source, source.replace("8", "9"), existing)
    with pytest.raises(swap.NotInFunctionsError):
        swap.swap("mutated_module", source, source.replace("double(x)", "double(x=1)"), existing)


def test_the_share_is_of_the_mutants_that_a_user_could_notice(part: Any) -> None:
    """Accepted ones are no part of it; undecided ones were not noticed."""
    report = part("report")
    outcomes = ["noticed"] * 3 + ["not noticed", "undecided", "accepted"]
    text, share = report.report(
        [report.Trial("m.py", n, "a | b", each, "why") for n, each in enumerate(outcomes)], 9, 7
    )
    assert share == 3 / 5
    assert text.startswith("5 mutants of 9 places, seed 7: 3 noticed, 1 not noticed, 1 undecided; 60.0 %")
    assert r"| `m.py:3` | `a \| b` | not noticed | why |" in text


def test_every_accepted_change_has_a_reason_and_its_line_exists(part: Any, root: Path) -> None:
    """A row whose line was rewritten says nothing any more."""
    for (module, change), reason in part("report").Accepted.read(root).reasons.items():
        assert len(reason) > 20, change
        before = " ".join(change.partition(" → ")[0].split())
        text = " ".join((root / module).read_text(encoding="utf-8").split())
        ast.parse((root / module).read_text(encoding="utf-8"))
        assert before in text, change
