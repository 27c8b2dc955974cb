"""How a built-in backend is made and entered: what it has begun is released again where it cannot be finished."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from ai_energy_benchmarks.backends.base import BackendSettings

_Self = TypeVar("_Self", bound="EnteredBackend")


class EnteredBackend(ABC):
    """Made from settings alone; entering it reaches or loads the model, leaving it releases everything."""

    @abstractmethod
    def __init__(self, settings: BackendSettings) -> None: ...

    @classmethod
    def from_settings(cls: type[_Self], settings: BackendSettings) -> _Self:
        return cls(settings)

    def __enter__(self: _Self) -> _Self:
        try:
            self._initialize_model()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def _initialize_model(self) -> None:
        """Load the model, or reach it.

        Raises:
            BackendError: that fails; the cause is chained.
        """
