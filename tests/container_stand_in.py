"""A command that takes the arguments of docker, podman or apptainer and runs the inner command without a container.

It refuses arguments that the real one does not know, runs with the variables that are handed over and no others (as
docker and podman do), and writes down what it was called with. The processes are no children of it (as of docker).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from attrs import frozen

IMAGE_ID = "sha256:" + "1" * 64
DIGEST = "sha256:" + "2" * 64

_SCRIPT = '''#!{python}
import json, os, signal, subprocess, sys

NAME, PYTHON, JOURNAL, IMAGES, IMAGE_ID, DIGEST = {values!r}
words = sys.argv[1:]
with open(JOURNAL, "a") as journal:
    journal.write(json.dumps(words) + "\\n")


def value_of(words, takes_value, flags):
    """Options with their values, and what follows them."""
    options = []
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in takes_value:
            options.append((word, words.pop(0)))
        elif word in flags:
            options.append((word, None))
        else:
            sys.exit(f"unknown flag: {{word}}")
    return options, words


def info():
    if NAME == "docker":
        return {{"ServerVersion": "28.1", "SecurityOptions": [], "Runtimes": {{"runc": {{}}, "nvidia": {{}}}}}}
    return {{"host": {{"security": {{"rootless": False}}}}, "version": {{"Version": "5.4"}}}}


def run(options, image, inner):
    given = dict(options)
    if NAME != "apptainer":
        assert image == IMAGE_ID, image
        inner = [given["--entrypoint"], *inner]
        environment = {{"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}}
        for option, name in options:
            if option == "--env":
                name, equals, value = name.partition("=")
                if equals or name in os.environ:
                    environment[name] = value if equals else os.environ[name]
    else:
        environment = {{**os.environ, "APPTAINER_CONTAINER": image}}
    for option, mount in options:
        if option in ("--volume", "--bind", "--mount"):
            source = mount.split(":")[0] if option != "--mount" else dict(
                part.partition("=")[::2] for part in mount.split(",")
            )["source"]
            assert os.path.exists(source), source
    program = PYTHON if inner[0] == "python3" else inner[0]
    child = subprocess.Popen([program, *inner[1:]], cwd="/", env=environment, start_new_session=True)
    if "--name" in given:
        with open(os.path.join(IMAGES, given["--name"]), "w") as file:
            file.write(str(child.pid))
    sys.exit(child.wait() % 256)


if NAME == "apptainer" and words == ["--version"]:
    print("apptainer version 1.4.0")
elif words[0] == "info":
    print(json.dumps(info()))
elif words[:2] == ["image", "inspect"]:
    if words[2] != "vllm:1":
        sys.exit("Error: No such image: " + words[2])
    print(json.dumps([{{"Id": IMAGE_ID, "RepoDigests": ["registry/vllm@" + DIGEST]}}]))
elif words[0] in ("kill", "inspect"):
    with open(os.path.join(IMAGES, words[-1])) as file:
        pid = int(file.read())
    if words[0] == "inspect":
        print(pid)
    else:
        os.killpg(pid, signal.SIGKILL)
elif words[0] == "run":
    options, rest = value_of(
        words[1:],
        ("--name", "--label", "--user", "--userns", "--security-opt", "--network", "--pid", "--ipc",
         "--gpus", "--device", "--env", "--mount", "--volume", "--entrypoint"),
        ("--rm", "--interactive", "--init"),
    )
    run(options, rest[0], rest[1:])
elif words[0] == "exec":
    options, rest = value_of(words[1:], ("--bind",), ("--pid", "--ipc", "--nv"))
    run(options, rest[0], rest[1:])
else:
    sys.exit(f"unknown command {{words}}")
'''


@frozen
class StandIn:
    """The command, in a directory for ``PATH``, and what it was called with."""

    bin: Path
    journal: Path

    def calls(self, first: str) -> list[list[str]]:
        """Arguments of the calls that begin with a word."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [words for line in lines if (words := json.loads(line))[0] == first]


def install(directory: Path, name: str, python: Path) -> StandIn:
    """Write it; ``python3`` in its image ``vllm:1`` is this interpreter."""
    stand_in = StandIn(directory / "bin", directory / f"{name}.jsonl")
    stand_in.bin.mkdir(parents=True, exist_ok=True)
    (directory / "containers").mkdir(exist_ok=True)
    values = (name, str(python), str(stand_in.journal), str(directory / "containers"), IMAGE_ID, DIGEST)
    script = stand_in.bin / name
    script.write_text(_SCRIPT.format(python=sys.executable, values=values))
    script.chmod(0o755)
    return stand_in


def values_of(words: list[str], option: str) -> list[str]:
    """Every value of an option that may stand several times."""
    return [words[number + 1] for number, word in enumerate(words[:-1]) if word == option]
