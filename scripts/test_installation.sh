#!/usr/bin/env bash
# Installs the wheel into a new environment, away from the repository, and tries what its users were promised.
#
#   scripts/test_installation.sh [WHEEL] [EXTRAS]      for instance: dist/ai_energy_benchmarks-0.1.0-py3-none-any.whl pytorch
#
# Without a wheel one is built. AEB_PYTHON chooses the Python.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wheel=${1:-}
if [[ -n $wheel ]]; then
    [[ -f $wheel ]] || { echo "error: there is no wheel $wheel" >&2; exit 1; }
    wheel=$(cd "$(dirname "$wheel")" && pwd)/$(basename "$wheel")
else
    wheel=$("$root/build_wheel.sh")
fi
extras=${2:+[$2]}

cd "$root"
source scripts/environment.sh
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
venv=$directory/venv
make_venv
say "$(basename "$wheel")$extras and what it needs"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel$extras"
"$venv/bin/python" -m pip check --disable-pip-version-check
version=$(basename "$wheel" | cut -d- -f2)
cd "$directory"
"$venv/bin/python" -I "$root/scripts/release/smoke.py" "$version"
