"""``constraints`` of a study: comparisons of keys, such as ``load.concurrency * scenario.num_samples <= 4096``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from ai_energy_benchmarks.text.problems import InvalidError, Problem

# Returns the value of a dotted key in one cell; raises AbsentError where the cell has none.
Lookup = Callable[[str], object]

# Any: the values of keys, of whatever type; what does not fit raises TypeError.
_ARITHMETIC: Mapping[type, Callable[[Any, Any], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], object]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
# A comparison that people read is shorter, and Python follows it without end.
_LONGEST, _DEEPEST = 1000, 50
_WORDS = {"true": True, "false": False, "null": None}


class AbsentError(Exception):
    """The cell has no such key, or it is null."""


@frozen
class Constraint:
    """One comparison.

    Attributes:
        text: as written.
        keys: every key that it names.
    """

    text: str
    keys: tuple[str, ...]
    _tree: ast.expr

    def holds(self, lookup: Lookup) -> bool | None:
        """Whether a cell fulfils it; None where it does not apply, as the cell lacks a key or the types do not fit."""
        try:
            return bool(_value(self._tree, lookup))
        except (AbsentError, TypeError, ZeroDivisionError, OverflowError):
            return None


def parse_constraint(text: str) -> Constraint:
    """Read a comparison. It may use + - * / // %, comparisons, ``in``, ``and``, ``or``, ``not`` and lists.

    Raises:
        InvalidError: it is something else; nothing in it is ever run as Python.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise InvalidError(Problem((), f"{text[:40]!r} … has more than {_LONGEST:,} characters"))
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise InvalidError(Problem((), f"{text!r} cannot be read: {reason}")) from error
    keys: list[str] = []
    _check(tree, text, keys)
    if not isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp):
        raise InvalidError(Problem((), f"{text!r} compares nothing; write such as load.concurrency <= 64"))
    return Constraint(text, tuple(dict.fromkeys(keys)), tree)


def _check(node: ast.expr, text: str, keys: list[str], depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise InvalidError(Problem((), f"{text[:40]!r} … is nested more than {_DEEPEST} levels deep"))
    match node:
        case ast.Name() | ast.Attribute() if (key := _dotted(node)) is not None:
            if key not in _WORDS:
                keys.append(key)
            parts: list[ast.expr] = []
        case ast.Constant(value=str() | int() | float() | bool() | None):
            parts = []
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            parts = [node.left, node.right]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            parts = [node.operand]
        case ast.BoolOp():
            parts = node.values
        case ast.Compare() if all(type(op) in _COMPARISONS for op in node.ops):
            parts = [node.left, *node.comparators]
        case ast.List() | ast.Tuple():
            parts = node.elts
        case _:
            part = ast.get_source_segment(text, node) or type(node).__name__
            raise InvalidError(Problem((), f"{text!r} may compare keys and values only, got {part!r}"))
    for inner in parts:
        _check(inner, text, keys, depth + 1)


def _value(node: ast.expr, lookup: Lookup) -> object:  # noqa: PLR0911 # one per form
    match node:
        case ast.Constant():
            return node.value
        case ast.BinOp():
            left, right = _value(node.left, lookup), _value(node.right, lookup)
            if not isinstance(left, int | float) or not isinstance(right, int | float):
                raise TypeError("only numbers are added and multiplied")  # Python repeats text and lists
            return _ARITHMETIC[type(node.op)](left, right)
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, lookup)
        case ast.UnaryOp():
            return operator.neg(_value(node.operand, lookup))  # type: ignore[arg-type] # else TypeError: no number
        case ast.BoolOp(op=ast.And()):
            return all(_value(part, lookup) for part in node.values)
        case ast.BoolOp():
            return any(_value(part, lookup) for part in node.values)
        case ast.Compare():
            values = [_value(part, lookup) for part in (node.left, *node.comparators)]
            pairs = zip(node.ops, values, values[1:], strict=False)
            return all(_COMPARISONS[type(op)](left, right) for op, left, right in pairs)
        case ast.List() | ast.Tuple():
            return [_value(part, lookup) for part in node.elts]
    key = _dotted(node)
    assert key is not None  # as checked
    return _WORDS[key] if key in _WORDS else lookup(key)


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (front := _dotted(node.value)) is not None:
        return f"{front}.{node.attr}"
    return None
