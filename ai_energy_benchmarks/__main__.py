"""``python -m ai_energy_benchmarks``."""

import os
import sys

# Python has put the current directory first on its path: whoever made that directory must not decide what is imported.
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if sys.path and os.path.abspath(sys.path[0] or ".") == os.getcwd() != _HOME:
    del sys.path[0]

from ai_energy_benchmarks.cli.main import main  # noqa: E402 # after the path was put right

main()
