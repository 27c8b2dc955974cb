"""What each meter says when something goes wrong while a window is open."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import field, frozen
from metering_live import OPENING_S, ROUNDING_J, middles, open_together
from metering_parts import Simulation

from tests.nvml.simulated import Board, Fall, Machine, Refusal, constant, square

TRIES = 3
UNRESOLVED = 0.2


@frozen
class Fault:
    """One thing that goes wrong while a window is open; ``wanted`` is the board whose energy is asked for.

    Attributes:
        sensor: whether the board's own sensor is at fault. The truth is then what the board really drew, and no
            software can tell it.
    """

    name: str
    board: Board
    seconds: float = 2.0
    environment: Mapping[str, str] = field(factory=dict)
    boards: tuple[Board, ...] = ()
    wanted: int = 0
    sensor: bool = False

    def truth_j(self, machine: Machine, start_s: float, stop_s: float) -> float:
        """What the meters are held to."""
        counted_j = machine.energy_j(self.wanted, start_s, stop_s)
        return counted_j / machine.boards[self.wanted].gain if self.sensor else counted_j


WORK = square(250.0, 350.0, 0.7)
# In step with the looks of a sensor that does not look all the time.
BLINKING = square(100.0, 500.0, 0.1)
# Seconds after the origin: all meters are open by then.
_AT_S = OPENING_S
FAULTS = (
    Fault("none", Board("GPU-0", WORK)),
    Fault("counter reset in the window", Board("GPU-0", WORK, falls=(Fall(_AT_S + 1),))),
    Fault("counter steps back by 50 J", Board("GPU-0", WORK, falls=(Fall(_AT_S + 1, 50e3),))),
    Fault("no counter (old board)", Board("GPU-0", WORK, counter=False, architecture=6, instant=False)),
    Fault("calls refused for 0.3 s", Board("GPU-0", WORK, refusals=(Refusal(_AT_S + 1, _AT_S + 1.3),))),
    Fault("calls refused at the end", Board("GPU-0", WORK, refusals=(Refusal(_AT_S + 1.9, _AT_S + 2.4),))),
    Fault("board lost midway", Board("GPU-0", WORK, lost_at_s=_AT_S + 1)),
    Fault("MIG slice visible", Board("GPU-0", WORK, slices=("MIG-1", "MIG-2")), 2.0, {"CUDA_VISIBLE_DEVICES": "MIG-1"}),
    Fault(
        "second board chosen by UUID",
        Board("GPU-0", constant(100.0)),
        2.0,
        {"CUDA_VISIBLE_DEVICES": "GPU-1"},
        (Board("GPU-1", WORK),),
        1,
    ),
    Fault("the rest of the module draws 200 W", Board("GPU-0", WORK, module_w=200.0)),
    Fault("power that is read is off by up to 20 W", Board("GPU-0", WORK, noise_w=20.0)),
    Fault("window of 150 ms", Board("GPU-0", WORK), 0.15),
    Fault("window of 20 ms", Board("GPU-0", WORK), 0.02),
    Fault("sensor: gain of +5 %", Board("GPU-0", WORK, gain=1.05), sensor=True),
    Fault("sensor: looks at a quarter of the time", Board("GPU-0", BLINKING, duty=0.25, jitter=0.0), sensor=True),
    Fault(
        "sensor: no counter, power averaged over 1 s",
        Board("GPU-0", WORK, counter=False, architecture=9, instant=False),
        sensor=True,
    ),
)


def fault_table(simulation: Simulation, pythons: Mapping[str, Path]) -> tuple[list[list[str]], bool]:
    """One line per fault: the truth and what each meter says; and whether ours is right in every one.

    Raises:
        SystemExit: the meters opened too late again and again.
    """
    lines = []
    # CodeCarbon's first figures under a new home are off whatever happens (we saw 0 J and eight times the truth).
    _fault_line(simulation, pythons, FAULTS[0])
    for fault in FAULTS:
        for _ in range(TRIES):
            line = _fault_line(simulation, pythons, fault)
            if line is not None:
                break
        else:
            raise SystemExit("the meters did not open in time; is the machine busy?")
        lines.append(line)
    return lines, not any(line[2].startswith("**") for line in lines)


def _fault_line(simulation: Simulation, pythons: Mapping[str, Path], fault: Fault) -> list[str] | None:
    """None if the fault came before all meters were open."""
    with ExitStack() as stack:
        meters = [
            stack.enter_context(simulation.meter(name, python, **fault.environment)) for name, python in pythons.items()
        ]
        machine, opened = open_together(simulation, meters, [fault.board, *fault.boards], {})
        start_s = machine.origin_s + _AT_S + 0.013
        if time.perf_counter() > start_s - 0.1:
            return None
        for meter in meters:
            meter.send("window", start_s, start_s + fault.seconds, 0.0)
        answers = [meter.answer() for meter in meters]
    said = [
        _said(machine, fault, each if "error" not in first else first)
        for first, each in zip(opened, answers, strict=True)
    ]
    truth_j = fault.truth_j(machine, start_s, start_s + fault.seconds)
    return [fault.name, f"{truth_j:.0f} J", *said]


def _said(machine: Machine, fault: Fault, answer: Mapping[str, Any]) -> str:
    """A meter's figure with its error, or its refusal; bold where it is wrong."""
    if "error" in answer:
        return f"refused: {answer['error'][:90].replace('|', ' ')}"
    figures = answer["figures"]
    if not figures:
        return "no figure"
    # A meter that renumbers what it sees still has only one board to tell of.
    own = [each for each in figures if each["board"] == fault.wanted] or figures[:1]
    energy_j = sum(each["energy_j"] for each in figures)
    truth_j = fault.truth_j(machine, *middles(answer))
    if "low_j" in own[0]:
        low_j, high_j, energy_j = own[0]["low_j"], own[0]["high_j"], own[0]["energy_j"]
        held = low_j - ROUNDING_J <= truth_j <= high_j + ROUNDING_J
        if held and (high_j - low_j) / 2 > UNRESOLVED * energy_j:
            return f"unresolved: {low_j:.0f} to {high_j:.0f} J"
        note = next((f", “{text.split(': ', 1)[-1][:70]}”" for text in own[0]["notes"]), "")
        if held:
            return f"{energy_j:.0f} J ({energy_j / truth_j - 1:+.1%}), within {low_j:.0f} to {high_j:.0f}{note}"
    error = energy_j / truth_j - 1
    said = f"{energy_j:.0f} J ({error:+.1%})"
    return said if fault.sensor or abs(error) <= 0.05 else f"**{said}**"
