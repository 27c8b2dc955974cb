#!/usr/bin/env bash
# Measures how the boards of this machine tell their energy, and what reading them costs. Downloads no model.
# Further arguments go to scripts/gpu_acceptance.py, such as --quick, --json FILE and --trace FILE.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/environment.sh

prepare pytorch
exec "$venv/bin/python" scripts/gpu_acceptance.py "$@"
