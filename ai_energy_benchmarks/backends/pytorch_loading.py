"""Loading a transformers model onto the devices that were asked for, and no others."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen
from attrs.validators import ge, optional

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.model_files import ModelFiles, resolve_model
from ai_energy_benchmarks.errors import BackendError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

INSTALL_LINE = 'pip install "ai_energy_benchmarks[pytorch]"'


@frozen
class PyTorchOptions:
    """``backend.options`` of the PyTorch backend.

    Attributes:
        dtype: ``auto`` is the model's own.
        device_map: a transformers device map (``auto``, ``balanced``, or module → device); without one the
            whole model goes to the first of ``device_ids``, or is spread over all of them if there are several.
        max_memory: device index or ``cpu`` → most memory, such as ``20GiB``.
        attn_implementation: ``eager``, ``sdpa``, ``flash_attention_2`` …; the model's own choice if not set.
        trust_remote_code: run Python code that comes with the model.
        revision: branch, tag or commit of a hub model.
        threads: CPU threads of one operation; torch's own choice if not set.
    """

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device_map: str | Mapping[str, str | int] | None = None
    max_memory: Mapping[str, str] | None = None
    attn_implementation: str | None = None
    trust_remote_code: bool = False
    revision: str | None = None
    threads: int | None = field(default=None, validator=optional(ge(1)))


@frozen
class Loaded:
    """A model that is ready, and what is known of it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    files: ModelFiles
    devices: tuple[str, ...]
    board_ids: tuple[str, ...]


def missing_packages() -> tuple[str, ...]:
    """Which of the packages that the backend needs are not installed."""
    return tuple(name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None)


def device_problems(device: str, device_ids: tuple[int, ...]) -> tuple[str, ...]:
    """Why the devices that were asked for cannot be used; imports torch only if CUDA is asked for."""
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda"):
        return (f"backend.device: {device!r} is not a device of this backend; use auto, cpu, cuda or cuda:N",)
    if kind != "cuda":
        return ()
    import torch

    if not torch.cuda.is_available():
        return (f"backend.device: {device!r} was asked for, but torch {torch.__version__} sees no CUDA device",)
    wanted = (int(index),) if index.isdigit() else device_ids
    count = torch.cuda.device_count()
    return tuple(
        f"backend.device_ids: board {each} does not exist; torch sees {count}" for each in wanted if each >= count
    )


def placement(settings: BackendSettings) -> tuple[str, ...]:
    """The torch devices to use: ``("cpu",)`` or one ``cuda:N`` per board."""
    import torch

    kind, _, index = settings.device.partition(":")
    if kind == "cpu" or (kind == "auto" and not torch.cuda.is_available()):
        return ("cpu",)
    ids = (int(index),) if index.isdigit() else settings.device_ids
    problems = device_problems("cuda", ids)
    if problems:
        raise BackendError("; ".join(problems), remedy="set backend.device_ids to boards that exist, or device: cpu")
    return tuple(f"cuda:{each}" for each in ids)


def load(settings: BackendSettings, options: PyTorchOptions) -> Loaded:
    """Load model and tokenizer.

    Raises:
        BackendError: packages, files or devices are missing, or the model does not fit.
    """
    missing = missing_packages()
    if missing:
        raise BackendError(f"the pytorch backend needs {' and '.join(missing)}", remedy=INSTALL_LINE)
    devices = placement(settings)
    files = resolve_model(settings.model, settings.progress, revision=options.revision)
    settings.progress.begin("load model")
    try:
        with _quiet_progress():
            model, tokenizer = _from_pretrained(settings, options, files, devices)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise BackendError(
            f"model {settings.model!r} does not load: {type(error).__name__}: {error}",
            remedy="check backend.model, backend.options and that the model fits the memory",
        ) from error
    finally:
        settings.progress.end()
    model.eval()
    used = _devices_in_use(model)
    strangers = used - set(devices)
    if strangers and options.device_map is None:
        raise BackendError(
            f"model {settings.model!r} does not fit on {', '.join(devices)}: "
            f"part of it went to {', '.join(sorted(strangers))}",
            remedy="add boards to backend.device_ids, or allow it with backend.options.device_map: auto",
        )
    return Loaded(model, tokenizer, files, tuple(sorted(used)), _board_ids(used))


def _from_pretrained(
    settings: BackendSettings, options: PyTorchOptions, files: ModelFiles, devices: tuple[str, ...]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    shared: dict[str, object] = {"trust_remote_code": options.trust_remote_code}
    if options.revision is not None:
        shared["revision"] = options.revision
    if files.gguf_file is not None:
        shared["gguf_file"] = files.gguf_file
    tokenizer = AutoTokenizer.from_pretrained(files.path_or_id, **shared)
    arguments: dict[str, object] = {
        "dtype": options.dtype if options.dtype == "auto" else getattr(torch, options.dtype)
    }
    if options.attn_implementation is not None:
        arguments["attn_implementation"] = options.attn_implementation
    arguments |= _device_map(options, devices)
    model = AutoModelForCausalLM.from_pretrained(files.path_or_id, **shared, **arguments)
    if "device_map" not in arguments:
        model.to(devices[0])
    return model, tokenizer


def _device_map(options: PyTorchOptions, devices: tuple[str, ...]) -> dict[str, object]:
    """The placement arguments: boards that are not in ``devices`` get no memory, so nothing can land there."""
    max_memory: dict[int | str, str | int] = {
        int(name) if name.isdigit() else name: size for name, size in (options.max_memory or {}).items()
    }
    boards = [int(device.partition(":")[2]) for device in devices if device != "cpu"]
    if options.device_map is None and len(boards) < 2 and not max_memory:
        return {}
    if isinstance(options.device_map, Mapping):
        return {"device_map": dict(options.device_map)}
    if boards:
        import torch

        for board in boards:
            max_memory.setdefault(board, torch.cuda.mem_get_info(board)[0])
        max_memory = {key: size for key, size in max_memory.items() if key in boards or key == "cpu"}
    chosen = {"device_map": options.device_map or ("auto" if boards else "cpu")}
    return {**chosen, **({"max_memory": max_memory} if max_memory else {})}


def _devices_in_use(model: PreTrainedModel) -> set[str]:
    mapped = getattr(model, "hf_device_map", None) or {}
    offloaded = {str(place) for place in mapped.values() if place in ("cpu", "disk")}
    return {str(parameter.device) for parameter in model.parameters() if parameter.device.type != "meta"} | offloaded


def _board_ids(devices: set[str]) -> tuple[str, ...]:
    """NVML's names of the boards, which are the same whatever CUDA_VISIBLE_DEVICES says."""
    import torch

    boards = sorted(device for device in devices if device.startswith("cuda"))
    return tuple(f"GPU-{torch.cuda.get_device_properties(board).uuid}" for board in boards)


@contextmanager
def _quiet_progress() -> Iterator[None]:
    """Keep transformers from drawing bars of its own; a library must not write to the user's terminal."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()
