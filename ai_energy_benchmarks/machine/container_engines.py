"""Docker, Podman and Apptainer by their command lines: which of them work here, and which images they have."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import frozen

from ai_energy_benchmarks.domain.readiness import Readiness
from ai_energy_benchmarks.errors import ConfigError, reason_of

Name = Literal["docker", "podman", "apptainer"]
NAMES: tuple[Name, ...] = ("docker", "podman", "apptainer")
# A daemon that is being started by its socket answers after some seconds.
_ANSWER_CAP_S = 30.0
# Where descriptions of devices are (Container Device Interface, "How to configure CDI").
CDI_DIRECTORIES = (Path("/etc/cdi"), Path("/var/run/cdi"))
# What an engine is asked here; whether it can run an image shows only when a study asks the image itself.
_ASKED = {"docker": "docker info", "podman": "podman info", "apptainer": "apptainer --version"}
_INSTALL = {
    "docker": "https://docs.docker.com/engine/install/",
    "podman": "https://podman.io/docs/installation",
    "apptainer": "https://apptainer.org/docs/admin/main/installation.html",
}
_TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
_READ_BYTES = 1 << 20


@frozen
class ContainerEngine:
    """An engine that works here.

    Attributes:
        program: its command.
        rootless: whether the user in a container is another one on the host, unless it is root there.
        gpu_gap: why NVIDIA GPUs cannot be passed through; empty if they can.
        gpu_fix: what closes that gap.
    """

    name: Name
    program: str
    version: str
    rootless: bool = False
    gpu_gap: str = ""
    gpu_fix: str = ""


@frozen
class Image:
    """An image that is on this machine.

    Attributes:
        id: what runs exactly this one.
        digest: under which a registry has it, else ``id``.
    """

    id: str
    digest: str


def look_for(name: Name) -> ContainerEngine:
    """The engine, once it has answered.

    Raises:
        ConfigError: it is not installed, or does not answer.
    """
    program = shutil.which(name)
    if program is None:
        raise ConfigError(f"{name} is not installed", remedy=f"install it: {_INSTALL[name]}")
    return {"docker": _docker, "podman": _podman, "apptainer": _apptainer}[name](program)


def engines_readiness(*, gpus: bool) -> Mapping[str, Readiness]:
    """Engine → whether it works.

    Args:
        gpus: whether this machine has NVIDIA GPUs, which then have to be passed through.
    """
    found: dict[str, Readiness] = {}
    for name in NAMES:
        try:
            engine = look_for(name)
        except ConfigError as error:
            found[name] = Readiness("missing", error.message, error.remedy)
            continue
        rootless = ", rootless" if engine.rootless else ""
        detail = f"{engine.version}{rootless}, answers `{_ASKED[name]}`; no image was run"
        if gpus and engine.gpu_gap:
            found[name] = Readiness("limited", f"{detail}; {engine.gpu_gap}", engine.gpu_fix)
        else:
            found[name] = Readiness("ready", detail)
    return found


def for_image_file(name: str, engine: str) -> ContainerEngine:
    """What runs an image file: apptainer alone.

    Args:
        engine: as the study names it, or ``auto``.

    Raises:
        ConfigError: apptainer is missing, or another engine is named.
    """
    if engine not in ("auto", "apptainer"):
        raise ConfigError(
            f"{name} is an image file, which {engine} does not run",
            remedy=f"write engine: apptainer, or name an image that {engine} has",
        )
    try:
        return look_for("apptainer")
    except ConfigError as error:
        text = f"{name} is an image file, which apptainer alone runs, and {error.message}"
        raise ConfigError(text, remedy=f"{error.remedy}; or name an image of docker or podman") from error


def first_that_works() -> ContainerEngine:
    """The first of docker, podman and apptainer that answers.

    Raises:
        ConfigError: none does; with the reason of each.
    """
    reasons = []
    for name in NAMES:
        try:
            return look_for(name)
        except ConfigError as error:
            reasons.append(error.message)
    raise ConfigError(
        f"no container engine works here: {'; '.join(reasons)}",
        remedy="install one of them, or give the engine an environment of its own: venv: PATH",
    )


def image_of(engine: ContainerEngine, name: str) -> Image:
    """The image of that name.

    Raises:
        ConfigError: it is not on this machine, with the command that fetches it.
    """
    if engine.name == "apptainer":
        return _image_file(Path(name), name)
    done = _answer([engine.program, "image", "inspect", name])
    if done.returncode != 0:
        raise ConfigError(
            f"image {name} is not on this machine",
            remedy=f"{engine.name} pull {name}; docker/build.sh builds the images of engines",
        )
    try:
        (facts, *_) = json.loads(done.stdout)
        image_id = str(facts["Id"])
        digests = facts.get("RepoDigests") or []
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{engine.name} image inspect {name} printed what is not understood: {error}",
            remedy=f"update {engine.name}, or choose another with execution.runners: {{ENGINE: {{engine: …}}}}",
        ) from error
    digest = str(digests[0]).rpartition("@")[2] if digests else image_id
    return Image(image_id, digest)


def _image_file(file: Path, name: str) -> Image:
    if file.suffix != ".sif":
        kept = name.rpartition("/")[2].replace(":", "_")
        raise ConfigError(
            f"apptainer runs image files, and {name} is none",
            remedy=f"apptainer pull {kept}.sif docker://{name}, and name that file",
        )
    try:
        digest = hashlib.sha256()
        with file.open("rb") as opened:
            while part := opened.read(_READ_BYTES):
                digest.update(part)
    except OSError as error:
        raise ConfigError(f"image {file} cannot be read: {error.strerror}", remedy="check the path") from error
    return Image(str(file), f"sha256:{digest.hexdigest()}")


def _docker(program: str) -> ContainerEngine:
    facts, complaint = _facts([program, "info", "--format", "{{json .}}"], "docker")
    if "host" in facts:
        raise ConfigError("docker is podman under another name", remedy="set engine: podman")
    if not facts.get("ServerVersion"):
        raise _refusal("docker", complaint.strip() or "\n".join(map(str, _list(facts.get("ServerErrors")))))
    rootless = any("rootless" in str(option) for option in _list(facts.get("SecurityOptions")))
    gap, fix = "", ""
    runtimes = facts.get("Runtimes")
    known = "nvidia" in (runtimes if isinstance(runtimes, Mapping) else ()) or _described()
    if not (known or shutil.which("nvidia-container-runtime-hook")):
        gap = "GPUs cannot be passed through: the NVIDIA Container Toolkit is not set up"
        fix = f"install it ({_TOOLKIT}), then sudo nvidia-ctk runtime configure --runtime=docker, and restart docker"
    return ContainerEngine("docker", program, str(facts["ServerVersion"]), rootless, gap, fix)


def _podman(program: str) -> ContainerEngine:
    facts, _ = _facts([program, "info", "--format", "json"], "podman")
    host, version = facts.get("host"), facts.get("version")
    security = host.get("security") if isinstance(host, Mapping) else None
    rootless = bool(security.get("rootless")) if isinstance(security, Mapping) else False
    gap, fix = "", ""
    if not _described():
        gap = "GPUs cannot be passed through: no file describes them in /etc/cdi"
        fix = f"install the NVIDIA Container Toolkit ({_TOOLKIT}), then sudo nvidia-ctk cdi generate "
        fix += "--output=/etc/cdi/nvidia.yaml"
    number = version.get("Version", "") if isinstance(version, Mapping) else ""
    return ContainerEngine("podman", program, str(number), rootless, gap, fix)


def _apptainer(program: str) -> ContainerEngine:
    done = _answer([program, "--version"])
    if done.returncode != 0:
        raise _refusal("apptainer", done.stderr)
    return ContainerEngine("apptainer", program, done.stdout.strip().rpartition(" ")[2])


def _described() -> bool:
    """Whether a file describes NVIDIA GPUs to container engines."""
    return any(place.is_dir() and any(place.glob("*nvidia*")) for place in CDI_DIRECTORIES)


def _facts(command: Sequence[str], name: str) -> tuple[Mapping[str, object], str]:
    """What an engine prints of itself as JSON, and what it complains of."""
    done = _answer(command)
    try:
        facts = json.loads(done.stdout)
    except ValueError:
        facts = None
    if not isinstance(facts, Mapping):
        raise _refusal(name, done.stderr)
    return facts, done.stderr


def _answer(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    name = Path(command[0]).name
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_ANSWER_CAP_S, check=False,
        )  # fmt: skip
    except OSError as error:
        text = f"{name} cannot be started: {reason_of(error)}"
        raise ConfigError(text, remedy=f"check that this user may run {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        text = f"{name} has not answered within {_ANSWER_CAP_S:g} s"
        raise ConfigError(text, remedy=f"restart it, and try {' '.join(command)}") from error


def _refusal(name: str, text: str) -> ConfigError:
    """The error of an engine that does not work, with its fix where that is known."""
    reason = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it answers nothing")
    fix = f"see {_INSTALL[name]}"
    if "permission denied" in reason.lower():
        fix = "sudo usermod -aG docker $USER, and log in again"
    elif name == "docker":
        fix = "sudo systemctl start docker"
    return ConfigError(f"{name} does not work here: {reason}", remedy=fix)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
