"""A study as its file describes it: its keys, its axes, and where the file has what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as File

from attrs import field, frozen

from ai_energy_benchmarks.domain.json_value import JsonValue
from ai_energy_benchmarks.study.plan.axes import Axis
from ai_energy_benchmarks.study.plan.design import DesignConfig, ExecutionConfig
from ai_energy_benchmarks.text.problems import Path, Place, Problem, refusal
from ai_energy_benchmarks.text.ranges import Text

STUDY_FILE = "study.yaml"
STUDY_KEYS = ("base", "sweep", "experiments")
REMEDY = "correct these keys; `ai-energy-benchmark study plan FILE` checks a study without running it"


@frozen
class StudyConfig:
    """One study, as the user wrote it.

    Attributes:
        base: keys of a benchmark that all cells share.
        sweep: axes that are crossed with one another, see docs/studies.md.
        experiments: further cells, each as keys over ``base``.
        exclude: cells to leave out, each as keys with a value or a list of values; all of an entry must match.
        constraints: comparisons of keys that every cell must fulfil, such as
            ``scenario.input_shapes.batch_size * scenario.generate_kwargs.max_new_tokens <= 4096``.
        name: what the study is called.
        design: how often each cell is measured, and in which order.
        execution: how cells are run.
        output_dir: the directory of the study; ``results/<name>`` if not set.
    """

    base: Mapping[str, JsonValue] = field(factory=dict)
    sweep: Mapping[str, JsonValue] = field(factory=dict)
    experiments: tuple[Mapping[str, JsonValue], ...] = ()
    exclude: tuple[Mapping[str, JsonValue], ...] = ()
    constraints: tuple[Text, ...] = ()
    name: Text = "study"
    design: DesignConfig = field(factory=DesignConfig)
    execution: ExecutionConfig = field(factory=ExecutionConfig)
    output_dir: File | None = None


@frozen
class Study:
    """A study that was read: its config, its axes, and where the file has what.

    Attributes:
        source: names it in messages.
        place: the place of a path in the file.
    """

    config: StudyConfig
    axes: tuple[Axis, ...]
    source: str
    place: Callable[[Path], Place] = field(default=lambda path: Place(), repr=False, eq=False)

    @property
    def directory(self) -> File:
        """Where the study is kept."""
        return self.config.output_dir or File("results") / self.config.name.replace("/", "-")

    def refuse(self, problems: list[Problem]) -> Exception:
        """The error with all problems at their places."""
        return refusal(self.source, problems, self.place, remedy=REMEDY)


def is_study(mapping: object) -> bool:
    """Whether the mapping in a file is a study: it has ``base``, ``sweep`` or ``experiments``."""
    return isinstance(mapping, Mapping) and any(key in mapping for key in STUDY_KEYS)
