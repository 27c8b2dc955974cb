"""Changes that cosmic-ray does not make, and that tests miss most often.

A side of a condition or a statement that is left out, a branch that is always taken, a limit twice as large.

Each class has the two methods of cosmic-ray's ``Operator``; nodes are parso's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parso.python.tree import Keyword

Position = tuple[tuple[int, int], tuple[int, int]]
SWAPS = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor", "abs": ""}
# Below this a constant absorbs rounding, and half or twice as much of it absorbs rounding too.
ROUNDING = 1e-6


def _place(node: Any) -> Position:
    return node.start_pos, node.end_pos


def _in_place_of(node: Any, word: str) -> Any:
    """A word with the white space that stood before the node."""
    return Keyword(word, node.start_pos, node.get_first_leaf().prefix)


class DropSide:
    """``a and b`` becomes ``a``, or ``b``; ``or`` likewise, and longer chains lose one side."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type in ("and_test", "or_test"):
            yield from (_place(side) for side in node.children[::2])

    def mutate(self, node: Any, index: int) -> Any:
        prefix = node.get_first_leaf().prefix
        sides = [side for number, side in enumerate(node.children[::2]) if number != index]
        sides[0].get_first_leaf().prefix = prefix
        if len(sides) == 1:
            return sides[0]
        operators = node.children[1::2]
        node.children = [sides[0], *(part for pair in zip(operators[1:], sides[1:], strict=True) for part in pair)]
        return node


class _Condition:
    """A condition of ``if``, ``elif``, a conditional expression or a comprehension gets a value."""

    value = ""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        yield from (_place(node.children[number]) for number in self._conditions(node))

    def mutate(self, node: Any, index: int) -> Any:
        number = self._conditions(node)[index]
        node.children[number] = _in_place_of(node.children[number], self.value)
        return node

    @staticmethod
    def _conditions(node: Any) -> list[int]:
        if node.type == "if_stmt":
            words = [getattr(child, "value", "") for child in node.children]
            return [number + 1 for number, word in enumerate(words) if word in ("if", "elif")]
        if node.type in ("test", "ternary") and len(node.children) == 5:
            return [2]
        return [1] if node.type == "comp_if" else []


class ConditionTrue(_Condition):
    """The branch is always taken, the filter passes everything."""

    value = "True"


class ConditionFalse(_Condition):
    """The branch is never taken, the filter passes nothing."""

    value = "False"


class DropStatement:
    """A call whose value is not used, or ``+=`` and the like, becomes ``pass``."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type == "simple_stmt" and self._acts(node.children[0]):
            yield _place(node.children[0])

    def mutate(self, node: Any, index: int) -> Any:
        node.children[0] = _in_place_of(node.children[0], "pass")
        return node

    @staticmethod
    def _acts(statement: Any) -> bool:
        if statement.type == "expr_stmt":
            change = statement.children[1]
            return change.type == "operator" and change.value not in ("=", ":")
        return statement.type in ("atom_expr", "power") and statement.children[-1].get_code().strip().startswith("(")


class SwapCall:
    """``min`` becomes ``max``, ``any`` becomes ``all``, ``floor`` becomes ``ceil``, ``abs(x)`` becomes ``(x)``."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type == "name" and node.value in SWAPS and node.get_next_leaf().value == "(":
            yield _place(node)

    def mutate(self, node: Any, index: int) -> Any:
        node.value = SWAPS[node.value]
        return node


class ScaleFloat:
    """A constant with a point or an exponent becomes twice or half as large."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if (
            node.type == "number"
            and set(".eE") & set(node.value)
            and "x" not in node.value
            and float(node.value) > ROUNDING
        ):
            yield from (_place(node), _place(node))

    def mutate(self, node: Any, index: int) -> Any:
        node.value = repr(float(node.value) * (2.0, 0.5)[index])
        return node


class Provider(dict[str, type]):
    """What cosmic-ray asks for operators."""

    def __init__(self) -> None:
        super().__init__(
            {
                change.__name__: change
                for change in (DropSide, ConditionTrue, ConditionFalse, DropStatement, SwapCall, ScaleFloat)
            }
        )
