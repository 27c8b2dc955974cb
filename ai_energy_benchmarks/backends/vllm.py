"""vLLM as a server: one that runs already, or one of our own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import field, fields, frozen
from attrs.validators import gt

from ai_energy_benchmarks.backends.model_files import resolve_model
from ai_energy_benchmarks.backends.openai_requests import OpenAIServerOptions, turns
from ai_energy_benchmarks.backends.openai_server import OpenAIServerBackend
from ai_energy_benchmarks.backends.server_probe import post
from ai_energy_benchmarks.backends.server_process import visible_boards
from ai_energy_benchmarks.domain.prompts import Request


@frozen
class VllmOptions(OpenAIServerOptions):
    """``backend.options`` of vLLM. All but the first three are options of ``vllm serve``, used with ``launch``.

    Attributes:
        python: interpreter of the environment that holds vLLM; the running one if not set.
        startup_timeout_s: most seconds until a launched server is ready.
        environment: variables set for a launched server only.
        enable_prefix_caching: off, since repeated trials would otherwise find their prompts computed.
        extra_args: further arguments, as the command line takes them.
    """

    python: str | None = None
    startup_timeout_s: float = field(default=1800.0, validator=gt(0))
    environment: Mapping[str, str] = field(factory=dict)
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] = "auto"
    quantization: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    enforce_eager: bool = False
    enable_prefix_caching: bool = False
    trust_remote_code: bool = False
    revision: str | None = None
    seed: int | None = None
    extra_args: tuple[str, ...] = ()


_SERVE = tuple(
    each.name
    for each in fields(VllmOptions)
    if each.name not in {*(other.name for other in fields(OpenAIServerOptions)), "python", "startup_timeout_s"}
    and each.name not in {"environment", "enable_prefix_caching", "extra_args"}
)


class VllmBackend(OpenAIServerBackend):
    """A vLLM server; its further request keys are those of its "extra parameters" documentation."""

    Options: ClassVar[type] = VllmOptions
    NAME: ClassVar[str] = "vllm"
    ENGINE: ClassVar[str] = "vLLM"
    COUNTERS: ClassVar[Mapping[str, str]] = {
        "prompt_tokens": "vllm:prompt_tokens_total",
        "output_tokens": "vllm:generation_tokens_total",
        "prefix_cache_queries_tokens": "vllm:prefix_cache_queries_total",
        "prefix_cache_hit_tokens": "vllm:prefix_cache_hits_total",
        "preemptions": "vllm:num_preemptions_total",
    }
    SALT_KEY: ClassVar[str | None] = "cache_salt"
    CONTINUES: ClassVar[bool] = True
    DIALECT: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "min_p": "min_p",
        "min_new_tokens": "min_tokens",
        "repetition_penalty": "repetition_penalty",
    }

    @property
    def vllm_options(self) -> VllmOptions:
        """The options, typed."""
        options = self.settings.options
        return options if isinstance(options, VllmOptions) else VllmOptions()

    def rendered(self, request: Request) -> str | None:
        """The ids of the prompt as the server's template renders it, as text; None if it does not tell them."""
        answer = post(self._asked(), "/tokenize", {"model": self.settings.model, **turns(request)})
        ids = (answer or {}).get("tokens")
        return " ".join(map(str, ids)) if isinstance(ids, list) else None

    def launch_problems(self) -> tuple[str, ...]:
        options, boards = self.vllm_options, len(self.settings.device_ids)
        wanted = (options.tensor_parallel_size or 1) * (options.pipeline_parallel_size or 1)
        if wanted > boards and self.settings.device != "cpu":
            return (f"backend.device_ids: names {boards} boards, but the parallel sizes of the options need {wanted}",)
        if options.python is None and importlib.util.find_spec("vllm") is None:
            return (
                "backend.launch: vllm is not installed in this environment; "
                'pip install "ai_energy_benchmarks[vllm]", or name the interpreter of an environment that has it '
                "in backend.options.python",
            )
        return ()

    def launch_command(self, port: int) -> tuple[str, ...]:
        options = self.vllm_options
        files = resolve_model(self.settings.model, self.settings.progress, revision=options.revision)
        self.notes = (files.note,) if files.note else ()
        caching = "--enable-prefix-caching" if options.enable_prefix_caching else "--no-enable-prefix-caching"
        # The module and not the command `vllm`, which builds for other processors do not always install.
        return (
            *(options.python or sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", files.path_or_id, "--served-model-name", self.settings.model),
            *("--host", "127.0.0.1", "--port", str(port)),
            *(caching, "--enable-prompt-tokens-details"),
            *(argument for name in _SERVE for argument in _argument(name, getattr(options, name))),
            *options.extra_args,
        )

    def launch_environment(self) -> Mapping[str, str]:
        # Usage reports are network calls that nobody asked for.
        quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        return {**quiet, **visible_boards(self.settings.device_ids), **self.vllm_options.environment}


def _argument(name: str, value: object) -> tuple[str, ...]:
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return ()
    return (flag,) if value is True else (flag, str(value))
