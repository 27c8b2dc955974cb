"""Which of transformers' classes loads a model, by its small files alone, and what none of them can load."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ai_energy_benchmarks.backends.model.checkpoint import refuse_other_kinds
from ai_energy_benchmarks.backends.model.context import directory_at_hand, read_config
from ai_energy_benchmarks.errors import BackendError

Kind = Literal["AutoModelForCausalLM", "AutoModelForImageTextToText"]
_SENTENCEPIECE_FILES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
# Of the same tokenizer, in a form that needs no further package.
_FAST_FILE = "tokenizer.json"


def kind_of(directory: Path, trust_remote_code: bool) -> Kind:
    """The class for a checkpoint; a model of images and text is loaded whole, and given text alone.

    Args:
        directory: with the ``config.json``; without one, as for GGUF files, it is a causal model.

    Raises:
        BackendError: it does not generate text from left to right, or transformers does not know it.
    """
    refuse_other_kinds(directory)
    config = read_config(directory) or {}
    model_type, own_code = config.get("model_type"), config.get("auto_map")
    if not isinstance(model_type, str) or (trust_remote_code and own_code):
        return "AutoModelForCausalLM"
    from transformers.models.auto import modeling_auto

    if model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "AutoModelForCausalLM"
    if model_type in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return "AutoModelForImageTextToText"
    raise _refusal(config, model_type)


def kind_problems(model: str, revision: str | None) -> tuple[str, ...]:
    """What a model's config.json says against it, where that is at hand; transformers is not imported."""
    directory = directory_at_hand(model, revision)
    try:
        if directory is not None:
            refuse_other_kinds(directory)
    except BackendError as error:
        return (f"{error.message}; fix: {error.remedy}",)
    return ()


def look_at(directory: Path, trust_remote_code: bool) -> None:
    """Refuse a model by its small files, before its weights are downloaded or loaded.

    Raises:
        BackendError: as ``kind_of``, or its tokenizer needs a package that is not installed.
    """
    kind_of(directory, trust_remote_code)
    missing = missing_for_tokenizer(directory)
    if missing:
        raise BackendError(
            f"backend.model: its tokenizer is a SentencePiece file, to read which {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} needed",
            remedy=f"pip install {' '.join(missing)}",
        )


def missing_for_tokenizer(directory: Path) -> tuple[str, ...]:
    """Packages that a tokenizer in SentencePiece's form needs and that are not installed."""
    if (directory / _FAST_FILE).exists() or not any((directory / name).exists() for name in _SENTENCEPIECE_FILES):
        return ()
    packages = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}
    return tuple(name for name, module in packages.items() if not _installed(module))


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _refusal(config: Mapping[str, object], model_type: str) -> BackendError:
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    listed = config.get("architectures")
    name = " + ".join(map(str, listed)) if isinstance(listed, list) and listed else f"model type {model_type!r}"
    if config.get("auto_map"):
        return BackendError(
            f"backend.model: {name} comes with Python code of its own, which is not run unless that is allowed",
            remedy="read the code, then set backend.options.trust_remote_code: true",
        )
    if model_type not in CONFIG_MAPPING_NAMES:
        return BackendError(
            f"backend.model: transformers {transformers.__version__} does not know {name}",
            remedy="pip install --upgrade transformers, or choose another model",
        )
    return BackendError(
        f"backend.model: {name} does not generate text from left to right, which is all that this package measures",
        remedy="choose a model for text generation",
    )
