"""Checks the Dockerfiles and their build context: python scripts/images/check_images.py [DIRECTORY].

Ends with 1 and one line per problem, each with its fix. hadolint looks at the style; this looks at what it cannot know:
who runs the image, what it is built on, what it is labelled with, and what would be sent to the builder.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LABELS = ("title", "description", "licenses", "version", "revision", "source")
# A tag that names a version, or the digest of one image.
PINNED = re.compile(r"@sha256:[0-9a-f]{64}$|:v?\d+(\.\d+)+[\w.-]*$")
ROOT = re.compile(r"(root|0)(:|$)")


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile with their arguments, continued lines joined and comments left out."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    words = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest.strip()) for name, _, rest in words]


def dockerfile_problems(text: str) -> Iterator[str]:
    """What is wrong with one Dockerfile, each with its fix."""
    steps = instructions(text)
    bases = [
        rest.removeprefix("BASE_IMAGE=") for name, rest in steps if name == "ARG" and rest.startswith("BASE_IMAGE")
    ]
    if not bases:
        yield "it has no ARG BASE_IMAGE; fix: start with ARG BASE_IMAGE=name:version, so that another base can be given"
    for base in bases:
        if not PINNED.search(base):
            yield f"the base {base} is not pinned; fix: name a version (name:1.2.3) or a digest (name@sha256:…)"
    for rest in (rest for name, rest in steps if name == "FROM"):
        if rest.split()[0] != "${BASE_IMAGE}":
            yield f"FROM {rest} is not the base that the caller can replace; fix: FROM ${{BASE_IMAGE}}"
    users = [rest for name, rest in steps if name == "USER"]
    if not users or ROOT.match(users[-1]):
        yield f"it runs as {users[-1] if users else 'root'}; fix: end with USER 1000:1000"
    variables = " ".join(rest for name, rest in steps if name == "ENV")
    unset = [name for name in ("HOME", "USER") if not re.search(rf"\b{name}=", variables)]
    if unset:  # torch and others ask for the user's name, which --user of a number does not have
        yield f"it sets no {' and no '.join(unset)}; fix: ENV HOME=/home/user USER=user, so that any --user can run it"
    entries = [rest for name, rest in steps if name == "ENTRYPOINT"]
    if not entries or not _is_json_list(entries[-1]):
        yield 'its entry point gets no signals; fix: write it as a list, ENTRYPOINT ["command", "argument"]'
    labels = " ".join(rest for name, rest in steps if name == "LABEL")
    missing = [label for label in LABELS if f"org.opencontainers.image.{label}=" not in labels]
    if missing:
        yield f"it lacks labels; fix: LABEL {' '.join(f'org.opencontainers.image.{label}=…' for label in missing)}"


def _is_json_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


def allowed(dockerignore: str, path: str) -> bool:
    """Whether a file is sent to the builder; the last pattern that fits it or a folder above it decides."""
    sent = True
    for line in (line.strip() for line in dockerignore.splitlines()):
        if not line or line.startswith("#"):
            continue
        pattern, excludes = line.removeprefix("!"), not line.startswith("!")
        if any(_fits(pattern, part) for part in _with_parents(path)):
            sent = not excludes
    return sent


def _fits(pattern: str, path: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.rpartition("/")[2], pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def context_problems(root: Path) -> Iterator[str]:
    """Files that would be sent to the builder although they are neither in the repository nor its own wheel."""
    file = root / ".dockerignore"
    if not file.is_file():
        yield ".dockerignore is missing; fix: start it with * and allow what the images need"
        return
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    tracked = set(listed.split("\0"))
    wheel = f"dist/ai_energy_benchmarks-{(root / 'VERSION.txt').read_text(encoding='utf-8').strip()}-py3-none-any.whl"
    text = file.read_text(encoding="utf-8")
    for path in _files(root):
        if path not in tracked and path != wheel and allowed(text, path):
            yield f"{path} would be sent to the builder; fix: remove it, commit it, or exclude it in .dockerignore"


def _files(root: Path) -> Iterator[str]:
    """Files of the directory, but for version control and virtual environments, which are large and never allowed."""
    for path in sorted(root.iterdir()):
        if path.name == ".git" or path.name.startswith(".venv"):
            continue
        inside = [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
        yield from (entry.relative_to(root).as_posix() for entry in inside)


def problems(root: Path) -> list[str]:
    """All problems of the images of a work tree."""
    files = sorted((root / "docker").glob("Dockerfile*"))
    found = [
        f"{file.relative_to(root)}: {problem}"
        for file in files
        for problem in dockerfile_problems(file.read_text(encoding="utf-8"))
    ]
    return [*found, *context_problems(root)] if files else ["docker/ has no Dockerfile"]


def main() -> int:
    """Print the problems; the number of an exit code."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    found = problems(root)
    for line in found:
        print(line)
    print(f"{len(found)} problems" if found else "ok: Dockerfiles and build context")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
