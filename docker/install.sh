#!/usr/bin/env bash
# Runs while an image is built: install.sh REQUIREMENT… installs them into /opt/ai_energy_benchmarks, an environment that
# sees the packages of the base image and replaces none of its engines.
#
#   TORCH    a requirement for a base image without torch, such as torch==2.13.0
#   INDEX    the index that has this package, as for a pre-release; everything else comes from the usual one
set -euo pipefail

environment=/opt/ai_energy_benchmarks
held=$(mktemp)

# The torch of the base image is built for its CUDA; another one from the index would fit neither it nor the driver.
python3 - >"$held" <<'PYTHON'
from importlib.metadata import PackageNotFoundError, version

for name in ("torch", "torchvision", "torchaudio", "triton", "vllm", "tensorrt-llm", "transformers", "numpy"):
    try:
        print(f"{name}=={version(name)}")
    except PackageNotFoundError:
        pass
PYTHON
echo "kept as the base image has them:" && cat "$held"

python3 -m venv --system-site-packages "$environment"
install() { "$environment/bin/python" -m pip install --no-cache-dir --disable-pip-version-check "$@"; }
if [[ -n ${INDEX:-} ]]; then
    # By itself: on an index that anybody can upload to, a dependency of the same name could be anybody's.
    install --no-deps --pre --index-url "$INDEX" "$(sed 's/\[.*\]//' <<<"$1")"
fi
torch=()
[[ -z ${TORCH:-} ]] || torch=("$TORCH")
install --constraint "$held" ${torch[@]+"${torch[@]}"} "$@"
rm "$held"
"$environment/bin/ai-energy-benchmark" --version

# Any user may run the image (docker run --user), also one without a line in /etc/passwd.
mkdir -p /home/user/.cache/huggingface /results
chmod -R a+rwX /home/user /results
