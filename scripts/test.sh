#!/usr/bin/env bash
# Lints, checks types and runs every test that needs only pip. Needs Python 3.10 or newer; installs the rest into .venv.
#
#   --heavy           also the tests that need apt packages or minutes; gets what they need, vLLM included (heavy.sh)
#   AEB_CORE_ONLY=1   without torch, for a Python that it has no wheel for
#
# The tests run in one process per core, at most four; the heavy ones one after another. Further arguments go to pytest,
# -n 0 among them, which runs all tests in one process.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/environment.sh

# Tests start hundreds of processes; without bytecode on the disk each of them would compile the package anew.
unset PYTHONDONTWRITEBYTECODE

selection=(-n logical --maxprocesses 4 --dist worksteal)
heavy=
if [[ ${1:-} == --heavy ]]; then
    selection=(-m "heavy or not heavy")
    heavy=yes
    shift
fi

if [[ -n ${AEB_CORE_ONLY:-} ]]; then
    prepare dev
else
    prepare dev,pytorch,bitsandbytes,peft,codecarbon,datasets,serve
fi
if [[ -n $heavy ]]; then
    source scripts/heavy.sh
    prepare_packages
    prepare_jupyter
    prepare_schedulers
    [[ -n ${AEB_CORE_ONLY:-} ]] || prepare_vllm
fi

say "ruff"
"$venv/bin/python" -m ruff check --quiet
"$venv/bin/python" -m ruff format --check --quiet
say "mypy"
"$venv/bin/python" -m mypy
say "pytest"
exec "$venv/bin/python" -m pytest "${selection[@]}" "$@"
