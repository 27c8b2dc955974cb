"""YAML text to plain Python values and back, with the line of every key.

Scalars follow the core schema of YAML 1.2: ``no`` and ``on`` are text, ``1e-3`` is a number, ``010`` is ten and a
date is text. References to environment variables are replaced first; an unquoted scalar is then typed as though
the replaced text had been written there, a quoted one stays text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path as File

import yaml
from attrs import field, frozen

from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.safety.files import refuse_special
from ai_energy_benchmarks.safety.keys import is_secret
from ai_energy_benchmarks.safety.marking import SECRET_NUMBERS, Secret, from_variables, marked
from ai_energy_benchmarks.safety.urls import HIDDEN
from ai_energy_benchmarks.text.environment_variables import escape, substitute
from ai_energy_benchmarks.text.problems import InvalidError, Path, Problem, wrong
from ai_energy_benchmarks.text.yaml_limits import MOST_BYTES, LimitedLoader, TooMuchError, check_expansion
from ai_energy_benchmarks.text.yaml_versions import in_yaml_1_1

_PLAIN = "plain"
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
# Text stays on its line, so that a search finds it.
_NO_FOLD = 2**31
# Python refuses to read longer integers, against attacks that no config needs.
_MOST_DIGITS = 1000


def scalar(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar (YAML 1.2 core schema, section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MOST_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


@frozen
class Document:
    """A YAML text as read.

    Attributes:
        value: plain mappings, lists and scalars; None for a text without any.
        problems: duplicate keys, unset variables and the like; ``value`` is complete but for these.
        doubts: numbers that another version of YAML takes for others.
    """

    value: object
    problems: tuple[Problem, ...]
    _root: yaml.Node | None = field(repr=False)
    doubts: tuple[Problem, ...] = ()
    _keys: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = field(factory=dict, repr=False, eq=False)

    def line(self, path: Path) -> int | None:
        """The line of the key at ``path``, or of its nearest parent that the text has."""
        node, line = self._root, None
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = self._keys_of(node).get(str(part))
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = (node.value[part], node.value[part])
            else:
                found = None
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line

    def _keys_of(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Key → its node and that of its value, put together once: there may be thousands of wrong keys."""
        if id(node) not in self._keys:
            self._keys[id(node)] = {str(key.value): (key, value) for key, value in reversed(node.value)}
        return self._keys[id(node)]


class _Loader(LimitedLoader):
    """Composes nodes and leaves the typing of scalars to us."""

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: tuple[bool, bool]) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call] # PyYAML's stubs leave it out


