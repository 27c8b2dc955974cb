"""The code blocks and the commands of the README and of every page of the manual."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from attrs import frozen

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAM = "ai-energy-benchmark"
SHELL = ("sh", "console", "bash")
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


@frozen
class Block:
    """One block of code.

    Attributes:
        page: the file's name.
        language: what stands after its fence.
        text: its lines, without the indentation of the list that it stands in.
    """

    page: str
    language: str
    text: str


@frozen
class Command:
    """One line of a shell block, continued lines joined and the comment removed."""

    page: str
    text: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that stand before it."""
        return dict(word.split("=", 1) for word in self._words[: self._assignments])

    @property
    def words(self) -> list[str]:
        """The program and its arguments."""
        return self._words[self._assignments :]

    @property
    def is_ours(self) -> bool:
        """Whether it is a call of this package's program and of nothing else."""
        return self.words[:1] == [PROGRAM] and not re.search(r"&&|;|\|", self.text)

    @property
    def _words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    @property
    def _assignments(self) -> int:
        return next((at for at, word in enumerate(self._words) if not _ASSIGNMENT.match(word)), len(self._words))


def blocks(*languages: str) -> Iterator[Block]:
    """All blocks in page order; of these languages alone, where some are named."""
    for page in PAGES:
        for _, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if not languages or language in languages:
                yield Block(page.name, language, dedent(text))


def commands() -> Iterator[Command]:
    """All lines of all shell blocks, in page order."""
    for block in blocks(*SHELL):
        for line in block.text.replace("\\\n", " ").splitlines():
            text = " ".join(re.sub(r"(^|\s)#.*", "", line).split())
            if text:
                yield Command(block.page, text)


def inline_calls(*pages: Path) -> Iterator[tuple[str, str]]:
    """Calls of the program that stand in a sentence or a table, each with the name of its page."""
    for page in pages:
        text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
        yield from ((page.name, call) for call in re.findall(rf"`({PROGRAM} [^`\n]+)`", text))
