#!/usr/bin/env bash
# Tries what is promised in docs/reliability.md: kills at random instants, bad replies, planted secrets, foreign work trees.
#
#   --heavy   60 kills of each kind of run, in each of its phases with each signal, 200 signals at further instants of
#             runs with a server, and the slow tests; takes some 30 minutes on two idle cores. Otherwise 5 kills of
#             each kind.
#
# Further arguments go to scripts/chaos/kills.py, such as --seed N, --json FILE or the kinds: server launched batch
# pytorch.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/environment.sh

kills=5 heavy=
if [[ ${1:-} == --heavy ]]; then
    kills=60 heavy=yes
    shift
fi

prepare dev,pytorch
export PYTHONPATH=$root
say "bad replies, planted secrets, limits, foreign work trees, and what is left of launched servers"
"$venv/bin/python" -m pytest -q -n 0 -m "${heavy:+heavy or }not heavy" tests/integration/test_bad_replies.py \
    tests/functional/test_planted_secrets.py tests/functional/test_foreign_work_tree.py \
    tests/functional/test_nothing_left.py tests/functional/test_endings.py tests/functional/test_terminal.py \
    tests/unit/test_secrets.py tests/unit/test_input_limits.py tests/unit/test_hostile_files.py
if [[ $heavy ]]; then
    say "signals at any instant"
    "$venv/bin/python" scripts/chaos/kills.py --brief --kills 200 --signals "TERM,HUP,INT,INT INT" server
fi
say "kills"
exec "$venv/bin/python" scripts/chaos/kills.py --kills "$kills" "$@"
