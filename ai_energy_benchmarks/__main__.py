"""``python -m ai_energy_benchmarks``."""

from ai_energy_benchmarks.cli.main import main

main()
