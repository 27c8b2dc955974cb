"""Loading a transformers model onto the devices that were asked for, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.model.checkpoint import Fit, quantization_method, weights_fit
from ai_energy_benchmarks.backends.model.files import ModelFiles, resolve_model
from ai_energy_benchmarks.backends.model.kind import kind_of, look_at
from ai_energy_benchmarks.backends.model.small_model import quiet
from ai_energy_benchmarks.backends.pytorch.companions import load_assistant, with_adapter
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions, runs_on_cpu
from ai_energy_benchmarks.backends.pytorch.quantization import (
    checkpoint_problem,
    quantization_config,
)
from ai_energy_benchmarks.errors import BackendError, parted
from ai_energy_benchmarks.machine.packages import Package, importable

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LONGEST_REASON = 600
REQUIRES = (
    Package("torch", ("torch",), "pytorch", "2.5"),
    Package("transformers", ("transformers",), "pytorch", "4.57"),
)
INSTALL_LINE = REQUIRES[0].install
_NO_CUDA = "fix: set backend.device: auto, or install a build of torch for CUDA"


@frozen
class Loaded:
    """A model that is ready, and what is known of it.

    Attributes:
        quantization: how the weights are quantised, in words; None for plain weights.
        fit: what of the checkpoint is not in the model.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    files: ModelFiles
    devices: tuple[str, ...]
    board_ids: tuple[str, ...]
    assistant: PreTrainedModel | None = None
    quantization: str | None = None
    fit: Fit = field(factory=Fit)


def missing_packages() -> tuple[str, ...]:
    """Which of the packages that the backend needs are not installed."""
    return tuple(package.module for package in REQUIRES if not importable(package))


def device_problems(device: str, device_ids: tuple[int, ...]) -> tuple[str, ...]:
    """Why the devices that were asked for cannot be used; imports torch only if GPUs are asked for."""
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda"):
        return (f"backend.device: {device!r} is not a device of this backend; fix: use auto, cpu, cuda or cuda:N",)
    boards_named = device_ids != (0,)
    if kind == "cpu" and boards_named:
        return (f"backend.device_ids: {list(device_ids)} names GPUs, which device: cpu does not use; fix: remove it",)
    if kind != "cuda" and not boards_named:
        return ()
    import torch

    if kind == "auto" and not torch.cuda.is_available():
        return (
            f"backend.device_ids: {list(device_ids)} names GPUs, but torch {torch.__version__} sees no CUDA device; "
            "fix: remove it to run on the CPU",
        )
    if not torch.cuda.is_available():
        return (
            f"backend.device: {device!r} was asked for, but torch {torch.__version__} sees no CUDA device; {_NO_CUDA}",
        )
    wanted = (int(index),) if index.isdigit() else device_ids
    count = torch.cuda.device_count()
    return tuple(
        f"backend.device_ids: GPU {each} does not exist; torch sees {count}; fix: count from 0"
        for each in wanted
        if each >= count
    )


def placement(settings: BackendSettings) -> tuple[str, ...]:
    """The torch devices to use: ``("cpu",)`` or one ``cuda:N`` per GPU."""
    kind, _, index = settings.device.partition(":")
    if runs_on_cpu(kind):
        return ("cpu",)
    ids = (int(index),) if index.isdigit() else settings.device_ids
    problems = device_problems("cuda", ids)
    if problems:
        raise BackendError("; ".join(problems), remedy="set backend.device_ids to GPUs that exist, or device: cpu")
    return tuple(f"cuda:{each}" for each in ids)


def load(settings: BackendSettings, options: PyTorchOptions) -> Loaded:
    """Load model and tokenizer.

    Raises:
        BackendError: packages, files or devices are missing, or the model does not fit.
    """
    missing = missing_packages()
    if missing:
        raise BackendError(f"the pytorch backend needs {' and '.join(missing)}", remedy=INSTALL_LINE)
    settings.progress.begin("import torch and transformers")  # 10 s of a first start: 1 s is for a billion weights
    try:
        devices = placement(settings)
        look = partial(look_at, trust_remote_code=options.trust_remote_code)
        files = resolve_model(settings.model, settings.progress, revision=options.revision, look=look)
        if files.gguf_file is None:
            look(Path(files.path_or_id))
        method = _method(files, options)
    finally:
        settings.progress.end()
    settings.progress.begin("load model")
    try:
        with quiet() if files.gguf_file else _quiet_progress():
            model, tokenizer, fit = _from_pretrained(options, files, devices, method)
            assistant = load_assistant(model, options, settings.progress)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, TypeError) as error:
        raise BackendError(
            f"model {settings.model!r} does not load: {type(error).__name__}: {_briefly(error)}",
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
            remedy="add GPUs to backend.device_ids, or allow it with backend.options.device_map: auto",
        )
    # With tp_plan each process holds a slice, but the energy is that of all GPUs.
    boards = used | set(devices) if options.tp_plan else used
    words = str(options.quantization) if options.quantization else method
    return Loaded(model, tokenizer, files, tuple(sorted(used)), _board_ids(boards), assistant, words, fit)


