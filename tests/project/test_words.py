"""Plain English: words of a private dialect stay out of the pages and out of every text that the package shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import MODULES, Module

# Words → what we write instead.
GLOSSARY = {
    r"boards?": "GPU",
    r"cur(?:e|es|ed)|mend(?:s|ed|ing)?|remed(?:y|ies)": "fix",
    r"(?:the|its|their|own) word (?:for|is|of its)|own word": "method",
    r"a word": "warning",
    r"tells?|told|says? of|says? nothing of|speaks?": "reports, returns, shows",
    r"on (?:its|their) way": "in flight",
    r"data sets?": "dataset",
    r"ours|of our own": "built-in, this package's, launched here",
    r"beside": "next to, alongside, in addition to",
    r"anew|once more": "again, recompute",
    r"(?:can|could|to) (?:not )?be had|cannot be had|can it be had": "not available, missing",
    r"left out|leaves? out|(?:goes|went) without": "skipped, not included",
    r"thrown out": "preempted",
    r"nobody|somebody": "the passive",
    r"protocol\.warmup\.most|most_celsius|most_power|widest_delay_s|longest_rest_s": "the key's new name",
    r"(?:the )?most (?:tokens|requests|prompts|seconds|time|memory|power)": "at most, maximum, limit",
}
PATTERNS = {re.compile(rf"(?<![\w`./-])(?:{words})(?![\w=-])", re.IGNORECASE): use for words, use in GLOSSARY.items()}
# What may stay, with its reason.
ALLOWED = {
    "rows named *beside a Python loop*": "the name of rows that were recorded under it",
}
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md")
# Tables that scripts write with what they measured.
GENERATED = re.compile(r"<!-- ([\w-]+):begin -->.*?<!-- \1:end -->", re.DOTALL)


def faults(text: str) -> Iterator[str]:
    """Each word that we write otherwise, with its neighbours and what to write."""
    for pattern, use in PATTERNS.items():
        for match in pattern.finditer(text):
            near = text[max(0, match.start() - 40) : match.end() + 40]
            if not any(phrase in near for phrase in ALLOWED):
                yield f"{match.group()!r} in {near!r}: write {use}"


def texts(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """All text of more than one word that is no docstring, and the docstrings of commands, which are their help."""
    silent = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(is_command, node.decorator_list)):
            yield node, ast.get_docstring(node) or ""
        if isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in node.values if isinstance(part, ast.Constant)}
            yield node, "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    for node in ast.walk(module.tree):
        shown = isinstance(node, ast.Constant) and id(node) not in silent
        if shown and isinstance(node.value, str) and " " in node.value.strip():
            yield node, node.value


def is_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in ("command", "group")


@pytest.mark.parametrize("pattern", PAGES)
def test_pages_are_in_plain_english(root: Path, pattern: str) -> None:
    """No page that users read has a word of the private dialect."""
    found = [
        f"{page.name}: {fault}"
        for page in sorted(root.glob(pattern))
        for fault in faults(GENERATED.sub("", page.read_text(encoding="utf-8")))
    ]
    assert "\n".join(found) == ""


def test_messages_are_in_plain_english() -> None:
    """No error, finding, help text or line of the terminal has a word of the private dialect."""
    found = [
        f"{module.where(node)}: {fault}" for module in MODULES for node, text in texts(module) for fault in faults(text)
    ]
    assert "\n".join(found) == ""


def test_keys_of_a_config_name_what_they_limit(root: Path) -> None:
    """A limit is called ``max_…`` or ``min_…``, as users expect it."""
    page = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    keys = re.findall(r"^\| `([\w.\[\]]+)` \|", page, re.MULTILINE)
    assert len(keys) > 100
    private = re.compile(r"(?:^|[._])(?:most|fewest|longest|widest|wants|asked|told)(?:_|$)")
    assert [key for key in keys if private.search(key)] == []
