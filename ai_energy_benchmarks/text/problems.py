"""What is wrong with a config: problems with their paths, gathered and reported together."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence

from attrs import evolve, frozen

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.safety.printable import one_line
from ai_energy_benchmarks.safety.secrets import SafeRepr

Path = tuple[str | int, ...]
_MOST_SHOWN = 200
_MISSPELT = 0.75  # the likeness from which an unknown key is taken for a missing one


class _Shown(SafeRepr):
    """Values as YAML writes them; reprlib finds these methods by the name of the type."""

    def repr_bool(self, value: bool, _: int) -> str:
        return "true" if value else "false"

    def repr_NoneType(self, value: None, _: int) -> str:  # noqa: N802 # reprlib's naming
        return "null"

    def repr_int(self, value: int, level: int) -> str:
        return str(value) if value.bit_length() <= 64 else f"a whole number of {value.bit_length()} bits"


_shown = _Shown()
_shown.maxstring = _shown.maxother = 80


@frozen
class Problem:
    """One thing that the user has to change.

    Attributes:
        path: keys and list positions from the top of the config.
        text: what is wrong, with the offending value.
        unknown: of a key that its block does not have, the text without a guess; None of any other problem.
        near: the guess from that block that the text has; empty without one.
    """

    path: Path
    text: str
    unknown: str | None = None
    near: str = ""

    def below(self, *parent: str | int) -> Problem:
        """The same problem, seen from further up.

        Args:
            parent: keys and indices that lead to the block that holds it.
        """
        return evolve(self, path=(*parent, *self.path))

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.text}" if self.path else self.text


@frozen
class Place:
    """Where the user wrote a value: a line of the file, an override, or neither for what is absent."""

    line: int | None = None
    override: bool = False

    def __str__(self) -> str:
        return "override: " if self.override else f"line {self.line}: " if self.line else ""


class InvalidError(Exception):
    """A value that does not fit its type; carries every problem found in it.

    The room that reads the file turns it into one error for its user (``refusal``).

    Args:
        problems: at least one; it carries them as ``problems``.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def wrong(text: str) -> InvalidError:
    """The error for one problem with the value at hand."""
    return InvalidError(Problem((), text))


def dotted(path: Path) -> str:
    """``("reporters", 0, "type")`` → ``reporters[0].type``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return one_line(text)


def shown(value: object) -> str:
    """A value as the user would write it, shortened; secrets are ``***``."""
    return _shown.repr(value)


def nearest(name: object, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or nothing if no known name is near."""
    near = guess(name, known)
    return f"; did you mean {near!r}?" if near else ""


def guess(name: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The nearest known name; empty if none is at least as like as ``cutoff`` (0 to 1, of difflib)."""
    return next(iter(difflib.get_close_matches(str(name), tuple(known), n=1, cutoff=cutoff)), "")


def misspelt(unknown: Sequence[Problem], missing: Sequence[str]) -> tuple[list[Problem], list[str]]:
    """Unknown keys, and the missing ones that none of them is a misspelling of: one mistake is one problem.

    A misspelling loses ``unknown``, so that no key of another block is guessed in its place.
    """
    meant = {problem.path: guess(problem.path[-1], missing, _MISSPELT) for problem in unknown if problem.path}
    problems = [
        Problem(problem.path, f"{problem.unknown}; did you mean {meant[problem.path]!r}?")
        if meant.get(problem.path)
        else problem
        for problem in unknown
    ]
    return problems, [name for name in missing if name not in meant.values()]


def refusal(source: str, problems: Sequence[Problem], place: Callable[[Path], Place], *, remedy: str) -> ConfigError:
    """One error that lists all problems in the order of the file; ``source`` names it."""
    placed = sorted(((place(each.path), each) for each in problems), key=lambda pair: pair[0].line or 0)
    count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
    lines = [f"  {at}{each}" for at, each in placed[:_MOST_SHOWN]]
    if len(placed) > _MOST_SHOWN:
        lines.append(f"  and {len(placed) - _MOST_SHOWN:,} more")
    return ConfigError("\n".join([f"{source} has {count}:", *lines]), remedy=remedy)
