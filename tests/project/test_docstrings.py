"""What users of the library read in ``help()`` and on the site: complete, and of the signature as it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import ai_energy_benchmarks
from ai_energy_benchmarks.backends import base as backends_base
from ai_energy_benchmarks.datasets import base as datasets_base
from ai_energy_benchmarks.metrics import base as metrics_base
from ai_energy_benchmarks.reporters import base as reporters_base

PACKAGE = "ai_energy_benchmarks"
ROOT = Path(ai_energy_benchmarks.__file__).parent
CONTRACTS = (backends_base, datasets_base, metrics_base, reporters_base)
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):\n((?:[ ]+.*\n|\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^    (\*{0,2}\w[\w., *]*?)(?: \([^)]*\))?:", re.MULTILINE)


def sections(subject: object) -> dict[str, list[str]]:
    """Section → the names in it, of a docstring in Google's style; several attributes may share an entry.

    Arguments may not: the site's parser takes ``first, second`` for one argument of that name.
    """
    text = inspect.cleandoc(getattr(subject, "__doc__", None) or "") + "\n"
    return {
        match[1]: [
            name.strip().lstrip("*")
            for entry in _ENTRY.findall(match[2])
            for name in (entry.split(",") if match[1] == "Attributes" else [entry])
        ]
        for match in _SECTION.finditer(text)
    }


def listed_modules() -> Iterator[ModuleType]:
    """Every module that has ``__all__``."""
    for found in pkgutil.walk_packages([str(ROOT)], f"{PACKAGE}."):
        file = ROOT / found.name.removeprefix(f"{PACKAGE}.").replace(".", "/")
        source = file / "__init__.py" if found.ispkg else file.with_suffix(".py")
        if re.search(r"^__all__ = ", source.read_text(encoding="utf-8"), re.MULTILINE):
            yield importlib.import_module(found.name)
    yield ai_energy_benchmarks


def classes_in(hint: object) -> Iterator[type]:
    """The classes of this package in a type."""
    if inspect.isclass(hint) and hint.__module__.startswith(PACKAGE):
        yield hint
    for argument in typing.get_args(hint):
        yield from classes_in(argument)


def hints(subject: object) -> list[object]:
    """The types of its fields, or of its arguments and what it returns; none where a name is known to checkers only."""
    try:
        return list(typing.get_type_hints(subject).values())
    except (NameError, TypeError):
        return []


def functions(cls: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties that a class defines itself."""
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def reached() -> list[object]:
    """All that ``__all__`` of any module lists, and the classes in their fields, arguments and results."""
    waiting = [getattr(module, name) for module in listed_modules() for name in module.__all__ if name != "__version__"]
    known: dict[int, object] = {}
    while waiting:
        subject = waiting.pop()
        if id(subject) in known or not (inspect.isclass(subject) or inspect.isfunction(subject)):
            continue
        known[id(subject)] = subject
        types = hints(subject)
        if inspect.isclass(subject):
            types += [hint for _, function in functions(subject) for hint in hints(function)]
        waiting += [cls for hint in types for cls in classes_in(hint)]
    return list(known.values())


REACHED = reached()
PROMISED = {
    name
    for contract in CONTRACTS
    for cls in vars(contract).values()
    if inspect.isclass(cls) and cls.__module__ == contract.__name__
    for name, function in functions(cls)
    if function.__doc__
}


def arguments(function: object) -> list[str]:
    """Its parameters, without ``self`` and ``cls``."""
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]  # type: ignore[arg-type] # a function


def of_function(where: str, function: object) -> Iterator[str]:
    """What is wrong with the docstring of a function."""
    names, documented = arguments(function), sections(function).get("Args", [])
    yield from (f"{where}: Args has {name}, which is no argument" for name in documented if name not in names)
    if len(names) > 1 or documented:
        yield from (f"{where}: {name} is not in Args" for name in names if name not in documented)


def of_class(where: str, cls: type) -> Iterator[str]:
    """What is wrong with the docstrings of a class and of its methods."""
    if not cls.__doc__:
        yield f"{where}: no docstring"
    own = {name for section in ("Attributes", "Args") for name in sections(cls).get(section, [])}
    inherited = {name for base in cls.__mro__ for name in sections(base).get("Attributes", [])}
    if attrs.has(cls):
        fields = [field.name for field in attrs.fields(cls) if not field.name.startswith("_")]
        yield from (f"{where}: {name} is not in Attributes" for name in fields if name not in own | inherited)
        yield from (f"{where}: Attributes has {name}" for name in own if name not in fields and not hasattr(cls, name))
    elif inspect.isfunction(initialiser := vars(cls).get("__init__")) and not getattr(cls, "_is_protocol", False):
        names = arguments(initialiser)
        yield from (f"{where}: Args has {name}, which is no argument" for name in own - inherited if name not in names)
        yield from (f"{where}: {name} is not in Args" for name in names if name not in own)
    for name, function in functions(cls):
        if function.__doc__:
            yield from of_function(f"{where}.{name}", function)
        elif name not in PROMISED and not inspect.getdoc(getattr(cls, name)):
            yield f"{where}.{name}: no docstring"


def faults(subject: object) -> list[str]:
    """What is wrong with the docstrings of a public function or class."""
    where = f"{subject.__module__}.{subject.__qualname__}"  # type: ignore[attr-defined] # a function or a class
    if inspect.isclass(subject):
        return list(of_class(where, subject))
    if not subject.__doc__:
        return [f"{where}: no docstring"]
    return list(of_function(where, subject))


def test_public_docstrings_are_complete() -> None:
    """Classes, fields, methods and arguments are described, and nothing that is not there."""
    assert len(REACHED) > 100
    assert [fault for subject in REACHED for fault in faults(subject)] == []


def test_the_page_of_the_library_has_every_public_name() -> None:
    """docs/api.md shows each where it is defined; the errors by their module."""
    page = (ROOT.parent / "docs" / "api.md").read_text(encoding="utf-8")
    homes = {name: f"::: {PACKAGE}.{home}" for name, home in ai_energy_benchmarks._HOMES.items()}
    assert [name for name, home in homes.items() if f"{home}.{name}\n" not in page and f"{home}\n" not in page] == []


def test_contracts_are_described() -> None:
    """Every method of the four contracts says what it does, so that members need not repeat it."""
    for contract in CONTRACTS:
        for cls in vars(contract).values():
            if inspect.isclass(cls) and cls.__module__ == contract.__name__:
                assert [name for name, function in functions(cls) if not function.__doc__] == [], cls


@pytest.mark.parametrize("name", [name for name in ai_energy_benchmarks.__all__ if name != "__version__"])
def test_public_functions_name_their_errors(name: str) -> None:
    """A function of the package, and each method of the runner that does something, has a section ``Raises``."""
    subject = getattr(ai_energy_benchmarks, name)
    if inspect.isfunction(subject):
        assert sections(subject).get("Raises")


def test_the_check_sees_what_is_missing() -> None:
    """A field and an argument without a word, an argument that is gone, a method without a docstring."""

    @attrs.frozen
    class Public:
        """A class.

        Attributes:
            first: described.
            gone: not a field.
        """

        first: int
        second: int

        def silent(self) -> None: ...

        def partly(self, one: int, two: int) -> None:
            """Do.

            Args:
                one: described.
                **three: no argument.
            """

    expected = (
        "second is not in Attributes",
        "Attributes has gone",
        "silent: no docstring",
        "Args has three, which is no argument",
        "two is not in Args",
    )
    found = faults(Public)
    assert len(found) == len(expected)
    assert all(any(fault.endswith(text) for fault in found) for text in expected), found
