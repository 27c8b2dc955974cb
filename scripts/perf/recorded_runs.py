"""What the runs of this package on a real GPU came to, from the figures of their reports.

python scripts/perf/recorded_runs.py tests/nvml/recordings/h100_runs.json [--docs docs/validation.md]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import metering_parts  # noqa: F401 - makes the tests' modules importable
from attrs import frozen
from docs_table import replace_section

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.digits import figure
from tests.nvml.driver_recording import FOLDER

H100_RUNS = FOLDER / "h100_runs.json"


@frozen
class RecordedTrial:
    """One trial.

    Attributes:
        net_j: its energy less that at the run's idle power.
    """

    duration_s: float
    output_tokens: int
    bounds_j: Bounds
    net_j: float

    @property
    def per_token_j(self) -> float:
        """Gross J/output token."""
        return self.bounds_j.best / self.output_tokens


@frozen
class RecordedRun:
    """One run; ``card`` tells the GPUs of one model from one another."""

    name: str
    card: int
    idle_power_w: float
    trials: tuple[RecordedTrial, ...]


def load_runs(file: Path) -> tuple[RecordedRun, ...]:
    """The runs of a file."""
    found = []
    for run in json.loads(file.read_text(encoding="utf-8"))["runs"]:
        idle_w = run["idle_power_w"]
        trials = tuple(
            RecordedTrial(
                trial["duration_s"],
                trial["output_tokens"],
                Bounds(trial["energy_low_j"], trial["energy_j"], trial["energy_high_j"]),
                trial["energy_j"] - idle_w * trial["duration_s"],
            )
            for trial in run["trials"]
        )
        found.append(RecordedRun(run["run"], run["card"], idle_w, trials))
    return tuple(found)


def runs_table(runs: tuple[RecordedRun, ...]) -> str:
    """A line for each run."""
    lines = [
        "| run | card | gross J/output token of each trial | time of a pass | idle | net energy of a pass | bounds |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        per_token = ", ".join(figure(trial.per_token_j, 3) for trial in run.trials)
        seconds = ", ".join(f"{trial.duration_s:.1f}" for trial in run.trials)
        nets_j = [trial.net_j for trial in run.trials]
        widths = [trial.bounds_j.relative_half_width for trial in run.trials]
        cells = (run.name, str(run.card), per_token, f"{seconds} s", f"{run.idle_power_w:.0f} W")
        net = f"{min(nets_j):.0f} to {max(nets_j):.0f} J"
        lines.append(f"| {' | '.join((*cells, net))} | ± {min(widths):.1%} to {max(widths):.1%} |")
    return "\n".join(lines)


def main() -> int:
    """Parse the arguments, compute, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=H100_RUNS)
    parser.add_argument("--docs", type=Path, help="replace the section of the file in this Markdown file")
    arguments = parser.parse_args()
    text = runs_table(load_runs(arguments.file))
    print(text)
    if arguments.docs:
        replace_section(arguments.docs, arguments.file.stem.replace("_", "-"), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
