"""Configs in the style of optimum-benchmark: every key honoured, or named as not applicable.

Keys that are unknown there too are left where they are, so that loading reports them with the nearest valid name.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from ai_energy_benchmarks.config.overrides import override_paths, with_overrides
from ai_energy_benchmarks.text.problems import Path, dotted, shown
from ai_energy_benchmarks.text.yaml_text import scalar

_MOVED: Mapping[Path, Path] = {
    ("backend", "name"): ("backend", "type"),
    ("backend", "seed"): ("scenario", "seed"),
    ("backend", "torch_dtype"): ("backend", "options", "dtype"),
    ("backend", "dtype"): ("backend", "options", "dtype"),
    ("backend", "device_map"): ("backend", "options", "device_map"),
    ("backend", "attn_implementation"): ("backend", "options", "attn_implementation"),
    ("backend", "intra_op_num_threads"): ("backend", "options", "threads"),
    ("backend", "model_kwargs", "trust_remote_code"): ("backend", "options", "trust_remote_code"),
    ("backend", "model_kwargs", "revision"): ("backend", "options", "revision"),
    ("scenario", "warmup_runs"): ("protocol", "warmup", "requests"),
    ("scenario", "iterations"): ("protocol", "trials"),
}
# What has no counterpart here, and why.
_NOT_APPLICABLE: Mapping[Path, str] = {
    ("defaults",): "Hydra composes configs from it; give the whole config",
    ("hydra",): "it configures Hydra; output_dir says where results go",
    ("launcher",): "the benchmark runs in this process",
    ("environment",): "the environment is observed, not configured",
    ("experiment_name",): "the benchmark's name is 'name'",
    ("print_report",): "the console reporter prints",
    ("log_report",): "the console reporter prints",
    ("backend", "version"): "the version in use is recorded",
    ("backend", "_target_"): "backend.type names the engine",
    ("backend", "library"): "it is transformers",
    ("backend", "model_type"): "the model says so itself",
    ("backend", "processor"): "the model's own tokenizer is used",
    ("backend", "processor_kwargs"): "the model's own tokenizer is used",
    ("backend", "model_kwargs"): "only trust_remote_code and revision have a counterpart",
    ("backend", "no_weights"): "the real weights are measured",
    ("backend", "inter_op_num_threads"): "torch's own choice is used",
    ("backend", "eval_mode"): "the model is always in eval mode",
    ("backend", "low_cpu_mem_usage"): "weights are always loaded in this way",
    ("backend", "to_bettertransformer"): "attn_implementation chooses the kernel",
    ("scenario", "name"): "there is one scenario",
    ("scenario", "_target_"): "there is one scenario",
    ("scenario", "energy"): "energy is always measured; metrics.enabled turns it off",
    ("scenario", "latency"): "latency is always measured",
    ("scenario", "memory"): "memory is not measured",
    ("scenario", "duration"): "a trial is one pass over num_samples",
    ("scenario", "new_tokens"): "generate_kwargs sets the tokens",
    ("scenario", "call_kwargs"): "it is for image pipelines",
    ("scenario", "forward_kwargs"): "it is for models that do not generate",
    ("scenario", "dataset_config"): "the dataset has one",
    ("scenario", "dataset_split"): "the dataset has one",
    ("scenario", "image_column_name"): "prompts are text",
    ("scenario", "resize"): "prompts are text",
    ("scenario", "question_column_name"): "prompts are one column of text",
    ("scenario", "context_column_name"): "prompts are one column of text",
    ("scenario", "sentence1_column_name"): "prompts are one column of text",
    ("scenario", "sentence2_column_name"): "prompts are one column of text",
    ("scenario", "dataset_prefix1"): "prompts are sent as they are",
    ("scenario", "dataset_prefix2"): "prompts are sent as they are",
    ("scenario", "t5_task"): "prompts are sent as they are",
    **{
        ("scenario", "input_shapes", name): "prompts have their own lengths"
        for name in ("sequence_length", "num_choices", "num_beams", "width", "height", "num_channels")
    },
}


@frozen
class Translated:
    """A config in our keys.

    Attributes:
        notes: one sentence for each key that has no counterpart, with the value it had.
    """

    mapping: dict[str, object]
    notes: tuple[str, ...]


def translate(mapping: Mapping[str, object]) -> Translated:
    """This package's keys from optimum-benchmark's; keys that are this package's already stay."""
    ours: dict[str, object] = {}
    notes: list[str] = []
    for path, value in override_paths(mapping):
        why = _reason(path)
        if path not in _MOVED and why is not None:
            if value is not None:
                notes.append(f"{dotted(path)} = {shown(value)} is not applicable: {why}")
            continue
        target = _MOVED.get(path, path)
        if value is None and path in _MOVED:
            continue  # "not set" there is "absent" here
        nested: object = _value(target, value)
        for key in reversed(target):
            nested = {str(key): nested}
        assert isinstance(nested, dict)  # the path is never empty
        ours = with_overrides(ours, nested)
    return Translated(ours, tuple(notes))


def _reason(path: Path) -> str | None:
    """Why the key, or the block that it stands in, has no counterpart."""
    return next((_NOT_APPLICABLE[path[:end]] for end in range(len(path), 0, -1) if path[:end] in _NOT_APPLICABLE), None)


def _value(target: Path, value: object) -> object:
    """GPUs may be one number or a text such as ``0, 1, 2``."""
    if target != ("backend", "device_ids"):
        return value
    if isinstance(value, str):
        return [scalar(each.strip()) for each in value.split(",")]
    return [value] if isinstance(value, int) else value
