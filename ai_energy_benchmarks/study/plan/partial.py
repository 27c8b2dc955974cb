"""What of a study can be checked although some of its keys are wrong, so that one error has all problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs
from attrs import frozen

from ai_energy_benchmarks.study.plan.checking import looked_at
from ai_energy_benchmarks.study.plan.study import STUDY_KEYS, Study, StudyConfig
from ai_energy_benchmarks.text.problems import InvalidError, Problem

# Of a study some of whose axes cannot be read: whether a key is missing, or a rule without effect, is not known then.
_UNCERTAIN = ("is required and missing", "is not a key of any cell", "matches no cell", "applies to no cell")
_OF_THE_STUDY = ("name", "output_dir")


@frozen
class Partial:
    """The readable part of a mapping that should be a study.

    Attributes:
        mapping: without the blocks that are wrong; a misspelt ``base``, ``sweep`` or ``experiments`` under its name.
        written: that name → how it was spelt.
        whole: whether everything is there that makes cells.
        known: problems that are reported already.
    """

    mapping: Mapping[str, object]
    written: Mapping[str, str]
    whole: bool
    known: Sequence[Problem]

    @classmethod
    def of(cls, mapping: Mapping[str, object], problems: Sequence[Problem]) -> Partial:
        """What is left of a mapping beside its problems."""
        fields = {each.name for each in attrs.fields(StudyConfig)}
        guesses = {problem.path[0]: problem.near for problem in problems if len(problem.path) == 1}
        wrong = {problem.path[0] for problem in problems if problem.path}
        kept: dict[str, object] = {}
        written: dict[str, str] = {}
        for key, value in mapping.items():
            meant = guesses.get(key, "")
            if key not in fields and meant in STUDY_KEYS and meant not in mapping:
                kept[meant], written[meant] = value, key
            elif key in fields and (key not in wrong or (key in ("base", "sweep") and isinstance(value, Mapping))):
                kept[key] = value
        base = kept.get("base")
        if isinstance(base, Mapping):
            kept["base"] = {key: value for key, value in base.items() if key not in _OF_THE_STUDY}
        return cls(kept, written, not wrong.intersection(STUDY_KEYS) and "base" in kept, problems)

    def problems(self, study: Callable[[], Study]) -> list[Problem]:
        """Further problems, at the places where the file has them.

        Args:
            study: reads the mapping.
        """
        try:
            _, found = looked_at(study())
        except InvalidError as error:
            found = [*error.problems]
        reported = {problem.path for problem in self.known}
        placed = (attrs.evolve(each, path=self._written(each)) for each in found)
        return [each for each in placed if each.path not in reported and (self.whole or self._certain(each))]

    def _written(self, problem: Problem) -> tuple[str | int, ...]:
        if not problem.path:
            return ()
        top, *below = problem.path
        return (self.written.get(str(top), top), *below)

    def _certain(self, problem: Problem) -> bool:
        """Whether it is one, whatever stands in the part that could not be read."""
        return bool(problem.path) and not any(text in problem.text for text in _UNCERTAIN)
