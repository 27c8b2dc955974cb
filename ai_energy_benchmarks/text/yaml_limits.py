"""What a YAML text may ask of its reader: no config needs more, and a kilobyte of aliases can stand for gigabytes."""

from __future__ import annotations

import yaml

MOST_BYTES = 2**20
# Values and keys. The parser takes about 50 µs for each, and checking them as long again.
MOST_NODES = 10_000
# Aliases are counted as often as they are used.
MOST_EXPANDED = 50_000
DEEPEST = 100


class TooMuchError(Exception):
    """A text beyond one of the limits; the message says which."""


class LimitedLoader(yaml.BaseLoader):
    """Composes nodes until there are too many, or too deep ones."""

    _nodes = 0
    _depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: object) -> None:
        """Called before every node; sorting by path is not used here."""
        self._nodes += 1
        self._depth += 1
        if self._nodes > MOST_NODES:
            raise TooMuchError(f"has more than {MOST_NODES:,} keys and values")
        if self._depth > DEEPEST:
            raise TooMuchError(f"is nested more than {DEEPEST} levels deep")

    def ascend_resolver(self) -> None:
        """Called after every node."""
        self._depth -= 1


def check_expansion(root: yaml.Node) -> None:
    """Count what the nodes stand for.

    Raises:
        TooMuchError: aliases make it too much.
    """
    if _size(root, {}) > MOST_EXPANDED:
        raise TooMuchError(f"stands for more than {MOST_EXPANDED:,} keys and values, by its YAML aliases")


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    if id(node) not in sizes:
        sizes[id(node)] = 1  # while it is counted: what contains itself is refused elsewhere
        below = 0
        if isinstance(node, yaml.SequenceNode):
            below = sum(_size(item, sizes) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            below = sum(_size(each, sizes) for pair in node.value for each in pair)
        sizes[id(node)] = 1 + below
    return sizes[id(node)]