class _Reader:
    """Turns nodes into values, and remembers what was wrong on the way."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.doubts: list[Problem] = []
        self._environment = environment
        self._open: set[int] = set()
        self._values: dict[int, object] = {}  # an alias gives the same node again

    def value(self, node: yaml.Node, path: Path) -> object:
        if id(node) in self._open:
            self.problems.append(Problem(path, "contains itself through a YAML alias"))
            return None
        if id(node) in self._values:
            return self._values[id(node)]
        self._open.add(id(node))
        try:
            value = self._new_value(node, path)
        except InvalidError as error:
            self.problems.extend(problem.below(*path) for problem in error.problems)
            value = None
        self._open.remove(id(node))
        self._values[id(node)] = value
        return value

    def _new_value(self, node: yaml.Node, path: Path) -> object:
        if node.tag not in (_PLAIN, _TAG + "str", _TAG + "seq", _TAG + "map"):
            raise InvalidError(Problem((), f"has the YAML tag {node.tag.replace(_TAG, '!!')!r}; write the plain value"))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        return self._scalar(node, path, secret=any(isinstance(part, str) and is_secret(part) for part in path))

    def _scalar(self, node: yaml.Node, path: Path, *, secret: bool) -> object:
        try:
            text = from_variables(
                substitute(node.value, self._environment), node.value, self._environment, secret=secret
            )
        except InvalidError as error:
            if secret:
                raise wrong(
                    f"{HIDDEN} has a reference to an environment variable that is not set or not closed"
                ) from None
            raise error
        # A secret is text, whatever it looks like.
        if node.tag != _PLAIN or isinstance(text, Secret):
            return text
        value = scalar(text)
        if not secret and (doubt := in_yaml_1_1(text, value)) is not None:
            self.doubts.append(Problem(path, doubt))
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[object, object]:
        found: dict[object, object] = {}
        lines: dict[object, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(path, f"line {line} has a list or mapping as its key"))
                continue
            key = scalar(key_node.value) if key_node.tag == _PLAIN else key_node.value
            if key in found:
                text = f"is given twice, in lines {lines[key]} and {line}; keep one"
                self.problems.append(Problem((*path, key_node.value), text))
            found[key], lines[key] = self.value(value_node, (*path, key_node.value)), line
        return found


class _NoVariables(dict[str, str]):
    """In the place of every variable, ``***``."""

    def get(self, key: str, default: object = None) -> str:
        return HIDDEN


def parse(text: str, source: str, *, stored: bool = False) -> Document:
    """Read YAML text.

    Args:
        stored: whether it is that of a result, whose references stand for secrets that are not needed any more.

    Raises:
        ConfigError: it is not YAML; the message has line and column.
    """
    try:
        if len(text) > MOST_BYTES:
            raise TooMuchError(f"has {len(text):,} characters, where a config has at most {MOST_BYTES:,}")
        root = yaml.compose(text, Loader=_Loader)
        if root is not None:
            check_expansion(root)
    except TooMuchError as error:
        raise ConfigError(f"{source} {error}", remedy="remove what is not a setting") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {_in_one_line(error)}", remedy=_fix_of(error)) from error
    except RecursionError:
        raise ConfigError(f"{source} is nested too deeply", remedy="remove brackets") from None
    if root is None:
        return Document(None, (), None)
    reader = _Reader(_NoVariables() if stored else os.environ)
    return Document(marked(reader.value(root, ())), tuple(reader.problems), root, tuple(reader.doubts))


def read(file: File, *, otherwise: str = "") -> Document:
    """Read a YAML file.

    Args:
        otherwise: what helps too where there is no such file, for the message.

    Raises:
        ConfigError: it cannot be read, is not UTF-8 or is not YAML.
    """
    try:
        refuse_special(file)
        with file.open(encoding="utf-8-sig") as opened:
            text = opened.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {file}", remedy=f"check the path{otherwise}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{file} is a directory, not a file", remedy="name a YAML file in it") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text: {error.reason}", remedy="save it as UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: the path itself holds a NUL character
        raise ConfigError(
            f"{file} cannot be read: {reason_of(error)}", remedy="check the path and its permissions"
        ) from error
    return parse(text, str(file))


def _fix_of(error: yaml.YAMLError) -> str:
    """The fix of the two mistakes that everyone makes, else where to look."""
    problem = str(error.problem) if isinstance(error, yaml.MarkedYAMLError) else ""
    if "'\\t'" in problem:
        return "YAML takes no tabs: indent with spaces"
    if "mapping values are not allowed" in problem:
        return "put a value that holds a colon and a space in quotes, and one key on each line"
    return "correct the YAML on that line"


def _in_one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"position {error.position}: {error.reason} (U+{error.character:04X})"
    return str(error)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that ``scalar`` would read as something else, and every one with line breaks and the like."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(scalar(text), str) and text.isprintable() else '"'
    return dumper.represent_scalar(_TAG + "str", escape(text), style=style)


def _represent_secret(dumper: _Dumper, secret: Secret) -> yaml.ScalarNode:
    """With the references that the user wrote, so that the file can be run again; else masked."""
    if secret.template is None:
        return _represent_text(dumper, str(secret.shown))
    return dumper.represent_scalar(_TAG + "str", secret.template, style='"')


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(Secret, _represent_secret)
for _kind in SECRET_NUMBERS:
    _Dumper.add_representer(_kind, lambda dumper, _: dumper.represent_scalar(_TAG + "str", HIDDEN))


def dump(value: object) -> str:
    """YAML text that ``parse`` reads back as ``value``, whatever the environment; secrets are masked or ``${NAME}``."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_NO_FOLD))
