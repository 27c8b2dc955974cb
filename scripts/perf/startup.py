"""How long importing takes against a bare Python, how long ``--help`` takes, and with ``--size`` what is installed.

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
HELP = ("-m", "ai_energy_benchmarks", "--help")
POLARS = ("polars", "_polars_runtime")


def seconds(arguments: tuple[str, ...]) -> float:
    """Wall time of one Python with these arguments."""
    start_s = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


def times(rounds: int) -> list[Row]:
    """Interleaved times of a bare Python, of an import and of ``--help``; the first round is dropped."""
    bare_s, import_s, help_s = [], [], []
    for _ in range(rounds + 1):
        bare_s.append(seconds(BARE))
        import_s.append(seconds(IMPORT))
        help_s.append(seconds(HELP))
    return [
        median_row("python -c pass, median", bare_s[1:]),
        median_row("import ai_energy_benchmarks, median", import_s[1:]),
        ratio_row("import over bare Python", import_s[1:], bare_s[1:], limit=3.0),
        median_row("--help, median", help_s[1:], limit=0.25),
        ratio_row("--help over bare Python", help_s[1:], bare_s[1:]),
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
