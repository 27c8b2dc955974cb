#!/usr/bin/env bash
# Measures a small language model on this machine. Needs Python 3.10 or newer; installs the rest into .venv.
# Further arguments go to `ai-energy-benchmark run`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/environment.sh

prepare pytorch
exec "$venv/bin/ai-energy-benchmark" run configs/quickstart.yaml "$@"
