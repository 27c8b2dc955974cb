#!/usr/bin/env bash
# Builds the sdist and, from it, the wheel into dist/, checks both, and prints the path of the wheel (all else goes to
# stderr). Uses the active environment if it has build and twine, else one of its own in .venv-build.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"
exec 3>&1 >&2
source scripts/environment.sh

has_tools() { "$1" -c 'import build, twine' 2>/dev/null; }

python=python
if ! has_tools "$python"; then
    python=$root/.venv-build/bin/python
    if ! has_tools "$python"; then
        say "build and twine, in .venv-build"
        "$(find_python)" -m venv --clear .venv-build
        venv=$root/.venv-build pip_install build twine
    fi
fi

# The same commit gives the same bytes.
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 946684800)
    export SOURCE_DATE_EPOCH
fi

version=$(<VERSION.txt)
wheel=dist/ai_energy_benchmarks-$version-py3-none-any.whl
say "building $version"
"$python" -m build --outdir dist .
"$python" -m twine check --strict "$wheel" "dist/ai_energy_benchmarks-$version.tar.gz"
echo "$root/$wheel" >&3
