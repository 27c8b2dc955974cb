"""Which settings of a study are axes of their own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ai_energy_benchmarks.analysis.crossing import AxisValue, Settings, independent_axes


def cells(keys: str, *rows: Sequence[AxisValue]) -> list[Settings]:
    """One cell for each row, whose values belong to these keys."""
    return [dict(zip(keys, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("study", "axes"),
    [
        ([], ()),
        (cells("a", [1]), ()),
        (cells("ab", [1, 2], [1, 2]), ()),
        (cells("ab", [1, 5], [2, 5], [3, 5]), (("a",),)),
        # A complete crossing, and one of which cells are missing, has an axis for each key.
        (cells("ab", [1, 1], [1, 2], [2, 1], [2, 2]), (("a",), ("b",))),
        (cells("ba", [1, 1], [1, 2], [2, 1]), (("b",), ("a",))),
        # What changes together is one axis, in the order of appearance.
        (cells("ab", [1, 7], [2, 8]), (("a", "b"),)),
        (cells("bca", [1, 7, 3], [2, 8, 4]), (("b", "c", "a"),)),
        # What follows from a finer setting goes with it, wherever it stands: quarters, halves, and all but the last.
        (cells("abc", [1, 1, 1], [2, 1, 1], [3, 2, 1], [4, 2, 2]), (("a", "b", "c"),)),
        (cells("bca", [1, 1, 1], [1, 1, 2], [2, 1, 3], [2, 2, 4]), (("b", "c", "a"),)),
        # One that follows from another that follows from a third is on the axis of the third.
        (cells("cba", [1, 1, 1], [1, 1, 2], [2, 2, 3], [2, 3, 4]), (("c", "b", "a"),)),
        (cells("acb", [1, 1, 1], [2, 1, 1], [3, 2, 2], [4, 2, 3]), (("a", "c", "b"),)),
        # One that follows from either of two goes with the first.
        (
            cells("abc", [1, 1, 1], [2, 1, 1], [1, 2, 1], [2, 2, 1], [3, 3, 2], [4, 3, 2], [3, 4, 2], [4, 4, 2]),
            (("a", "c"), ("b",)),
        ),
        # What only one engine has is no axis, and is not named with a single value; with several it is.
        ([{"e": "p", "o": 1}, {"e": "v"}], (("e",),)),
        ([{"e": "p", "o": 1}, {"e": "v"}, {"e": "w", "o": 2}], (("e", "o"),)),
        ([{"o": 1, "e": "p"}, {"e": "v"}, {"e": "w", "o": 2}], (("o", "e"),)),
        # A key that some cells lack varies, though it has one value.
        ([{"a": 2}, {}], (("a",),)),
        ([{"a": None}, {"a": 2}, {"a": 3}], (("a",),)),
        ([{"a": None}, {}], ()),
        # A number, a truth value and a text are three values.
        (cells("a", [1], [True]), (("a",),)),
        (cells("ab", [1, 1], [True, 1], ["1", 1]), (("a",),)),
        # Two axes, each with what goes with it.
        (
            cells("abcd", [1, 5, 1, 8], [1, 5, 2, 9], [2, 6, 1, 8], [2, 6, 2, 9]),
            (("a", "b"), ("c", "d")),
        ),
        (cells("abc", [1, 1, 5], [1, 2, 5], [2, 1, 6], [2, 2, 6]), (("a", "c"), ("b",))),
    ],
)
def test_the_axes_of_a_study(study: Sequence[Settings], axes: tuple[tuple[str, ...], ...]) -> None:
    """An axis is what varies by itself, named with what follows from it and has several values."""
    assert independent_axes(study) == axes
