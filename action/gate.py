"""The step of the action: compare, write the summary and the outputs, and leave with the gate's exit code.

Inputs come through the environment, so that nothing that a user writes becomes part of a command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PASS, REFUSED, REGRESSION, INCONCLUSIVE = 0, 2, 4, 5


def arguments(inputs: Mapping[str, str]) -> list[str]:
    """The command line of ``compare`` for the inputs of the action; values cannot be read as options."""
    command = [f"--a={path}" for path in lines(inputs, "BASELINE")]
    command += [f"--b={path}" for path in lines(inputs, "CANDIDATE")]
    command += [f"--fail-above={inputs['FAIL_ABOVE'].strip()}", f"--figure={inputs['FIGURE'].strip()}"]
    if component := inputs.get("COMPONENT", "").strip():
        command.append(f"--component={component}")
    return command + [f"--allow={kind}" for kind in inputs.get("ALLOW", "").split()]


def lines(inputs: Mapping[str, str], name: str) -> list[str]:
    """The paths of an input, one a line."""
    return [line.strip() for line in inputs.get(name, "").splitlines() if line.strip()]


def compared(command: list[str], form: str, file: Path) -> int:
    """Run ``compare`` with its text in a file; its messages go where those of the step go."""
    program = [sys.executable, "-m", "ai_energy_benchmarks", "compare", *command]
    return subprocess.run([*program, f"--format={form}", f"--output={file}"], check=False).returncode


def add(variable: str, text: str) -> None:
    """Add lines to one of the files that the runner reads after the step."""
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def main() -> int:
    """Compare, report, and return the code with which the step ends."""
    directory = Path(os.environ.get("RUNNER_TEMP", "."))
    command, comment, values = arguments(os.environ), directory / "energy-gate.md", directory / "energy-gate.json"
    code = compared(command, "json", values)
    if code not in (PASS, REGRESSION, INCONCLUSIVE):
        add("GITHUB_STEP_SUMMARY", "### ❌ The results cannot be compared; the log of the step says why")
        return code
    compared(command, "markdown", comment)
    found = json.loads(values.read_text(encoding="utf-8"))
    quotient = found["quotient"]
    outputs = {
        "decision": found["decision"],
        "ratio": quotient["best"],
        "low": quotient["low"],
        "high": quotient["high"],
    }
    for name, value in {**outputs, "comment": comment}.items():
        add("GITHUB_OUTPUT", f"{name}={'' if value is None else value}")
    add("GITHUB_STEP_SUMMARY", comment.read_text(encoding="utf-8"))
    sys.stdout.write(f"{found['sentence']}\n")
    tolerated = code == INCONCLUSIVE and os.environ.get("FAIL_INCONCLUSIVE", "true").strip().lower() == "false"
    return PASS if tolerated else code


if __name__ == "__main__":
    sys.exit(main())
