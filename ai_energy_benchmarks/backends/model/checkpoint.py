"""Whether what transformers loaded is what the checkpoint holds: it makes up what is missing and drops what is left."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.text.json_text import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_REMEDY = "choose a checkpoint of a model that generates text from left to right"
# Tables that older versions of transformers saved and that newer ones compute; no weights.
_COMPUTED = re.compile(r"rotary_emb\.inv_freq$|\.attn\.(masked_)?bias$|position_ids$")
_MOST_NAMES = 3


@frozen
class Fit:
    """How the weights of a checkpoint fit the model that was made of it.

    Attributes:
        notes: what was left over by design.
        warnings: what was left over otherwise, or could not be told.
    """

    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def refuse_other_kinds(directory: Path) -> None:
    """Refuse, before anything is loaded, a model that a causal class would take for another.

    Args:
        directory: of the checkpoint; without a ``config.json``, as for GGUF files, nothing is refused.

    Raises:
        BackendError: the checkpoint is an encoder-decoder, or an encoder alone.
    """
    config = _config(directory)
    architectures = [str(name) for name in _listed(config.get("architectures"))]
    if config.get("is_encoder_decoder") is True:
        raise BackendError(
            f"backend.model: {_named(architectures)} is an encoder-decoder; this package measures decoders",
            remedy=_REMEDY,
        )
    if config.get("is_decoder") is not True and any(
        architecture.endswith("ForMaskedLM") for architecture in architectures
    ):
        raise BackendError(
            f"backend.model: {_named(architectures)} is an encoder, which fills in masked words and generates no text",
            remedy=_REMEDY,
        )


def quantization_method(directory: Path) -> str | None:
    """How the weights in a directory are quantised (``gptq``, ``awq`` …), as its config.json says; None if not."""
    quantization = _config(directory).get("quantization_config")
    if not isinstance(quantization, dict):
        return None
    return str(quantization.get("quant_method") or "bitsandbytes")


def weights_fit(model: PreTrainedModel, info: Mapping[str, Collection[str]], directory: Path, quantised: bool) -> Fit:
    """What transformers says of the weights that it loaded.

    Args:
        info: its ``output_loading_info``: names that were missing, unexpected, or of another shape.
        quantised: by a method whose tables of scales transformers makes itself, so that they may be missing.

    Raises:
        BackendError: some of the model's weights are not in the checkpoint, and were made up.
    """
    parameters = {name for name, _ in model.named_parameters()}
    made_up = sorted({*info.get("missing_keys", ()), *_first(info.get("mismatched_keys", ()))} & parameters)
    kind = type(model).__name__
    if made_up and not quantised:
        raise BackendError(
            f"backend.model: the checkpoint{_of(directory)} has no weights for {_names(made_up)} of {kind}, so they "
            "would be random numbers: this is not the model that was saved",
            remedy="choose a checkpoint that holds the whole model, with its head for generating text",
        )
    warnings = (f"the checkpoint has no weights for {_names(made_up)} of {kind}",) if made_up else ()
    left = sorted(name for name in info.get("unexpected_keys", ()) if not _COMPUTED.search(name))
    if not left:
        return Fit((), warnings)
    said = f"the checkpoint{_of(directory)} holds {_names(left)}, which {kind} has no place for; they are not used"
    if _only_the_text(model, directory):
        return Fit((f"{said}: only the text part was loaded",), warnings)
    return Fit((), (*warnings, said))


def _only_the_text(model: PreTrainedModel, directory: Path) -> bool:
    """Whether the checkpoint has other parts too, such as an image encoder, and text was all that was loaded."""
    saved = _config(directory)
    loaded = model.config.to_dict()
    parts = {name for name in saved if name.endswith("_config") and name not in ("text_config", "quantization_config")}
    return "text_config" in saved and any(name not in loaded for name in parts)


def _first(pairs: Collection[object]) -> list[str]:
    """Names of weights of another shape, which transformers gives with both shapes."""
    return [str(pair[0]) if isinstance(pair, tuple) else str(pair) for pair in pairs]


def _names(weights: list[str]) -> str:
    """How many, and the first of them."""
    shown = ", ".join(weights[:_MOST_NAMES])
    more = len(weights) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _of(directory: Path) -> str:
    architectures = [str(name) for name in _listed(_config(directory).get("architectures"))]
    return f" of {_named(architectures)}" if architectures else ""


def _named(architectures: list[str]) -> str:
    return " + ".join(architectures) or "the checkpoint"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _config(directory: Path) -> Mapping[str, object]:
    try:
        config = read_json(directory / "config.json")
    except (OSError, ValueError):
        return {}  # loading the model says what is wrong with the file
    return config if isinstance(config, dict) else {}
