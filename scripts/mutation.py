"""The seeded sample of mutants behind ``mutation.sh``, the tests of each, and the report of those that survive."""

from __future__ import annotations

import argparse
import csv
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "ai_energy_benchmarks"
# Where a figure, its bounds or its verdict is decided.
MODULES = (
    "analysis",
    "domain/bounds.py",
    "domain/edges.py",
    "domain/guarded.py",
    "domain/integral.py",
    "domain/outcomes.py",
    "domain/recipes.py",
    "domain/rests.py",
    "domain/statistics.py",
    "metrics/cpu/share.py",
    "metrics/cpu/time.py",
    "metrics/gpu_choice.py",
    "metrics/polled.py",
    "metrics/rapl",
    "results/document",
    "results/quotable.py",
    "results/scores.py",
)
# Whole results, in which a change of any module can show.
ALWAYS = (
    "tests/unit/test_results_document.py",
    "tests/unit/test_reporters_console.py",
    "tests/unit/test_reporters_csv.py",
    "tests/unit/test_verdict.py",
    "tests/unit/test_summary.py",
)
TIMEOUT_S = 240.0
GOAL = 0.95
# In this code "|" stands in annotations, which are never evaluated.
UNSEEN = "BitOr"
# Changes that no user can see, each with the reason; the change is written as in the report.
ACCEPTED = Path("scripts") / "mutation_accepted.csv"


def tests_of(module: str) -> list[str]:
    """The tests that name a module, then those of whole results."""
    name = re.escape(module.removesuffix(".py").replace("/", "."))
    naming = re.compile(rf"\b{name}\b")
    found = [
        path
        for path in sorted((ROOT / "tests" / "unit").glob("test_*.py"))
        if naming.search(path.read_text(encoding="utf-8"))
    ]
    return list(dict.fromkeys([*(path.relative_to(ROOT).as_posix() for path in found), *ALWAYS]))


def run_tests(python: str) -> int:
    """Run the tests of the module that differs from the commit; pytest's exit code."""
    changed = subprocess.run(["git", "diff", "--name-only"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [test for name in changed.stdout.split() for test in tests_of(name)] or list(ALWAYS)
    command = [python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
    return subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, check=False
    ).returncode


def configuration(python: str) -> str:
    """cosmic-ray's configuration."""
    paths = ", ".join(f'"{PACKAGE}/{module}"' for module in MODULES)
    return (
        f"[cosmic-ray]\nmodule-path = [{paths}]\ntimeout = {TIMEOUT_S}\nexcluded-modules = []\n"
        f'test-command = "{sys.executable} scripts/mutation.py --python {python} --run-tests"\n'
        '[cosmic-ray.distributor]\nname = "local"\n'
    )


def draw(session: Path, sample: int, seed: int) -> int:
    """Leave a random sample of the session's mutants to be tried; how many there are in all."""
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    with use_db(str(session), WorkDB.Mode.open) as database:
        jobs = sorted(item.job_id for item in database.work_items)
        order = sorted(
            ((*mutation.start_pos, str(mutation.module_path), mutation.operator_name, mutation.occurrence), item.job_id)
            for item in database.work_items
            for mutation in item.mutations
            if UNSEEN not in mutation.operator_name
        )
        names = [job for _, job in order]
        tried = set(random.Random(seed).sample(names, min(sample, len(names))))
        skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)
        database.set_multiple_results([job for job in jobs if job not in tried], skipped)
    return len(names)


def outcomes(session: Path) -> Iterator[tuple[str, str, str]]:
    """Place, outcome and change of every mutant that was tried."""
    from cosmic_ray.work_db import WorkDB, use_db

    with use_db(str(session), WorkDB.Mode.open) as database:
        items = {item.job_id: item for item in database.work_items}
        for job, result in database.results:
            if result.test_outcome is None:
                continue
            mutation = items[job].mutations[0]
            lines = [line for line in (result.diff or "").splitlines() if re.match(r"[-+](?![-+])", line)]
            change = " → ".join(line[1:].strip() for line in lines[:2])
            yield f"{mutation.module_path}:{mutation.start_pos[0]}", str(result.test_outcome.value), change


def accepted(root: Path) -> set[tuple[str, str]]:
    """Changes that were looked at: module and change."""
    file = root / ACCEPTED
    with file.open(encoding="utf-8", newline="") as rows:
        return {(row["module"], row["change"]) for row in csv.DictReader(rows)}


def report(
    found: Sequence[tuple[str, str, str]], total: int, seed: int, known: set[tuple[str, str]]
) -> tuple[str, float]:
    """The report as Markdown, and the share of the mutants that were noticed or accepted."""
    survivors = [(place, change) for place, outcome, change in found if outcome == "survived"]
    fresh = [(place, change) for place, change in survivors if (place.partition(":")[0], change) not in known]
    share = 1 - len(fresh) / len(found) if found else 0.0
    rows = [f"| `{place}` | `{change.replace('|', chr(92) + '|')}` |" for place, change in sorted(fresh)]
    head = (
        f"{len(found)} of {total} mutants, seed {seed}: {len(found) - len(survivors)} noticed, "
        f"{len(survivors) - len(fresh)} accepted, {len(fresh)} not noticed; {100 * share:.1f} %, the goal is "
        f"{100 * GOAL:.0f} %."
    )
    return "\n".join([head, "", "| place | change that no test notices |", "|---|---|", *rows, ""]), share


def main() -> int:
    """Draw, try and report; the number of an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="interpreter of the tests")
    parser.add_argument("--run-tests", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, default=ROOT, help="where the report goes")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=Path("mutation.md"))
    chosen = parser.parse_args()
    if chosen.run_tests:
        return run_tests(chosen.python)
    tool = Path(sys.executable).with_name("cosmic-ray")
    config, session = ROOT / "mutation.toml", ROOT / "mutation.sqlite"
    config.write_text(configuration(chosen.python), encoding="utf-8")
    subprocess.run([tool, "baseline", config], cwd=ROOT, check=True)
    subprocess.run([tool, "init", config, session], cwd=ROOT, check=True)
    total = draw(session, chosen.sample, chosen.seed)
    subprocess.run([tool, "exec", config, session], cwd=ROOT, check=True)
    text, share = report(list(outcomes(session)), total, chosen.seed, accepted(chosen.root))
    (chosen.root / chosen.report).write_text(text, encoding="utf-8")
    print(text)
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
