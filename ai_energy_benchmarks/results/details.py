"""Windows and what belongs to them as JSON in files, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from ai_energy_benchmarks.domain.engine import FactValue
from ai_energy_benchmarks.domain.outcomes import Outcomes, as_outcomes
from ai_energy_benchmarks.domain.power import Reading, WorkloadShare
from ai_energy_benchmarks.errors import ConfigError

if TYPE_CHECKING:
    import cattrs

T = TypeVar("T")
# What JSON may hold in a field of a type; whole numbers stand where a float is declared.
_HOLDS: Mapping[type, tuple[type, ...]] = {int: (int, float), float: (int, float), str: (str,), bool: (bool,)}
# Of a value that is wrong in a hundred places some show what is wrong.
_LONGEST_REASON = 300
# Files of every version have these bounds in three keys (low, best, high) next to the others.
_FLAT = {
    Reading: ("bounds_j", ("energy_low_j", "energy_j", "energy_high_j")),
    WorkloadShare: ("share", ("share_low", "share", "share_high")),
}


@cache
def details() -> cattrs.Converter:
    """From windows to what JSON holds, and back: bit for bit, so no value is converted to its declared type."""
    import cattrs

    converter = cattrs.Converter()
    for kind in _HOLDS:
        converter.register_structure_hook(kind, _as_it_is)
    # Rows of requests have files of their own.
    converter.register_unstructure_hook(Outcomes, lambda _: [])
    converter.register_structure_hook(Outcomes, lambda _, __: as_outcomes(()))
    converter.register_structure_hook_func(lambda kind: kind == FactValue, lambda value, _: value)
    for holder, (name, keys) in _FLAT.items():
        _flatten(converter, holder, name, keys)
    return converter


def stored(plain: object, kind: type[T], place: str) -> T:
    """A value of a class from what a file holds of it.

    Args:
        place: the file and the part of it, as an error names it.

    Raises:
        ConfigError: it holds something else; the message names the value.
    """
    from cattrs import BaseValidationError, transform_error

    try:
        return details().structure(plain, kind)
    except BaseValidationError as error:
        why = "; ".join(transform_error(error, format_exception=lambda cause, _: _told(cause)))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
    raise ConfigError(
        f"{place} holds no {kind.__name__} that this package wrote: {why[:_LONGEST_REASON]}",
        remedy="restore the file from a copy, or measure again",
    )


def _told(cause: BaseException) -> str:
    return f"{cause} is missing" if isinstance(cause, KeyError) else str(cause)


def _as_it_is(value: object, kind: type) -> object:
    if not isinstance(value, _HOLDS[kind]) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{str(value)[:100]!r} is no {kind.__name__}")
    return value


def _flatten(converter: cattrs.Converter, kind: type, name: str, keys: tuple[str, str, str]) -> None:
    """Keep the bounds in one field of a class as three keys of what JSON holds."""
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

    nested: Callable[[object], dict[str, object]] = make_dict_unstructure_fn(kind, converter)
    to_nested: Callable[[Mapping[str, object], object], object] = make_dict_structure_fn(kind, converter)

    def flat(value: object) -> dict[str, object]:
        plain = nested(value)
        del plain[name]
        return {**plain, **dict(zip(keys, getattr(value, name), strict=True))}

    def structured(plain: Mapping[str, object], _: object) -> object:
        low, best, high = (plain[key] for key in keys)
        rest = {key: value for key, value in plain.items() if key not in keys}
        return to_nested({**rest, name: {"low": low, "best": best, "high": high}}, kind)

    converter.register_unstructure_hook(kind, flat)
    converter.register_structure_hook(kind, structured)
