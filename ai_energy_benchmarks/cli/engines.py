"""What to show a user who has no engine at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ai_energy_benchmarks import registry
from ai_energy_benchmarks.errors import BackendError


@contextmanager
def naming_all_engines() -> Iterator[None]:
    """Give a backend's refusal all install lines where no engine is installed; any one of them is enough.

    Raises:
        BackendError: the backend's own, or with a fuller fix.
    """
    try:
        yield
    except BackendError as error:
        from ai_energy_benchmarks.machine.packages import importable

        packages = registry.required_packages("backends")
        if any(map(importable, packages)):
            raise
        lines = dict.fromkeys(package.install for package in packages)
        raise BackendError(
            f"no inference engine is installed: {error.message}", remedy="\n        ".join(("one of", *lines))
        ) from error
