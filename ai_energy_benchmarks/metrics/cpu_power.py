"""Rated power of a CPU's hardware thread, from what vendors publish."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from importlib.resources import files
from statistics import median

from attrs import frozen

_REMEDY = "set `watts_per_thread` in the options of the collector `modelled` if you know it better"
# Marks and words that a processor's name holds beside its model.
_NOISE = re.compile(r"\((?:r|tm|c)\)|®|™|@.*|\bcpu\b|\bprocessor\b", re.IGNORECASE)


@frozen
class RatedCpu:
    """One row of ``cpu_tdp.csv``.

    Attributes:
        model: the part's name, as its own name for itself holds it.
        source: the vendor's page that states it.
    """

    model: str
    tdp_w: float
    threads: int
    source: str

    @property
    def thread_w(self) -> float:
        return self.tdp_w / self.threads


@frozen
class ThreadPower:
    """Power of one busy hardware thread, and a sentence on where the figure comes from."""

    watts: float
    note: str


def rated_cpus() -> tuple[RatedCpu, ...]:
    """All rows of the table."""
    text = files(__package__ or "").joinpath("cpu_tdp.csv").read_text(encoding="utf-8")
    return tuple(
        RatedCpu(row["model"], float(row["tdp_w"]), int(row["threads"]), row["source"])
        for row in csv.DictReader(text.splitlines())
    )


def thread_power(cpu_model: str | None, asked_w: float | None) -> ThreadPower:
    """The user's figure; else the table's; else a guess, which its note calls one.

    Args:
        cpu_model: the processor's name for itself; None if the machine does not tell.
        asked_w: what the user set.
    """
    if asked_w is not None:
        return ThreadPower(
            asked_w, f"CPU energy is modelled with {asked_w:g} W per hardware thread, as the config says"
        )
    rated = rated_cpus()
    words = _words(cpu_model or "")
    matches = [each for each in rated if _holds(words, _words(each.model))]
    if matches:
        best = max(matches, key=lambda each: len(_words(each.model)))
        return ThreadPower(
            best.thread_w,
            f"CPU energy is modelled with {best.thread_w:.3g} W per hardware thread: "
            f"{best.tdp_w:g} W over {best.threads} threads ({best.source})",
        )
    family, parts = _family(words, rated)
    guess_w = median(each.thread_w for each in parts)
    name = repr(cpu_model) if cpu_model else "of unknown name"
    return ThreadPower(
        guess_w,
        f"the CPU {name} is not in the table of rated powers; {guess_w:.3g} W per hardware thread is a guess, "
        f"the median of the {len(parts)} {family} in the table: {_REMEDY}",
    )


def _words(name: str) -> list[str]:
    return _NOISE.sub(" ", name).lower().split()


def _holds(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the words of the part follow each other in the name, each in full."""
    return any(words[i : i + len(part)] == part for i in range(len(words) - len(part) + 1))


def _family(words: Sequence[str], rated: Sequence[RatedCpu]) -> tuple[str, list[RatedCpu]]:
    for family in ("EPYC", "Threadripper", "Ryzen", "Xeon", "Core"):
        if family.lower() in words:
            return f"{family} parts", [each for each in rated if family in each.model.split()]
    return "parts", list(rated)
