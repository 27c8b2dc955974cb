"""What to tell a user who has no engine at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from ai_energy_benchmarks.errors import BackendError

ENGINES = {"pytorch": "torch", "vllm": "vllm", "tensorrt": "tensorrt_llm"}


def install_lines() -> str:
    """One line per engine; any one of them is enough."""
    return "\n        ".join(f'pip install "ai_energy_benchmarks[{extra}]"' for extra in ENGINES)


@contextmanager
def naming_all_engines() -> Iterator[None]:
    """Give a backend's refusal all install lines where no engine is installed.

    Raises:
        BackendError: the backend's own, or with a fuller cure.
    """
    try:
        yield
    except BackendError as error:
        if any(find_spec(module) for module in ENGINES.values()):
            raise
        raise BackendError(
            f"no inference engine is installed: {error.message}", remedy=f"one of\n        {install_lines()}"
        ) from error
