"""The seeded draw of mutants behind ``mutation.sh``, and the report of those that no test notices."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import asdict, frozen
from changes import Provider
from covering import PACKAGE, ROOT, Covering, measure
from report import GOAL, Accepted, Trial, report
from trying import Tests
from unseen import compiles, is_in, takes_part, unseen_ranges

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


@frozen
class Mutant:
    """One change: the module, cosmic-ray's name of the operator, and the how manieth place of that operator."""

    module: str
    operator: str
    occurrence: int
    line: int

    def apply(self) -> str:
        """The module with the change."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        source = (ROOT / self.module).read_text(encoding="utf-8")
        return mutate_code(source, get_operator(self.operator)(), self.occurrence) or source

    def change(self, mutated: str) -> str:
        """The lines that differ, before and after."""
        before = (ROOT / self.module).read_text(encoding="utf-8").splitlines()
        after = mutated.splitlines()
        first = next((n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), 0)
        last = next((n for n, (old, new) in enumerate(zip(before[::-1], after[::-1], strict=False)) if old != new), 0)
        shown = (" ".join(map(str.strip, lines[first : len(lines) - last])) for lines in (before, after))
        return " → ".join(shown)


def modules(chosen: Sequence[str] = ()) -> list[Path]:
    """The files that are changed, or those of them that these names of ``MODULES``, folders or files choose.

    Raises:
        ValueError: a name chooses none.
    """
    paths = [ROOT / PACKAGE / name for name in MODULES]
    files = sorted(file for path in paths for file in (path.glob("*.py") if path.is_dir() else [path]))
    for name in chosen:
        if not any(file.is_relative_to(ROOT / PACKAGE / name) for file in files):
            raise ValueError(f"no file of {name!r} is changed; the modules are {', '.join(MODULES)}")
    return [file for file in files if not chosen or any(file.is_relative_to(ROOT / PACKAGE / name) for name in chosen)]


def places(module: Path) -> Iterator[tuple[tuple[object, ...], Mutant]]:
    """Every change of a module that takes part, with its place; the kinds of change of one place are one place."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = module.read_text(encoding="utf-8")
    name = module.relative_to(ROOT).as_posix()
    lines = source.splitlines()
    unseen = unseen_ranges(source)
    nodes = list(ast_nodes(get_ast(source)))
    for operator_name in operator_names():
        operator = get_operator(operator_name)
        if operator.arguments() if hasattr(operator, "arguments") else ():
            continue
        found = [place for node in nodes for place in operator().mutation_positions(node)]
        for occurrence, (start, end) in enumerate(found):
            code = lines[start[0] - 1][start[1] : end[1] if end[0] == start[0] else None]
            if takes_part(operator_name, code) and not is_in((start, end), unseen):
                kind = operator_name.partition("_")[0]
                yield (name, start, end, kind), Mutant(name, operator_name, occurrence, start[0])


def draw(seed: int, files: Sequence[Path]) -> list[Mutant]:
    """All places in random order, with one change of each: a place counts once, however many there are of it."""
    found: Mapping[tuple[object, ...], list[Mutant]] = defaultdict(list)
    for module in files:
        for place, mutant in places(module):
            found[place].append(mutant)
    chance = random.Random(seed)
    order = sorted(found, key=repr)
    chance.shuffle(order)
    return [chance.choice(found[place]) for place in order]


def trials(order: list[Mutant], sample: int, accepted: Accepted, tests: Tests, done: Path) -> Iterator[Trial]:
    """Try mutants in order until so many that a user could notice were tried; what an earlier run tried is read."""
    earlier = {}
    if done.exists():
        rows = [json.loads(row) for row in done.read_text(encoding="utf-8").splitlines()]
        earlier = {(row["module"], row["change"]): Trial(**row) for row in rows}
    counted = 0
    for mutant in order:
        if counted == sample:
            return
        mutated = mutant.apply()
        change = mutant.change(mutated)
        if mutated == (ROOT / mutant.module).read_text(encoding="utf-8") or not compiles(mutated):
            continue
        reason = accepted.reason(mutant.module, change)
        if reason:
            yield Trial(mutant.module, mutant.line, change, "accepted", reason)
            continue
        trial = earlier.get((mutant.module, change))
        if trial is None:
            outcome, by = tests.outcome(mutant.module, mutated, mutant.line)
            trial = Trial(mutant.module, mutant.line, change, outcome, by)
            with done.open("a", encoding="utf-8") as rows_file:
                rows_file.write(json.dumps(asdict(trial)) + "\n")
        counted += 1
        print(f"{counted}/{sample} {trial.outcome}: {trial.module}:{trial.line} {trial.change}", flush=True)
        yield trial


def main() -> int:
    """Draw, try and report; the number of an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="interpreter of the tests")
    parser.add_argument("--root", type=Path, default=ROOT, help="where the report goes")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=Path("mutation.md"))
    parser.add_argument(
        "--covering", type=Path, help="what an earlier run measured of the tests; made if it is not there"
    )
    parser.add_argument("--done", type=Path, help="what an earlier run tried, to go on after an interruption")
    parser.add_argument(
        "--modules", nargs="+", default=(), help="draw from these alone, such as analysis or domain/edges.py"
    )
    chosen = parser.parse_args()
    try:
        files = modules(chosen.modules)
    except ValueError as problem:
        parser.error(str(problem))

    from cosmic_ray.plugins import OPERATOR_PROVIDERS

    OPERATOR_PROVIDERS["figures"] = Provider()
    covering = chosen.root / chosen.covering if chosen.covering else ROOT / "covering.json"
    done = chosen.root / chosen.done if chosen.done else ROOT / "mutants.jsonl"
    if not covering.exists():
        measure(chosen.python, MODULES, covering)
    subprocess.run(
        [chosen.python, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", PACKAGE], cwd=ROOT, check=True
    )
    order = draw(chosen.seed, files)
    accepted = Accepted.read(chosen.root)
    with Tests(chosen.python, Covering(json.loads(covering.read_text(encoding="utf-8")))) as tests:
        found = list(trials(order, chosen.sample, accepted, tests, done))
    text, share = report(found, len(order), chosen.seed)
    (chosen.root / chosen.report).write_text(text, encoding="utf-8")
    print(text)
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
