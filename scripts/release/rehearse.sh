#!/usr/bin/env bash
# Rehearses both ways of publishing on two local indexes, with the scripts that the workflows call, and ends with a table.
# Exit status 1 if any row is not ok.
#
#   AEB_PYTHONS       the Pythons to install with (default: every suitable one found)
#   AEB_CORE_ONLY=1   no real benchmark, for which torch is installed
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
AEB_VENV=${AEB_VENV:-$root/.venv-rehearsal}
source scripts/environment.sh

if ! "$venv/bin/python" -c 'import attrs, build, packaging, pypiserver, twine' 2>/dev/null; then
    make_venv
    say "build, twine and a local index"
    pip_install attrs build packaging pypiserver twine
fi
exec "$venv/bin/python" scripts/release/rehearse.py