def _briefly(error: Exception) -> str:
    """Its beginning in one line: transformers lists hundreds of classes."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} …"


def _method(files: ModelFiles, options: PyTorchOptions) -> str | None:
    """How the checkpoint itself is quantised.

    Raises:
        BackendError: it cannot be loaded so.
    """
    import transformers

    if files.gguf_file is not None:
        if options.quantization is not None:
            raise BackendError(
                "backend.options.quantization: the weights of a GGUF file are quantised already",
                remedy="remove the setting, or choose a model in safetensors",
            )
        return "GGUF blocks, unpacked while loading"
    method = quantization_method(Path(files.path_or_id))
    problem = checkpoint_problem(method, options.quantization, int(transformers.__version__.partition(".")[0]))
    if problem is not None:
        message, remedy = parted(problem)
        raise BackendError(message, remedy=remedy)
    return method


def _from_pretrained(
    options: PyTorchOptions, files: ModelFiles, devices: tuple[str, ...], method: str | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, Fit]:
    import transformers
    from transformers import AutoTokenizer

    directory = Path(files.path_or_id)
    kind = "AutoModelForCausalLM" if files.gguf_file else kind_of(directory, options.trust_remote_code)
    shared: dict[str, object] = {"trust_remote_code": options.trust_remote_code}
    if options.revision is not None:
        shared["revision"] = options.revision
    if files.gguf_file is not None:
        shared["gguf_file"] = files.gguf_file
    tokenizer = AutoTokenizer.from_pretrained(files.path_or_id, **shared)
    arguments = model_arguments(options, devices, gguf=files.gguf_file is not None, quantised=method is not None)
    shared["output_loading_info"] = True
    model, info = getattr(transformers, kind).from_pretrained(files.path_or_id, **shared, **arguments)
    fit = weights_fit(model, info, directory, method is not None and files.gguf_file is None)
    if kind != "AutoModelForCausalLM":
        unused = f"{type(model).__name__} takes images too; it was given text alone, so its other parts did nothing"
        fit = evolve(fit, notes=(*fit.notes, unused))
    if "device_map" not in arguments and options.tp_plan is None:
        model.to(devices[0])
    return with_adapter(model, options), tokenizer, fit


def model_arguments(
    options: PyTorchOptions, devices: tuple[str, ...], *, gguf: bool = False, quantised: bool = False
) -> dict[str, object]:
    """Keyword arguments of ``from_pretrained`` that say how the weights are loaded, and where to.

    Args:
        quantised: the checkpoint itself is.
    """
    import torch

    arguments: dict[str, object] = {
        "dtype": options.dtype if options.dtype == "auto" else getattr(torch, options.dtype)
    }
    if options.attn_implementation is not None:
        arguments["attn_implementation"] = options.attn_implementation
    quantization = quantization_config(options.quantization, gguf)
    if quantization is not None:
        arguments["quantization_config"] = quantization
    if options.tp_plan is not None:
        return {**arguments, **_tensor_parallel(options.tp_plan)}
    placed = _device_map(options, devices)
    if not placed and not gguf and (quantised or options.quantization):
        placed = {"device_map": {"": devices[0]}}  # quantised weights cannot be moved once they are loaded
    return arguments | placed


def _tensor_parallel(plan: str) -> dict[str, object]:
    """The plan where this version of transformers takes it: in a config of its own, or by itself."""
    from transformers.distributed import DistributedConfig

    if "tp_plan" in DistributedConfig.__dataclass_fields__:
        return {"distributed_config": DistributedConfig(tp_plan=plan)}
    return {"tp_plan": plan}


def _device_map(options: PyTorchOptions, devices: tuple[str, ...]) -> dict[str, object]:
    """The placement arguments: GPUs that are not in ``devices`` get no memory, so nothing can land there."""
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
    """NVML's names of the GPUs, which are the same whatever CUDA_VISIBLE_DEVICES says."""
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
