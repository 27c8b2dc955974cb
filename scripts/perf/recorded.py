"""How near our integration comes to real GPUs that were recorded with an external power meter, and which bounds hold.

    python scripts/perf/recorded.py FOLDER [--runs 200] [--json FILE] [--docs FILE]

FOLDER holds recordings as tests/nvml/recorded.py describes them: what the card drew by an external meter, what the
driver showed meanwhile, and when work began and ended. The driver's readings go through the package's own integration,
window by window, against the external truth; then a simulated counter that integrates either of them is read as the
collector reads one, and the bounds of its window are held against what it integrates. Exit status 1 if fewer than 99 %
of these bounds hold, 2 if the folder cannot be used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import metering_parts  # noqa: F401 - makes the tests' modules importable
from attrs import asdict
from docs_table import replace_section
from recorded_counter import CounterRow, counter_rows
from recorded_windows import Errors, WindowRow, window_rows

from tests.nvml.recorded import RecordingError, load

# Of all windows that print a figure, so many must hold what their counter integrates.
HELD_AT_LEAST = 0.99
COMMAND = "python scripts/perf/recorded.py FOLDER --docs docs/validation.md"


def main() -> int:
    """Parse the arguments, compute, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of recordings, with marks.json")
    parser.add_argument("--runs", type=int, default=200, help="simulated counters of each recording, tick and truth")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("--docs", type=Path, help="replace the section 'recorded' of this Markdown file")
    arguments = parser.parse_args()
    try:
        recordings = load(arguments.folder)
    except RecordingError as error:
        print(f"{error}", file=sys.stderr)
        return 2
    windows = [row for each in recordings for row in window_rows(each)]
    counters = [row for each in recordings for row in counter_rows(each, arguments.runs)]
    tables = f"{windows_table(windows)}\n\n{counters_table(counters)}"
    print(tables)
    if arguments.json:
        found = {"windows": [asdict(row) for row in windows], "counters": [asdict(row) for row in counters]}
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if arguments.docs:
        replace_section(arguments.docs, "recorded", f"Computed by `{COMMAND}`.\n\n{tables}")
    return 0 if all(row.held >= HELD_AT_LEAST for row in counters if row.printed) else 1


def windows_table(rows: Sequence[WindowRow]) -> str:
    """One line for each column of each driver."""
    lines = [
        "| recording | driver's column | at rest, windows of 1 s | under load, windows of 1 s | all of the work | "
        "truth within its bounds and ±5 % gain |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        held = "yes" if row.work_held else "**no**"
        cells = (row.recording, f"`{row.column}`", errors(row.rest), errors(row.load), f"{row.work_error:+.1%}", held)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def errors(of: Errors | None) -> str:
    """Bias and spread, and of how many windows."""
    return "none" if of is None else f"{of.bias:+.1%} ± {of.spread:.2%} ({of.count})"


def counters_table(rows: Sequence[CounterRow]) -> str:
    """One line for each simulated counter."""
    lines = [
        "| recording | its counter integrates | tick | bounds hold that | error | half-width | guarded | WARN | "
        "no figure |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        source = "what the card drew" if row.integrates == "external" else f"`{row.integrates}`"
        held = f"{row.held:.1%} of {row.printed}" if row.printed else "none has a figure"
        figures = (f"{row.bias:+.2%} ± {row.spread:.2%}", f"{row.half_width:.2%}") if row.printed else ("", "")
        shares = (f"{share:.0%}" for share in (row.guarded, row.warned, row.refused))
        lines.append(f"| {' | '.join((row.recording, source, f'{1000 * row.tick_s:g} ms', held, *figures, *shares))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
