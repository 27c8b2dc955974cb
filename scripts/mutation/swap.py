"""Puts changed function bodies into a running interpreter, which saves a new process that imports everything."""

from __future__ import annotations

import gc
import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType

_ON_IMPORT = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}


class NotInFunctionsError(Exception):
    """What differs runs on import, so that the module must be imported anew."""


def changed_functions(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Code of the functions and methods of a module that differ.

    Raises:
        NotInFunctionsError: constants, defaults, class bodies or the number of functions differ.
    """
    inner = [[part for part in code.co_consts if isinstance(part, CodeType)] for code in (before, after)]
    if _own(before) != _own(after) or len(inner[0]) != len(inner[1]):
        raise NotInFunctionsError
    for old, new in zip(*inner, strict=True):
        if old == new:
            continue
        if old.co_name in _ON_IMPORT:
            raise NotInFunctionsError
        if old.co_flags & inspect.CO_OPTIMIZED:
            yield old, new
        else:
            yield from changed_functions(old, new)


def _inner_functions(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Functions that a changed function makes, and may have made already."""
    inner = [[part for part in code.co_consts if isinstance(part, CodeType)] for code in (before, after)]
    if len(inner[0]) == len(inner[1]):
        for old, new in zip(*inner, strict=True):
            if old != new:
                yield old, new
                yield from _inner_functions(old, new)


def _own(code: CodeType) -> tuple[object, ...]:
    consts = [repr(part) for part in code.co_consts if not isinstance(part, CodeType)]
    return code.co_code, code.co_names, consts


def functions_of(package: str) -> dict[str, list[FunctionType]]:
    """Module → all functions of it that exist, of the modules of a package."""
    functions = defaultdict(list)
    for value in gc.get_objects():
        if type(value) is FunctionType and str(value.__module__).partition(".")[0] == package:
            functions[value.__module__].append(value)
    return functions


def swap(module: str, source: str, mutated: str, existing: Iterable[FunctionType]) -> None:
    """Give the functions of an imported module the bodies that they have in a changed source.

    Args:
        existing: the functions of the module.

    Raises:
        NotInFunctionsError: the change is elsewhere.
    """
    pairs = list(changed_functions(compile(source, module, "exec"), compile(mutated, module, "exec")))
    inner = [pair for old, new in pairs for pair in _inner_functions(old, new)]
    functions = defaultdict(list)
    for value in existing:
        functions[value.__code__.co_qualname, value.__code__.co_firstlineno].append(value)
    for old, new in (*pairs, *inner):
        found = functions[old.co_qualname, old.co_firstlineno]
        if any(function.__code__.co_freevars != new.co_freevars for function in found):
            raise NotInFunctionsError
        if not found and (old, new) in pairs:
            raise NotInFunctionsError
        for function in found:
            function.__code__ = new
