"""How long importing takes against a bare Python, ``--help``, the version, and with ``--size`` what is installed.

    python scripts/perf/startup.py [--rounds 20] [--size] [--json FILE]

Runs are interleaved, so that a machine that slows down slows both sides. Exit status 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ratios import Row, median_row, ratio_row, report

ROOT = Path(__file__).parents[2]
BARE = ("-c", "pass")
IMPORT = ("-c", "import ai_energy_benchmarks")
RUNNER = ("-c", "from ai_energy_benchmarks import BenchmarkRunner")
VERSION = ("-c", "import ai_energy_benchmarks; ai_energy_benchmarks.__version__")
HELP = ("-m", "ai_energy_benchmarks", "--help")
POLARS = ("polars", "_polars_runtime")


def seconds(arguments: tuple[str, ...]) -> float:
    """Wall time of one Python with these arguments."""
    start_s = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


def times(rounds: int) -> list[Row]:
    """Interleaved times of a bare Python and of what users start; the first round is dropped."""
    runs = {"bare": BARE, "import": IMPORT, "runner": RUNNER, "version": VERSION, "help": HELP}
    rounds_s = [{name: seconds(arguments) for name, arguments in runs.items()} for _ in range(rounds + 1)][1:]
    of = {name: [taken_s[name] for taken_s in rounds_s] for name in runs}
    return [
        median_row("python -c pass, median", of["bare"]),
        median_row("import ai_energy_benchmarks, median", of["import"]),
        ratio_row("import over bare Python", of["import"], of["bare"], limit=2.0),
        median_row("from ai_energy_benchmarks import BenchmarkRunner, median", of["runner"], limit=0.15),
        median_row("ai_energy_benchmarks.__version__, median", of["version"], limit=0.05),
        median_row("--help, median", of["help"], limit=0.15),
        ratio_row("--help over bare Python", of["help"], of["bare"]),
    ]


def megabytes(directory: Path) -> float:
    """What the files below a directory hold, in MB."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def sizes() -> list[Row]:
    """Sizes of the wheel and of an installation of it with its dependencies, without what a new venv holds anyway."""
    built = subprocess.run([ROOT / "build_wheel.sh"], capture_output=True, text=True, check=True)
    wheel = Path(built.stdout.strip())
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        [packages] = Path(directory).glob("lib/python*/site-packages")
        empty_mb = megabytes(packages)
        subprocess.run([f"{directory}/bin/python", "-m", "pip", "install", "--quiet", wheel], check=True)
        installed_mb = megabytes(packages) - empty_mb
        polars_mb = sum(megabytes(path) for path in packages.iterdir() if path.name.startswith(POLARS))
    return [
        Row("wheel", wheel.stat().st_size / 1e3, "kB", limit=400),
        Row("base install", installed_mb, "MB", limit=230),
        Row("base install without polars", installed_mb - polars_mb, "MB", limit=40),
    ]


def main() -> int:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="interleaved rounds (at least 10)")
    parser.add_argument("--size", action="store_true", help="also build the wheel and install it in a new environment")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    if arguments.rounds < 10:
        parser.error("--rounds must be at least 10")
    return report(times(arguments.rounds) + (sizes() if arguments.size else []), arguments.json)


if __name__ == "__main__":
    sys.exit(main())
