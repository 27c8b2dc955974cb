#!/usr/bin/env bash
# Runs tests with the lowest release of each direct dependency that pyproject.toml allows, so that its lower bounds hold.
#
#   scripts/test_lowest.sh [EXTRAS [pytest arguments]]      for instance: scripts/test_lowest.sh dev,pytorch tests/integration
#
# The default is dev and the tests of single modules, laws and the command line. Python 3.10 is taken where it is there, as
# the lowest that is supported. uv resolves, since pip cannot take the lowest releases; it is installed with pip.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
extras=${1:-dev}
shift || true
(($#)) || set -- tests/unit tests/properties tests/functional/test_contract_cli.py

if [[ -z ${AEB_PYTHON:-} ]] && python3.10 -c 'import ensurepip, venv' 2>/dev/null; then AEB_PYTHON=python3.10; fi
AEB_VENV=$root/.venv-lowest
source scripts/environment.sh
make_venv
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
say "the lowest releases that [$extras] allows"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --resolution lowest-direct --editable ".[$extras]"
"$venv/bin/uv" pip freeze --quiet --python "$venv/bin/python" | tr '\n' ' '
echo
exec "$venv/bin/python" -m pytest "$@"
