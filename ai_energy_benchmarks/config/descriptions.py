"""What the docstrings of config and options classes say of each key."""

from __future__ import annotations

import inspect
import re

_ENTRY = re.compile(r"    (?P<names>\w+(?:, \w+)*): (?P<text>.+)")


def class_description(cls: type) -> str:
    """The first paragraph of the class's own docstring, in one line."""
    return _plain(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0])


def attribute_descriptions(cls: type) -> dict[str, str]:
    """Attribute → text of its entry under ``Attributes:``, also where a base class describes it."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        found |= _entries(inspect.cleandoc(each.__doc__ or ""))
    return found


def _entries(docstring: str) -> dict[str, str]:
    """``name: text`` with its continuation lines, which are indented further; one entry may name several."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in docstring.partition("\nAttributes:\n")[2].splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry:
            names = entry["names"].split(", ")
            found |= dict.fromkeys(names, _plain(entry["text"]))
        elif line.startswith("        "):
            found |= {name: f"{found[name]} {_plain(line)}" for name in names}
        elif line and not line.startswith(" "):
            break
    return found


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
