"""The six errors of the package. Each says what is wrong and, in ``remedy``, what the user can do."""

from __future__ import annotations


class BenchmarkError(Exception):
    """Anything that stops a benchmark, with its fix; without secrets and control characters.

    Attributes:
        message: what is wrong, naming the key, file or device and the value found.
        remedy: a command or a setting that mends it; None where nothing the user does would.
    """

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        # Here, since everything imports this module first, and most of it raises no error.
        from ai_energy_benchmarks.safety.printable import printable

        self.message = printable(message)
        self.remedy = None if remedy is None else printable(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message}\n  fix: {self.remedy}"


def parted(problem: str) -> tuple[str, str | None]:
    """A problem written as "what is wrong; fix: what to do" in its two parts; None where it names no fix."""
    message, _, remedy = problem.partition("; fix: ")
    return message, remedy or None


def reason_of(error: Exception) -> str:
    """What an error says, for a message that names the file itself: of the system's errors the words alone."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class ConfigError(BenchmarkError, ValueError):
    """The configuration cannot be used. Also a ``ValueError``, which scripts written for 0.0.x catch."""


class DatasetError(BenchmarkError):
    """Prompts cannot be read, or there are too few."""


class BackendError(BenchmarkError):
    """The engine is not installed, does not load, or has died."""


class CollectorError(BenchmarkError):
    """A meter cannot be opened, or has been lost."""


class ReporterError(BenchmarkError):
    """A result cannot be written."""
