"""Which changes take part in the draw: those that can change what a user reads, by rules that need no judgement.

Left out by what is changed:

- annotations, which are never evaluated; decorators (of a frozen value, a property, a cache); ``assert``, which states
  what types cannot; ``if TYPE_CHECKING``; calls of a logger; ``strict=`` of ``zip``; the mark of a signature behind
  which arguments have names, which cosmic-ray takes for a product;
- constants of 1e-6 and less, which absorb rounding.

Left out by the change, because any test that runs the line notices it, so that it says nothing about the tests:

- arithmetic that becomes a bit operation, and the reverse: a TypeError for every float;
- ``is`` that becomes an order, and ``==`` that becomes ``is``: a TypeError, or the same for the small values in use;
- ``-x`` that becomes ``~x``; what does not compile.

And ``AddNot``, since ``ConditionTrue`` and ``ConditionFalse`` ask more, and steps of 1 for constants with a point, of
which ``ScaleFloat`` asks more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

ARITHMETIC = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}
ORDERS = {"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"}
LEFT_OUT = re.compile(r"AddNot|RemoveDecorator|ExceptionReplacer|ReplaceUnaryOperator_\w+_(UAdd|Invert)|Variable\w+")
_KEYWORD_MARK = re.compile(r"\*(?=,)")
LOGGERS = {"log", "logger", "logging", "_log", "_logger", "_LOG"}

Range = tuple[tuple[int, int], tuple[int, int]]


def _range(node: Any) -> Range:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _is_logged(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in LOGGERS
    )


def _is_unseen(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    return isinstance(node, ast.Assert) or _is_logged(node)


def _unseen_parts(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from filter(None, [node.returns, *node.decorator_list])
    elif isinstance(node, ast.ClassDef):
        yield from node.decorator_list
    elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
        yield node.annotation
    elif _is_unseen(node):
        yield node


def _keyword_marks(source: str) -> Iterator[Range]:
    for number, line in enumerate(source.splitlines(), start=1):
        for mark in _KEYWORD_MARK.finditer(line):
            yield (number, mark.start()), (number, mark.end())


def unseen_ranges(source: str) -> list[Range]:
    """Starts and ends (line, column) of the parts that no user reads anything of."""
    parts = [_range(part) for node in ast.walk(ast.parse(source)) for part in _unseen_parts(node)]
    return [*parts, *_keyword_marks(source)]


def is_in(place: Range, ranges: list[Range]) -> bool:
    """Whether a place lies in one of the ranges."""
    return any(start <= place[0] and place[1] <= end for start, end in ranges)


def takes_part(operator: str, code: str) -> bool:
    """Whether a change of this operator (cosmic-ray's name of it) of this code can say something about the tests."""
    name = operator.partition("/")[2]
    if LEFT_OUT.fullmatch(name):
        return False
    if name == "NumberReplacer":
        return not set(".eE") & set(code) or "x" in code
    kind, _, pair = name.partition("_")
    before, _, after = pair.partition("_")
    if kind == "ReplaceBinaryOperator":
        return (before in ARITHMETIC) == (after in ARITHMETIC) and "Shift" not in after
    if kind == "ReplaceComparisonOperator":
        return (before in ORDERS) == (after in ORDERS)
    return True


def compiles(code: str) -> bool:
    """Whether Python can read a module with this text."""
    try:
        compile(code, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True
