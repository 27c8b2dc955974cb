"""The config of AI Energy Score's container: a config or none, overrides, and four environment variables."""

from __future__ import annotations

from collections.abc import Mapping

from ai_energy_benchmarks.config.aienergyscore.optimum import Translated, translate
from ai_energy_benchmarks.config.aienergyscore.profiles import with_profile
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.text.problems import shown

_BACKENDS = ("pytorch", "vllm")
_DEFAULT_RESULTS_DIR = "results"


def container_mapping(
    config: Mapping[str, object], overrides: Mapping[str, object], environment: Mapping[str, str]
) -> Translated:
    """Our config, on the profile ``aienergyscore``.

    Args:
        config: in our keys or in those of optimum-benchmark; empty for the profile alone.
        overrides: laid over it, in the same keys.
        environment: ``BENCHMARK_BACKEND`` (pytorch or vllm), ``VLLM_ENDPOINT`` and ``RESULTS_DIR`` count before the
            config. ``HF_TOKEN`` is read by the Hugging Face libraries themselves and stands in no file of this package.

    Raises:
        ConfigError: the backend is not one of this package, or a vLLM server has no address.
    """
    translated = translate(with_overrides(config, overrides))
    found: dict[str, object] = with_overrides({"backend": {}}, translated.mapping)
    backend = found["backend"]
    if not isinstance(backend, dict):
        raise ConfigError(f"backend must be a mapping with keys, got {shown(backend)}", remedy="write backend.model=…")
    wanted = environment.get("BENCHMARK_BACKEND") or backend.get("type") or "pytorch"
    if wanted not in _BACKENDS:
        optimum = " (optimum runs optimum-benchmark, which is not part of this package)" if wanted == "optimum" else ""
        raise ConfigError(
            f"BENCHMARK_BACKEND is {shown(wanted)}{optimum}", remedy=f"set it to {' or '.join(_BACKENDS)}"
        )
    backend["type"] = wanted
    if wanted == "vllm":
        backend["endpoint"] = environment.get("VLLM_ENDPOINT") or backend.get("endpoint")
        if not backend["endpoint"] and not backend.get("launch"):
            raise ConfigError(
                "the vLLM backend requires endpoint", remedy="set VLLM_ENDPOINT, such as http://localhost:8000/v1"
            )
    elif backend.get("endpoint") is not None:
        del backend["endpoint"]  # of a server that this run does not use
    found["output_dir"] = environment.get("RESULTS_DIR") or found.get("output_dir") or _DEFAULT_RESULTS_DIR
    return Translated(with_profile("aienergyscore", found), translated.notes)
