"""Rated power of a CPU's hardware thread, from what vendors publish."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from importlib.resources import files
from statistics import median
from typing import Literal

from attrs import frozen

from ai_energy_benchmarks.errors import CollectorError

_REMEDY = "set `watts_per_thread` in the options of the collector `modelled` if you know it better"
# A version after a part's name makes another part of it: E5-2660 v2 has ten cores where E5-2660 has eight.
_VERSION = re.compile(r"v\d+")
_ARCHITECTURE = re.compile(r"x86_64|amd64|i[3-6]86|aarch64|arm64|armv\d\w*|ppc64\w*|riscv\w*|s390x|loongarch\w*")
_X86 = frozenset({"x86_64", "amd64", "i386", "i486", "i586", "i686"})
_ARM = ("neoverse", "grace", "cortex", "apple", "ampere", "altra", "graviton", "kunpeng", "arm", "aarch64")
_NEITHER = ("power", "risc-v")
# The only Arm parts of the table.
_ARM_FAMILY = "Altra"
# Where a part's name holds its series and generation: EPYC 7_ _3 (Milan), Xeon Platinum 84_ _ (Sapphire Rapids),
# Xeon E5-_ v4 (Broadwell).
_GENERATIONS = (
    ("EPYC", re.compile(r"\bepyc ([79])[\da-z]\w(\d)")),
    ("Threadripper", None),
    ("Ryzen", None),
    ("Xeon", re.compile(r"\b(?:platinum|gold|silver|bronze) ([3-8]\d)\d\d|\b(e[357])-\d{4}\w?(?: 0)?(?: (v\d))?")),
    ("Core", None),
)
_CORES = re.compile(r"(\d+)-core")
# Marks and words that a processor's name holds next to its model.
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
    """Power of one busy hardware thread, a sentence on where the figure comes from, and whether it is a guess."""

    watts: float
    note: str
    guessed: bool = False


def rated_cpus() -> tuple[RatedCpu, ...]:
    """All rows of the table."""
    text = files(__package__ or "").joinpath("cpu_tdp.csv").read_text(encoding="utf-8")
    return tuple(
        RatedCpu(row["model"], float(row["tdp_w"]), int(row["threads"]), row["source"])
        for row in csv.DictReader(text.splitlines())
    )


def thread_power(cpu_model: str | None, asked_w: float | None, platform: str = "") -> ThreadPower:
    """The user's figure; else the table's; else a guess, which its note calls one.

    Args:
        cpu_model: the processor's name for itself; None if the machine does not report it.
        asked_w: what the user set.
        platform: the operating system's name for the machine, which ends in its architecture; empty if not known.

    Raises:
        CollectorError: the processor is none of those that the table has relatives of.
    """
    if asked_w is not None:
        return ThreadPower(
            asked_w, f"CPU energy is modelled with {asked_w:g} W per hardware thread, as the config says"
        )
    rated = rated_cpus()
    words = _words(cpu_model or "")
    matches = [part for part in rated if _is_part(words, _words(part.model))]
    if matches:
        best = max(matches, key=lambda part: len(_words(part.model)))
        return ThreadPower(
            best.thread_w,
            f"CPU energy is modelled with {best.thread_w:.3g} W per hardware thread: "
            f"{best.tdp_w:g} W over {best.threads} threads ({best.source})",
        )
    name = repr(cpu_model) if cpu_model else "of unknown name"
    kind = _kind(words, platform)
    if kind is None:
        raise CollectorError(
            f"no rated power is known of the CPU {name}, nor of any processor like it: {_REMEDY}", remedy=_REMEDY
        )
    family, parts = _relatives(words, [part for part in rated if (_ARM_FAMILY in part.model) == (kind == "arm")])
    guess_w = median(part.thread_w for part in parts)
    return ThreadPower(
        guess_w,
        f"the CPU {name} is not in the table of rated powers; {guess_w:.3g} W per hardware thread is a guess, good to "
        f"an order of magnitude: the median of the {len(parts)} {family} in the table; {_REMEDY}",
        guessed=True,
    )


def _words(name: str) -> list[str]:
    return _NOISE.sub(" ", name).lower().split()


def _is_part(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the words of the part follow each other in the name, each in full, and no later version follows them."""
    starts = range(len(words) - len(part) + 1)
    ends = (i + len(part) for i in starts if list(words[i : i + len(part)]) == list(part))
    return any(not _VERSION.fullmatch(words[end]) if end < len(words) else True for end in ends)


def _kind(words: Sequence[str], platform: str) -> Literal["x86", "arm"] | None:
    """The kind of processor, by the platform, else by its name; None for one that the table has no parts of."""
    if found := _ARCHITECTURE.findall(platform.lower()):
        return "x86" if found[-1] in _X86 else "arm" if found[-1].startswith(("aarch64", "arm")) else None
    if any(word.startswith(_NEITHER) for word in words):
        return None
    return "arm" if any(word.startswith(_ARM) for word in words) else "x86"


def _relatives(words: Sequence[str], rated: Sequence[RatedCpu]) -> tuple[str, list[RatedCpu]]:
    """The parts of the same series and generation, else of the same family, else all.

    Cloud providers' own parts, such as EPYC 7V13 and Xeon Platinum 8481C, differ from the public ones of their
    generation in cores and clocks, not in kind.
    """
    for family, pattern in _GENERATIONS:
        if family.lower() not in words:
            continue
        parts = [part for part in rated if family in part.model.split()]
        generation = _generation(words, pattern)
        alike = [part for part in parts if generation and generation == _generation(_words(part.model), pattern)]
        if not alike:
            return f"{family} parts", parts
        cores = next((int(found[1]) for word in words if (found := _CORES.fullmatch(word))), None)
        as_many = [part for part in alike if cores and part.threads == 2 * cores]
        return f"{family} parts of its generation{' and cores' if as_many else ''}", as_many or alike
    return "parts of its architecture", list(rated)


def _generation(words: Sequence[str], pattern: re.Pattern[str] | None) -> tuple[str, ...] | None:
    match = pattern.search(" ".join(words)) if pattern else None
    return match.groups() if match else None
