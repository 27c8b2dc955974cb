"""Commands in processes that begin with everything imported, since importing takes most of the time of a tiny run.

polars alone they import themselves: it begins a thread at once, which a fork would not copy.

``python warm.py MODULE …`` imports the modules and then starts one command for each line of JSON on its standard input,
``{"words": […], "directory": …, "environment": {…}, "out": …, "err": …}``: it forks, prints the number of the new
process, and, once that has ended, its return code as ``subprocess`` has it.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

_ALL = (
    "ai_energy_benchmarks.cli.main", "ai_energy_benchmarks.cli.run", "ai_energy_benchmarks.cli.batch",
    "ai_energy_benchmarks.cli.recover", "ai_energy_benchmarks.runner.measuring",
    "ai_energy_benchmarks.study.running.study_run", "ai_energy_benchmarks.study.batches.batch",
    "ai_energy_benchmarks.runner.recovering",
    "ai_energy_benchmarks.backends.server.openai", "ai_energy_benchmarks.backends.server.vllm",
    "ai_energy_benchmarks.metrics.disabled", "ai_energy_benchmarks.reporters.console",
    "ai_energy_benchmarks.reporters.parquet", "ai_energy_benchmarks.reporters.csv",
    "ai_energy_benchmarks.reporters.json", "ai_energy_benchmarks.study.executors.local",
)  # fmt: skip


def _become(order: dict[str, object]) -> None:
    """In the new process: its directory, its variables and its streams."""
    os.setsid()
    os.chdir(str(order["directory"]))
    assert isinstance(order["environment"], dict)
    os.environ.update(order["environment"])
    null = os.open(os.devnull, os.O_RDONLY)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for target, source in ((0, null), (1, os.open(str(order["out"]), flags)), (2, os.open(str(order["err"]), flags))):
        os.dup2(source, target)
        os.close(source)


def main() -> None:
    """Start one after the other."""
    for name in (*_ALL, *sys.argv[1:]):
        import_module(name)
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _become(order)
            from ai_energy_benchmarks.cli.main import main as command

            command(order["words"])
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
