"""Windows and what belongs to them as JSON in files, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from ai_energy_benchmarks.domain.engine import FactValue
from ai_energy_benchmarks.domain.outcomes import Outcomes, as_outcomes
from ai_energy_benchmarks.domain.power import Reading, WorkloadShare

if TYPE_CHECKING:
    import cattrs

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
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, lambda value, _: value)
    # Rows of requests have files of their own.
    converter.register_unstructure_hook(Outcomes, lambda _: [])
    converter.register_structure_hook(Outcomes, lambda _, __: as_outcomes(()))
    converter.register_structure_hook_func(lambda kind: kind == FactValue, lambda value, _: value)
    for holder, (name, keys) in _FLAT.items():
        _flatten(converter, holder, name, keys)
    return converter


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
