"""What goes along with a model: an adapter on its weights, an assistant that proposes tokens."""

from __future__ import annotations

import os.path
from pathlib import Path
from typing import TYPE_CHECKING

from ai_energy_benchmarks.backends.model.checkpoint import refuse_other_kinds, weights_fit
from ai_energy_benchmarks.backends.model.files import resolve_model
from ai_energy_benchmarks.backends.pytorch.options import PyTorchOptions
from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.errors import BackendError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def with_adapter(model: PreTrainedModel, options: PyTorchOptions) -> PreTrainedModel:
    """The model with its LoRA adapter, next to the weights or merged into them."""
    if options.adapter is None:
        return model
    from peft import PeftModel  # type: ignore[import-not-found, unused-ignore] # optional

    adapted = PeftModel.from_pretrained(model, os.path.expanduser(options.adapter))
    return adapted.merge_and_unload() if options.merge_adapter else adapted


def load_assistant(model: PreTrainedModel, options: PyTorchOptions, progress: Progress) -> PreTrainedModel | None:
    """The assistant on the device and in the type of the model; None if none is asked for.

    Raises:
        BackendError: its vocabulary is another one, so that its proposals would mean other words.
    """
    if options.assistant_model is None:
        return None
    from transformers import AutoModelForCausalLM

    files = resolve_model(options.assistant_model, progress)
    if files.gguf_file is not None:
        raise BackendError(
            f"assistant model {options.assistant_model!r} is a GGUF file",
            remedy="give backend.options.assistant_model a directory or hub model with safetensors",
        )
    refuse_other_kinds(Path(files.path_or_id))
    assistant, info = AutoModelForCausalLM.from_pretrained(
        files.path_or_id,
        dtype=model.dtype,
        trust_remote_code=options.trust_remote_code,
        output_loading_info=True,
    )
    weights_fit(assistant, info, Path(files.path_or_id), quantised=False)
    ours, theirs = (each.config.get_text_config().vocab_size for each in (model, assistant))
    if ours != theirs:
        raise BackendError(
            f"assistant model {options.assistant_model!r} has a vocabulary of {theirs}, the model one of {ours}",
            remedy="choose backend.options.assistant_model from the same family as backend.model",
        )
    if options.num_assistant_tokens is not None:
        assistant.generation_config.num_assistant_tokens = options.num_assistant_tokens
        assistant.generation_config.num_assistant_tokens_schedule = "constant"
    return assistant.to(model.device).eval()
