#!/usr/bin/env bash
# Rehearses both ways of publishing on two local indexes, with the scripts that the workflows call, and ends with a table.
# Exit status 1 if any row is not ok.
#
#   AEB_PYTHONS       the Pythons to install with (default: every suitable one found)
#   AEB_CORE_ONLY=1   no real benchmark, for which torch is installed
#   AEB_ROWS          a pattern: only rows that match it, and those that others need
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
source scripts/environment.sh

prepare_rehearsal
exec "$venv/bin/python" scripts/release/rehearse.py
