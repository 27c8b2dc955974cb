"""TensorRT-LLM as a server: ``trtllm-serve``, one that runs already or one of our own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import field, frozen
from attrs.validators import gt

from ai_energy_benchmarks.backends.model_files import resolve_model
from ai_energy_benchmarks.backends.openai_requests import OpenAIServerOptions
from ai_energy_benchmarks.backends.openai_server import OpenAIServerBackend
from ai_energy_benchmarks.backends.server_process import visible_boards


@frozen
class TensorRTOptions(OpenAIServerOptions):
    """``backend.options`` of TensorRT-LLM. All but the first three are options of ``trtllm-serve``.

    Attributes:
        command: the program to start.
        startup_timeout_s: most seconds until a launched server is ready; building an engine takes long.
        environment: variables set for a launched server only.
        engine: ``--backend``.
        extra_llm_api_options: a YAML file with further settings; ``enable_energy_metrics`` belongs there.
        extra_args: further arguments, as the command line takes them.
    """

    command: str = "trtllm-serve"
    startup_timeout_s: float = field(default=3600.0, validator=gt(0))
    environment: Mapping[str, str] = field(factory=dict)
    engine: Literal["pytorch", "trt", "_autodeploy"] | None = None
    tp_size: int | None = None
    pp_size: int | None = None
    ep_size: int | None = None
    max_batch_size: int | None = None
    max_num_tokens: int | None = None
    max_seq_len: int | None = None
    kv_cache_free_gpu_memory_fraction: float | None = None
    trust_remote_code: bool = False
    extra_llm_api_options: str | None = None
    extra_args: tuple[str, ...] = ()


_FLAGS = ("tp_size", "pp_size", "ep_size", "max_batch_size", "max_num_tokens", "max_seq_len")
_MORE_FLAGS = ("kv_cache_free_gpu_memory_fraction", "extra_llm_api_options")


class TensorRTBackend(OpenAIServerBackend):
    """A TensorRT-LLM server; its further request keys are those of its OpenAI protocol module."""

    Options: ClassVar[type] = TensorRTOptions
    NAME: ClassVar[str] = "tensorrt"
    ENGINE: ClassVar[str] = "TensorRT-LLM"
    DIALECT: ClassVar[Mapping[str, str]] = {
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "min_p": "min_p",
        "min_new_tokens": "min_tokens",
        "repetition_penalty": "repetition_penalty",
    }

    @property
    def tensorrt_options(self) -> TensorRTOptions:
        """The options, typed."""
        options = self.settings.options
        return options if isinstance(options, TensorRTOptions) else TensorRTOptions()

    def launch_problems(self) -> tuple[str, ...]:
        command = self.tensorrt_options.command
        if shutil.which(command) is None:
            return (
                f"backend.launch: {command} is not on the PATH; "
                'pip install "ai_energy_benchmarks[tensorrt]", or give its path in backend.options.command',
            )
        return ()

    def launch_command(self, port: int) -> tuple[str, ...]:
        options = self.tensorrt_options
        files = resolve_model(self.settings.model, self.settings.progress)
        self.notes = (files.note,) if files.note else ()
        flags = [("backend", options.engine), *((name, getattr(options, name)) for name in (*_FLAGS, *_MORE_FLAGS))]
        return (
            *(options.command, files.path_or_id, "--host", "127.0.0.1", "--port", str(port)),
            *(part for name, value in flags if value is not None for part in (f"--{name}", str(value))),
            *(("--trust_remote_code",) if options.trust_remote_code else ()),
            *options.extra_args,
        )

    def launch_environment(self) -> Mapping[str, str]:
        return {**visible_boards(self.settings.device_ids), **self.tensorrt_options.environment}
