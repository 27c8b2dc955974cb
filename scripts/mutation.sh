#!/usr/bin/env bash
# Changes the modules that decide figures, one small change at a time, and reports the changes that no test notices:
#
#   scripts/mutation.sh [--sample 200] [--seed 1] [--report mutation.md]
#
#   --modules NAMES   draw from these alone, such as analysis or domain/edges.py
#   --covering FILE   which tests run which line, measured by an earlier run (otherwise measured first, in minutes)
#   --done FILE       what an interrupted run tried, to go on
#
# Works in a copy of the last commit, one mutant at a time. Uses cosmic-ray, in .venv-mutation; the tests run in .venv (make
# it by scripts/test.sh). Half an hour to an hour on one core of a quiet machine.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/environment.sh

tests_python=$venv/bin/python
[[ -x $tests_python ]] || fail "there is no $venv" "./scripts/test.sh"
tool=$root/.venv-mutation
if [[ ! -x $tool/bin/cosmic-ray ]]; then
    say "cosmic-ray, in .venv-mutation"
    "$(find_python)" -m venv --clear "$tool"
    venv=$tool pip_install "cosmic-ray>=8.7"
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone --quiet --shared "$root" "$copy/repository"
cd "$copy/repository"
"$tool/bin/python" scripts/mutation/mutants.py --python "$tests_python" --root "$root" "$@"
