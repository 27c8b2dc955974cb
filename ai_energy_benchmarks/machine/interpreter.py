"""Our own modules in a Python of their own, which imports nothing from the current directory.

``python -m`` puts that directory first on the path of modules, so that a file named like a library would be run
(``-P`` and ``PYTHONSAFEPATH`` avoid it from Python 3.11 on only).
"""

from __future__ import annotations

import sys
from pathlib import Path

_RUN = (
    "import runpy, sys; sys.path = [each for each in sys.path if each] + sys.argv[1:2]; module = sys.argv[2]; "
    "del sys.argv[1:3]; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)
_RUN_THERE = (
    "import runpy, sys; sys.path = [each for each in sys.path if each]; module = sys.argv[1]; "
    "del sys.argv[1:2]; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)
_PARENT = str(Path(__file__).parents[2])  # where this package is imported from, in case it is not installed


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs a module of this package with these arguments."""
    return (sys.executable, "-c", _RUN, _PARENT, module, *arguments)


def foreign_command(python: str, module: str, *arguments: str) -> tuple[str, ...]:
    """The same in another Python, which imports the copy of this package that is installed there."""
    return (python, "-c", _RUN_THERE, module, *arguments)
