#!/usr/bin/env bash
# Builds an image, pushes it, and prints NAME@DIGEST: scripts/images/publish.sh IMAGE
#
# Only a final version (1.2.3, no rc) is also tagged latest. BUILDER, REGISTRY and OWNER as in docker/build.sh.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
builder=${BUILDER:-docker}

name=$("$root/docker/build.sh" "$1")
digests=$(mktemp)
if [[ $builder == docker ]]; then
    docker push "$name" >&2
    docker inspect --format '{{index .RepoDigests 0}}' "$name" | sed 's/^.*@//' >"$digests"
else
    "$builder" push --digestfile "$digests" "$name" >&2
fi
if [[ $(<"$root/VERSION.txt") =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
    "$builder" tag "$name" "${name%:*}:latest"
    "$builder" push "${name%:*}:latest" >&2
fi
echo "${name%:*}@$(<"$digests")"
rm "$digests"
