"""Keys of configs written for 0.0.x, read as what they are called today."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.text.problems import Path, Problem


@frozen
class Modern:
    """A config in today's keys.

    Attributes:
        moved: today's path → the older path that the user wrote.
    """

    mapping: dict[str, object]
    problems: tuple[Problem, ...]
    moved: Mapping[Path, Path]

    def as_written(self, path: Path) -> Path:
        """The path by which the user knows it."""
        for today, older in self.moved.items():
            if path[: len(today)] == today:
                return older + path[len(today) :]
        return path


def modernise(mapping: Mapping[str, object]) -> Modern:
    """``metrics.type`` becomes a list of one collector, ``reporter`` a list of one reporter."""
    modern = dict(mapping)
    problems: list[Problem] = []
    moved: dict[Path, Path] = {}
    if "reporter" in modern:
        reporter = modern.pop("reporter")
        if "reporters" in modern:
            problems.append(Problem(("reporter",), "is the older form of 'reporters', which is given too; keep one"))
        else:
            modern["reporters"] = [reporter]
            moved[("reporters", 0)] = ("reporter",)
    metrics = modern.get("metrics")
    if isinstance(metrics, Mapping) and "type" in metrics:
        rest = {key: value for key, value in metrics.items() if key != "type"}
        if "collectors" in rest:
            text = "is the older form of 'collectors', which is given too; keep one"
            problems.append(Problem(("metrics", "type"), text))
        else:
            rest["collectors"] = [{"type": metrics["type"]}]
            moved[("metrics", "collectors", 0)] = ("metrics",)
        modern["metrics"] = rest
    return Modern(modern, tuple(problems), moved)
