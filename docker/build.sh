#!/usr/bin/env bash
# Builds images: docker/build.sh [IMAGE …] [-- ARGUMENTS OF THE BUILDER]
#
#   IMAGE            aienergyscore (default), source, ppe, main, pytorch, vllm or tensorrt
#   --print          prints the commands instead of running them
#
#   BUILDER          docker, podman or buildah (default: the first of them that is installed)
#   REGISTRY, OWNER  where images will be pushed (default: ghcr.io and the owner of the git remote, else local)
#   BASE_IMAGE       another base image, for instance one without CUDA
#   AI_ENERGY_BENCHMARKS_VERSION   the release that ppe and main install (default: VERSION.txt)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

fail() {
    printf 'error: %s\n  fix: %s\n' "$1" "$2" >&2
    exit 2
}

images=() further=() printed=
while (($#)); do
    case $1 in
    --print) printed=yes ;;
    --)
        shift
        further=("$@")
        break
        ;;
    -*) fail "unknown option $1" "docker/build.sh [--print] [IMAGE …] [-- ARGUMENTS OF THE BUILDER]" ;;
    *) images+=("$1") ;;
    esac
    shift
done
((${#images[@]})) || images=(aienergyscore)

find_builder() {
    local candidate
    for candidate in ${BUILDER:-docker podman buildah}; do
        command -v "$candidate" >/dev/null && echo "$candidate" && return
    done
    [[ -n $printed ]] && echo "${BUILDER:-docker}" && return
    fail "${BUILDER:-none of docker, podman and buildah} is not installed" "install one, or name one: BUILDER=podman $0"
}

dockerfile_of() {
    case $1 in
    aienergyscore) echo docker/Dockerfile ;;
    source | ppe | main | pytorch | vllm | tensorrt) echo "docker/Dockerfile.$1" ;;
    *) fail "there is no image $1" "choose from: aienergyscore source ppe main pytorch vllm tensorrt" ;;
    esac
}

# The default base of a Dockerfile, or BASE_IMAGE.
base_of() { echo "${BASE_IMAGE:-$(sed -n 's/^ARG BASE_IMAGE=//p' "$1" | head -n 1)}"; }

# The package's version, then the engine's and CUDA's as the base image names them:
# ai-energy-benchmarks-pytorch:0.1.0-torch2.13.0-cuda13.0.
name_of() {
    local image=$1 repository=ai-energy-benchmarks-$1 engine=$1 base cuda number
    base=$(base_of "$2")
    case $image in
    aienergyscore | source | ppe | main) repository=ai-energy-score engine=torch ;;
    pytorch) engine=torch ;;
    esac
    cuda=$(grep -o 'cuda[0-9.]*[0-9]' <<<"$base" | head -n 1 || true)
    number=$(sed -n 's/^[^@]*:v\{0,1\}\([0-9][0-9.]*[0-9]\).*/\1/p' <<<"$base")
    [[ -z ${BASE_IMAGE:-} ]] || number='' # a base of another kind says nothing of the engine
    echo "$prefix$repository:$version${number:+-$engine$number}${cuda:+-$cuda}"
}

remote=$(git remote get-url origin 2>/dev/null || true)
[[ $remote =~ ^(/|\.|file:) ]] && remote= # a clone of a directory names no owner
owner=${OWNER:-$(sed -n 's#^.*[:/]\([^/:]*\)/[^/]*$#\1#p' <<<"$remote")}
prefix=localhost/
[[ -z $owner ]] || prefix=${REGISTRY:-ghcr.io}/$(tr '[:upper:]' '[:lower:]' <<<"$owner")/
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
builder=$(find_builder)
command=("$builder" build)
# buildah and podman write the format that keeps SHELL and HEALTHCHECK only when they are told to.
[[ $builder == docker ]] || command+=(--format docker)

run() {
    if [[ -n $printed ]]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}

built=
for image in "${images[@]}"; do
    dockerfile=$(dockerfile_of "$image")
    version=$(<VERSION.txt)
    arguments=(--build-arg "REVISION=$revision")
    case $image in
    ppe | main)
        version=${AI_ENERGY_BENCHMARKS_VERSION:-$version}
        arguments+=(--build-arg "AI_ENERGY_BENCHMARKS_VERSION=$version")
        ;;
    *) arguments+=(--build-arg "VERSION=$version") ;;
    esac
    case $image in
    source | ppe | main) ;;
    *)
        [[ -n $built ]] || run ./build_wheel.sh >&2
        built=yes
        ;;
    esac
    [[ -z ${BASE_IMAGE:-} ]] || arguments+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
    name=$(name_of "$image" "$dockerfile")
    run "${command[@]}" "${arguments[@]}" ${further[@]+"${further[@]}"} --file "$dockerfile" --tag "$name" . >&2
    echo "$name"
done
