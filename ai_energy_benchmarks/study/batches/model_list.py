"""The list of models that AI Energy Score keeps as a CSV file: one row per model and reasoning state."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from ai_energy_benchmarks.domain.prompts import TemplateValue
from ai_energy_benchmarks.errors import ConfigError, reason_of
from ai_energy_benchmarks.safety.cells import unguarded
from ai_energy_benchmarks.safety.files import refuse_special

_HUB = re.compile(r"https?://(www\.)?huggingface\.co/")
TEXT_TASK = "text_gen"
_EFFORT = re.compile(r"reasoning_effort[\"']?\s*[:=]\s*[\"']?(\w+)")
_STATE = re.compile(r"(on|off)\b\s*(?:\((.*)\))?", re.IGNORECASE)
_LONGEST_NAME = 150  # of a directory; file systems allow 255 bytes
_COLUMNS = {
    "model": "Models to Add",
    "priority": "Priority (1=hi)",
    "model_class": "Class",
    "task": "Task",
    "state": "Reasoning State",
    "template": "Chat Template",
}


@frozen
class ListedModel:
    """One row.

    Attributes:
        line: of the file, for messages.
        model: hub id or path, without the hub's address.
        state: the reasoning state as written.
        reasoning: True for On, False for Off, None for neither.
        reasoning_params: the effort, where the state or the chat template names one.
    """

    line: int
    model: str
    priority: str = ""
    model_class: str = ""
    task: str = ""
    state: str = ""
    reasoning: bool | None = None
    reasoning_params: Mapping[str, TemplateValue] = field(factory=dict)

    @property
    def slug(self) -> str:
        """A name for files, different for every model, state, effort and task."""
        effort = str(self.reasoning_params.get("reasoning_effort", ""))
        told = [self.model, self.state, "" if effort in self.state.lower() else effort]
        told += [] if self.task in ("", TEXT_TASK) else [self.task]
        return re.sub(r"[^\w.-]+", "_", "_".join(filter(None, told)))[-_LONGEST_NAME:].strip("_.")


@frozen
class Filters:
    """Which rows are meant; an empty filter lets everything pass.

    Attributes:
        models: parts of the model's name, without regard to capitals; one of them must be in it.
        state: a part of the reasoning state, such as ``on`` or ``high``.
    """

    models: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    state: str = ""

    def let_pass(self, row: ListedModel) -> bool:
        """Whether the row is meant."""
        return (
            (not self.models or any(part.lower() in row.model.lower() for part in self.models))
            and (not self.classes or row.model_class.upper() in {each.upper() for each in self.classes})
            and (not self.priorities or row.priority in self.priorities)
            and (not self.tasks or row.task in self.tasks)
            and self.state.lower() in row.state.lower()
        )


def read_model_list(file: Path) -> tuple[ListedModel, ...]:
    """The rows of a list, in order; rows without a model are skipped, a row that stands there twice counts once.

    Raises:
        ConfigError: the file cannot be read, or has no column of models.
    """
    try:
        refuse_special(file)
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            if _COLUMNS["model"] not in names:
                raise ConfigError(
                    f"{file} has no column {_COLUMNS['model']!r}; it has {', '.join(filter(None, names)) or 'none'}",
                    remedy="give a CSV file in the form of AI Energy Score's list of models",
                )
            rows = [_row(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{file} cannot be read: {reason_of(error)}", remedy="check the path of the list of models"
        ) from error
    unique: dict[str, ListedModel] = {}
    for row in rows:
        if row.model and unique.setdefault(row.slug, row).model != row.model:
            raise ConfigError(
                f"{file}: {unique[row.slug].model!r} and {row.model!r} (line {row.line}) would share a directory",
                remedy="put them into lists of their own, with an output directory each",
            )
    return tuple(unique.values())


def _row(line: int, cells: Mapping[str, str | Sequence[str] | None]) -> ListedModel:
    texts = {name: unguarded(str(cells.get(column) or "").strip()) for name, column in _COLUMNS.items()}
    state = _STATE.match(texts["state"])
    reasoning = None if state is None else state[1].lower() == "on"
    return ListedModel(
        line=line,
        model=_HUB.sub("", texts["model"]).strip("/") if _HUB.match(texts["model"]) else texts["model"],
        priority=texts["priority"],
        model_class=texts["model_class"],
        task=texts["task"],
        state=texts["state"],
        reasoning=reasoning,
        reasoning_params=_params(reasoning, (state[2] if state else "") or "", texts["template"]),
    )


def _params(reasoning: bool | None, detail: str, template: str) -> dict[str, TemplateValue]:
    """The effort from the chat template, else from the state's brackets."""
    if not reasoning:
        return {}
    named = _EFFORT.search(template)
    effort = named[1].lower() if named else detail.strip().lower()
    return {"reasoning_effort": effort} if effort in ("low", "medium", "high") else {}
