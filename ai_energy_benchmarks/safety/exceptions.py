"""Exceptions without secrets: also the causes that a traceback prints above the error itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ai_energy_benchmarks.safety.secrets import blanked


@contextmanager
def without_secrets() -> Iterator[None]:
    """Blank what an exception says on its way out of the block."""
    try:
        yield
    except BaseException as error:
        cleanse(error)
        raise


def cleanse(error: BaseException) -> None:
    """Blank the texts of an exception and of everything in its chain; what cannot be blanked is taken off the chain."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        _blank(link)
        if link.__cause__ is not None and not _clean(link.__cause__):
            link.__cause__ = None
        if link.__context__ is not None and not _clean(link.__context__):
            link.__context__ = None
        members = getattr(link, "exceptions", ())  # of an ExceptionGroup
        waiting += [each for each in (link.__cause__, link.__context__, *members) if isinstance(each, BaseException)]


def _clean(error: BaseException) -> bool:
    _blank(error)
    shown = f"{error!s}\n{error!r}"
    return blanked(shown) == shown


def _blank(error: BaseException) -> None:
    error.args = tuple(map(_blanked, error.args))
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        notes[:] = map(_blanked, notes)
    for name in ("strerror", "filename", "filename2", "reason", "object", "doc", "msg"):
        value = getattr(error, name, None)
        if isinstance(value, (str, bytes)) and _blanked(value) != value:
            try:
                setattr(error, name, _blanked(value))
            except (AttributeError, TypeError):  # it has no such place of its own, and its chain link is taken off
                continue


def _blanked(value: object) -> object:
    if isinstance(value, str):
        return blanked(str(getattr(value, "shown", value)))
    if isinstance(value, (bytes, bytearray)):
        text = bytes(value).decode("latin-1")
        return value if blanked(text) == text else blanked(text).encode("latin-1")
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(map(_blanked, value))
    if isinstance(value, dict):
        return {key: _blanked(item) for key, item in value.items()}
    return value
