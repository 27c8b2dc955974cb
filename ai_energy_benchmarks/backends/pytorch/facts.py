"""What a loaded model reports about itself, for the result."""

from __future__ import annotations

from ai_energy_benchmarks.backends.base import BackendSettings
from ai_energy_benchmarks.backends.model.architecture import architecture_of
from ai_energy_benchmarks.backends.model.digest import files_sha256
from ai_energy_benchmarks.backends.pytorch.generation import cache_in_use, saved_defaults
from ai_energy_benchmarks.backends.pytorch.loading import Loaded
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.domain.engine import EngineFacts, FactValue


def facts_of(loaded: Loaded, settings: BackendSettings, options: PyTorchOptions) -> EngineFacts:
    """Everything that is known before the first token."""
    import torch
    import transformers

    config = loaded.model.config.get_text_config()
    return EngineFacts(
        backend="pytorch",
        engine=f"transformers {transformers.__version__}, torch {torch.__version__}",
        model=settings.model,
        model_source=loaded.files.source,
        device=", ".join(loaded.devices),
        dtype=str(loaded.model.dtype).removeprefix("torch."),
        board_ids=loaded.board_ids,
        device_ids=_indices(loaded.devices),
        context_tokens=getattr(config, "max_position_embeddings", None),
        parameters=loaded.model.num_parameters(),
        architecture=architecture_of(config),
        settings={
            "attn_implementation": getattr(config, "_attn_implementation", None),
            "chat_template": bool(loaded.tokenizer.chat_template),
            "cpu_threads": options.threads or torch.get_num_threads(),
            "revision": loaded.files.revision,
            "files_sha256": files_sha256(loaded.files),
            **_settings_in_use(loaded, options),
        },
        notes=(*((loaded.files.note,) if loaded.files.note else ()), *loaded.fit.notes),
        warnings=(*_saved_defaults(loaded, options), *loaded.fit.warnings),
    )


def _saved_defaults(loaded: Loaded, options: PyTorchOptions) -> tuple[str, ...]:
    """That the checkpoint itself asks for another way of generating."""
    saved = saved_defaults(loaded.model, options)
    if not saved:
        return ()
    listed = ", ".join(
        f"{name}: {str(value).lower() if isinstance(value, bool) else value}" for name, value in saved.items()
    )
    fix = "; set backend.options.cache_implementation: dynamic for a cache" if "use_cache" in saved else ""
    return (f"generation_config.json of the model has {listed}, which changes what a token costs; it was kept{fix}",)


def _indices(devices: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of torch devices such as ``cuda:1``; a CPU has none."""
    return tuple(sorted(int(name.partition(":")[2] or 0) for name in devices if name.startswith("cuda")))


def _settings_in_use(loaded: Loaded, options: PyTorchOptions) -> dict[str, FactValue]:
    """What was done to the model beyond loading it, for the result."""
    assistant = loaded.assistant.generation_config if loaded.assistant is not None else None
    return {
        "quantization": loaded.quantization,
        "cache_implementation": cache_in_use(loaded.model, options),
        "compile": options.compile,
        "assistant_model": options.assistant_model,
        "num_assistant_tokens": assistant.num_assistant_tokens if assistant is not None else None,
        "adapter": options.adapter,
        "merge_adapter": options.merge_adapter if options.adapter else None,
        "tp_plan": options.tp_plan,
    }
