#!/usr/bin/env bash
# Runs while an image is built: install.sh REQUIREMENT… installs them into /opt/ai_energy_benchmarks, an environment that
# sees the packages of the base image and replaces none of its engines. What the base image does not have comes in the
# version of constraints.txt next to this file, with which the tests run.
#
#   TORCH    a requirement for a base image without torch, such as torch==2.13.0
#   INDEX    the index that has this package, as for a pre-release; everything else comes from the usual one
set -euo pipefail

environment=/opt/ai_energy_benchmarks
held=$(mktemp)

# The torch of the base image is built for its CUDA; another one from the index would fit neither it nor the driver.
python3 - "$(dirname "$0")/constraints.txt" >"$held" <<'PYTHON'
import os
import re
import sys
from importlib.metadata import distributions


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


there = {normal(each.metadata["Name"]): each.version for each in distributions() if each.metadata["Name"]}
for name in ("torch", "torchvision", "torchaudio", "triton", "vllm", "tensorrt-llm", "transformers", "numpy"):
    if name in there:
        print(f"{name}=={there[name]}")
left_free = {*there, normal(re.match(r"[\w.-]*", os.environ.get("TORCH", ""))[0])}
with open(sys.argv[1]) as pinned:
    for line in pinned:
        name = re.match(r"[\w.-]+", line)
        if name and normal(name[0]) not in left_free:
            print(line.strip())
PYTHON
echo "versions that are kept or pinned:" && cat "$held"

# Images on Ubuntu's or Debian's own Python often lack ensurepip; pip itself is then that of the base image.
python3 -m venv --system-site-packages "$environment" >/dev/null 2>&1 ||
    python3 -m venv --clear --system-site-packages --without-pip "$environment"
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
