"""How exact our NVML meter is and what it costs, beside Zeus and CodeCarbon on the same simulated boards.

    python scripts/perf/metering.py [--windows 1000] [--quick] [--zeus-python PYTHON] [--codecarbon-python PYTHON]
                                    [--json FILE] [--docs FILE]

The boards are those of the tests: a library that the real binding loads, with power of known integral. The truth is
the counter's ideal integral; what a real board's sensor adds is not in it. Thousands of windows run on a virtual
clock, more in real time, where the three meters take turns, each in a process of its own. Environments for the peers
are made once; one that cannot be installed is left out and named. Exit status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import metering_faults
import metering_live as live
import metering_rests as rests
import metering_virtual as virtual
from attrs import asdict
from docs_table import machine, markdown, replace_section
from metering_parts import PEERS, Simulation, environments
from metering_sensors import sensor_rows
from ratios import report

LIVE_WINDOWS = {1.0: 20, 3.0: 6, 10.0: 2}
BUSY_WINDOWS = {1.0: 10, 3.0: 5}
SENSOR_WINDOWS_S = (3.0, 1.0, 3.0, 1.0, 3.0, 10.0, 1.0, 3.0)
COMMAND = "python scripts/perf/metering.py --docs docs/validation.md"


def main() -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=1000, help="windows of each length on the virtual clock")
    parser.add_argument("--quick", action="store_true", help="few live windows, to try the script")
    for name in PEERS:
        parser.add_argument(f"--{name}-python", type=Path, help=f"an interpreter that has {name}")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("--docs", type=Path, help="replace the section 'metering' of this Markdown file")
    arguments = parser.parse_args()

    pythons, missing = environments({name: getattr(arguments, f"{name}_python") for name in PEERS})
    for reason in missing.values():
        print(reason, file=sys.stderr)
    rows = virtual.accuracy_rows(arguments.windows) + virtual.bounds_rows(max(20, arguments.windows // 4))
    rest_limits, shares = rests.rest_rows(max(20, arguments.windows // 5))
    with tempfile.TemporaryDirectory() as directory:
        simulation = Simulation.make(Path(directory))
        rows += live.cost_rows(simulation, pythons, 3.0 if arguments.quick else 10.0)
        rows += live.accuracy_rows(simulation, pythons, {1.0: 3} if arguments.quick else LIVE_WINDOWS)
        own = {name: python for name, python in pythons.items() if name not in PEERS}
        rows += live.accuracy_rows(simulation, own, {1.0: 3} if arguments.quick else BUSY_WINDOWS, "loop")
        lengths_s = SENSOR_WINDOWS_S[:1] if arguments.quick else SENSOR_WINDOWS_S
        rows += list(sensor_rows(simulation, pythons["ours"], lengths_s))
        rows += live.day_rows(simulation, 1.0 if arguments.quick else 24.0)
        faults, faults_right = metering_faults.fault_table(simulation, pythons)
    status = max(report(rows, None), report(rest_limits, None))
    head = ["fault", "truth", *pythons]
    for line in (head, *faults):
        print(" | ".join(line))
    for line in shares:
        print(" | ".join(line))
    if arguments.json:
        found = {"rows": [asdict(row) | {"ok": row.ok} for row in rows], "faults": [head, *faults], "missing": missing}
        found["rests"] = shares
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if arguments.docs:
        table = "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *faults))
        absent = "".join(f"\n{reason}\n" for reason in missing.values())
        versions = ", ".join(requirement for name, requirement in PEERS.items() if name in pythons)
        body = f"Measured {machine()}, with {versions or 'no peer'}, by `{COMMAND}`.\n{absent}"
        replace_section(arguments.docs, "rests", rests.section(rest_limits, shares))
        replace_section(arguments.docs, "metering", f"{body}\n{markdown(rows)}\n\n{table}")
    return status if faults_right else 1


if __name__ == "__main__":
    sys.exit(main())
