"""The package's source as the architecture tests see it: modules, their rooms, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from attrs import field, frozen

PACKAGE = "ai_energy_benchmarks"
DIRECTORY = Path(__file__).parents[2] / PACKAGE


@frozen(slots=False)
class Module:
    """One file of the package.

    Attributes:
        path: relative to the package's directory.
    """

    path: Path
    text: str = field(repr=False)

    @property
    def room(self) -> str:
        """The directory under the package, or the module itself where it stands alone."""
        return self.path.parts[0].removesuffix(".py")

    @property
    def name(self) -> str:
        """The dotted name."""
        parts = [PACKAGE, *self.path.with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def where(self, node: ast.AST) -> str:
        """``path:line``, for the message of a failed test."""
        return f"{self.path}:{getattr(node, 'lineno', 0)}"

    def imports(self) -> Iterator[tuple[ast.AST, str]]:
        """Every dotted name imported, wherever it stands: in functions and under TYPE_CHECKING too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from ((node, f"{base}.{alias.name}" if base == PACKAGE else base) for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        """The module named by ``from … import``, relative ones resolved."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def modules() -> list[Module]:
    """All modules of the package."""
    paths = sorted(DIRECTORY.rglob("*.py"))
    return [Module(path.relative_to(DIRECTORY), path.read_text(encoding="utf-8")) for path in paths]


MODULES = modules()
