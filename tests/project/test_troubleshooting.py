"""Every message that docs/troubleshooting.md quotes is one that the package has, or that of a program that is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import MODULES, Module

# Messages of others, which this package hands on.
FOREIGN = {
    "NVML Shared Library Not Found": "nvidia-ml-py",
    "Permission denied": "the kernel",
    "CUDA out of memory": "PyTorch",
}
_HOLE = "\N{HORIZONTAL ELLIPSIS}"


def templates(module: Module) -> Iterator[str]:
    """The texts of a module, with an ellipsis for what is put in; neighbours are one text, as Python joins them."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else _HOLE for part in node.values)


def is_in(message: str, texts: str) -> bool:
    """Whether a text holds the message; an ellipsis in it is a hole of that text."""
    parts = [re.escape(part) for part in message.strip(f" {_HOLE}").split(_HOLE)]
    return re.search(f"[^\n]*{_HOLE}[^\n]*".join(parts), texts) is not None


def messages(page: Path) -> list[str]:
    """The quotes in the first cells of the table."""
    cells = re.findall(r"^\| (.*?) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [quote for cell in cells for quote in re.findall(r"`([^`]+)`", cell) if " " in quote]


def test_every_message_on_the_page_is_one_of_the_package(root: Path) -> None:
    """By its template; a message that was reworded is reworded on the page too."""
    texts = "\n".join(text.replace("\n", " ") for module in MODULES for text in templates(module))
    found = messages(root / "docs" / "troubleshooting.md")
    assert len(found) > 10
    assert [message for message in found if message not in FOREIGN and not is_in(message, texts)] == []
    assert FOREIGN.keys() <= set(found)


@pytest.mark.parametrize(
    ("message", "held"),
    [("is in use by", True), ("… is in use by …", True), ("of … is in", True), ("in use of", False), ("of x", False)],
)
def test_a_message_matches_its_template_alone(message: str, held: bool) -> None:
    """Words as they stand, and a hole where the source has one."""
    assert is_in(message, "other\nthe file of … is in use by …\nmore") is held
