"""Files of families: YAML, checked key by key, every mistake with its line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import yaml
from attrs import define, field, frozen

from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.formatters.values import plain

_TEXT_TYPES = ("system_prompt", "prefix")
_NAMED_TYPES = ("harmony", "chat_template", "parameter")
TYPES = (*_NAMED_TYPES, *_TEXT_TYPES)


@frozen
class Entry:
    """A family as a file has it: only the keys that were given, so that it can be laid over another.

    Attributes:
        keys: the arguments of ``Family`` that the file gives.
        patterns: for the last part of a model's name; None if the file gives none.
        models: exact names → the arguments that this model has otherwise.
    """

    name: str
    keys: Mapping[str, object]
    patterns: tuple[str, ...] | None
    models: Mapping[str, Mapping[str, object]]


def read_families(file: Path) -> tuple[Entry, ...]:
    """The families of a file, in its order.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; each problem with its line.
    """
    try:
        root = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}", remedy="check the path of the reasoning formats"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {error}", remedy="mend that line") from error
    reader = _Reader(file)
    entries = reader.entries(root)
    if reader.problems:
        raise ConfigError("\n".join(reader.problems), remedy="mend these lines; docs/reasoning.md describes every key")
    return entries


def form_problems(keys: Mapping[str, object]) -> tuple[str, ...]:
    """What a switch sends that is not of the form that its type asks; a file may leave the type to ours."""
    kind = keys.get("type")
    form = "text" if kind in _TEXT_TYPES else "a mapping of names to values"
    sent = {state: keys.get(state) for state in ("on", "off")}
    return tuple(
        f"'{state}' must be {form} for the type {kind}, got {value!r}"
        for state, value in sent.items()
        if kind is not None and value is not None and isinstance(value, str) is not (kind in _TEXT_TYPES)
    )


@define
class _Reader:
    file: Path
    problems: list[str] = field(factory=list)

    def entries(self, root: yaml.Node | None) -> tuple[Entry, ...]:
        top = self._mapping(root, "the file") if root is not None else {}
        self._known(top, ("families",), root)
        if "families" not in top:
            self._wrong(root, "the file needs the key 'families'")
            return ()
        families = self._mapping(top["families"], "families")
        return tuple(self._entry(name, node) for name, node in families.items())

    def _entry(self, name: str, node: yaml.Node) -> Entry:
        block = self._mapping(node, name)
        self._known(block, (*_KEYS, "patterns", "models"), node)
        keys = {**self._keys(block), "name": name, "where": f"{self.file}:{node.start_mark.line + 1}"}
        self._check_form(keys, node)
        patterns = self._patterns(block["patterns"]) if "patterns" in block else None
        models = {}
        for model, overrides in (self._mapping(block["models"], "models") if "models" in block else {}).items():
            other = self._mapping(overrides, model)
            self._known(other, _KEYS, overrides)
            models[model] = self._keys(other)
            self._check_form({**keys, **models[model]}, overrides)
        return Entry(name, keys, patterns, models)

    def _keys(self, block: Mapping[str, yaml.Node]) -> dict[str, object]:
        return {key: _KEYS[key](self, node) for key, node in block.items() if key in _KEYS}

    def _check_form(self, keys: Mapping[str, object], node: yaml.Node) -> None:
        self.problems.extend(f"{self.file}:{node.start_mark.line + 1}: {text}" for text in form_problems(keys))

    def _type(self, node: yaml.Node) -> str | None:
        return self._choice(node, (*TYPES, None))  # type: ignore[return-value] # one of the choices

    def _choice(self, node: yaml.Node, allowed: tuple[object, ...]) -> object:
        value = self._text_or_null(node)
        if value not in allowed:
            shown = ", ".join("null" if each is None else str(each) for each in allowed)
            self._wrong(node, f"must be one of {shown}, got {value!r}")
        return value

    def _flag(self, node: yaml.Node) -> bool:
        value = self._scalar(node)
        if not isinstance(value, bool):
            self._wrong(node, f"must be true or false, got {value!r}")
        return value is True

    def _text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(node, "must be text")
            return ""
        return str(node.value)

    def _text_or_null(self, node: yaml.Node) -> str | None:
        text = self._text(node)
        return None if text in ("null", "~", "") and _is_plain(node) else text

    def _scalar(self, node: yaml.Node) -> object:
        text = self._text(node)
        return plain(text) if _is_plain(node) else text

    def _sent(self, node: yaml.Node) -> object:
        """What a switch sends: text, or named values."""
        if isinstance(node, yaml.MappingNode):
            return {key: self._scalar(value) for key, value in self._mapping(node, "this").items()}
        return self._text(node)

    def _params(self, node: yaml.Node) -> dict[str, tuple[object, ...]]:
        return {
            key: tuple(self._scalar(each) for each in self._items(value))
            for key, value in self._mapping(node, "params").items()
        }

    def _thinking(self, node: yaml.Node) -> tuple[str, ...] | None:
        tags = tuple(self._text(each) for each in self._items(node))
        if len(tags) != 2 or not all(tags):
            self._wrong(node, "'thinking' must be two texts, the one that opens and the one that closes")
        return tags

    def _patterns(self, node: yaml.Node) -> tuple[str, ...]:
        found = []
        for each in self._items(node):
            pattern = self._text(each)
            try:
                re.compile(pattern)
            except re.error as error:
                self._wrong(each, f"{pattern!r} is not a regular expression: {error}")
                continue
            found.append(pattern)
        return tuple(found)

    def _items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self._wrong(node, "must be a list")
            return []
        return list(node.value)

    def _mapping(self, node: yaml.Node | None, what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, f"{what} must be a mapping with keys")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if str(key.value) in found:
                self._wrong(key, f"{key.value!r} is given twice")
            found[str(key.value)] = value
        return found

    def _known(self, block: Mapping[str, yaml.Node], known: Iterable[str], node: yaml.Node | None) -> None:
        names = tuple(known)
        for key, value in block.items():
            if key not in names:
                near = difflib.get_close_matches(key, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(names)}"
                self._wrong(value, f"{key!r} is no key here; {hint}")

    def _wrong(self, node: yaml.Node | None, text: str) -> None:
        self.problems.append(f"{self.file}:{node.start_mark.line + 1 if node else 1}: {text}")


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


_KEYS: Mapping[str, Callable[[_Reader, yaml.Node], object]] = {
    "type": _Reader._type,
    "default": lambda reader, node: reader._choice(node, ("on", "off")),
    "on": _Reader._sent,
    "off": _Reader._sent,
    "place": lambda reader, node: reader._choice(node, ("system", "prompt")),
    "params": _Reader._params,
    "thinks_when_off": _Reader._flag,
    "thinking": _Reader._thinking,
    "source": _Reader._text,
    "note": _Reader._text,
}
