"""Rules between keys: what the type of one key alone cannot say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import attrs

from ai_energy_benchmarks.config.carbon import unknown_country
from ai_energy_benchmarks.config.members import member_class
from ai_energy_benchmarks.config.model import (
    BackendConfig,
    BenchmarkConfig,
    CarbonConfig,
    GenerateKwargs,
    MetricsConfig,
    ProtocolConfig,
)
from ai_energy_benchmarks.config.protocol import WarmupConfig
from ai_energy_benchmarks.config.slo import SloConfig
from ai_energy_benchmarks.domain.address import named_api, parse_address
from ai_energy_benchmarks.safety.urls import hidden
from ai_energy_benchmarks.text.problems import Problem, shown

SAMPLING = ("temperature", "top_k", "top_p", "min_p")
_OTHER_CALLS = ("/completions", "/responses", "/messages", "/embeddings", "/generate", "/api/chat")
_GENERATE = ("scenario", "generate_kwargs")


def needs_endpoint(backend: str) -> bool:
    """Whether a backend talks to a server: its class then has ``needs_endpoint = True``."""
    return bool(getattr(member_class("backends", backend), "needs_endpoint", False))


def runs_on_gpu(backend: str) -> bool:
    """Whether a backend's engine runs on a GPU unless it says otherwise: its class then has ``runs_on_gpu = True``."""
    return bool(getattr(member_class("backends", backend), "runs_on_gpu", False))


def _without_energy(collector: str) -> bool:
    """Whether a collector only stands next to a meter: its class then has ``without_energy = True``."""
    return bool(getattr(member_class("collectors", collector), "without_energy", False))


def problems(config: BenchmarkConfig) -> tuple[Problem, ...]:
    """Everything that contradicts itself or would have no effect."""
    return (
        *_backend(config.backend),
        *_endpoint(config),
        *_load(config),
        *_gpu(config),
        *_slo(config.scenario.slo),
        *_generation(config.scenario.generate_kwargs),
        *_protocol(config.protocol),
        *_metrics(config.metrics),
        *_reporters(config),
    )


def _slo(slo: SloConfig | None) -> Iterator[Problem]:
    if slo is not None and not slo.limits():
        yield Problem(("scenario", "slo"), "names no limit; set ttft_s, tpot_s or e2e_s, or remove it")


def _load(config: BenchmarkConfig) -> Iterator[Problem]:
    if config.load.salt in ("key", "text") and not needs_endpoint(config.backend.type):
        text = (
            f"has no effect: the {config.backend.type} backend runs in this process, where no cache of prompts "
            f"outlives a batch unless backend.options asks for one, got {shown(config.load.salt)}; remove it"
        )
        yield Problem(("load", "salt"), text)


def _gpu(config: BenchmarkConfig) -> Iterator[Problem]:
    gpu = config.gpu
    for key, other in (("power_limit_percent", "power_limit_w"), ("sm_clock_percent", "sm_clock_mhz")):
        if getattr(gpu, key) is not None and getattr(gpu, other) is not None:
            yield Problem(("gpu", key), f"contradicts {other}; keep one of the two")
    if (gpu.power_limited or gpu.clock_locked) and config.backend.device.partition(":")[0] == "cpu":
        yield Problem(("gpu",), f"has no effect on backend.device: {config.backend.device}; remove it")
    elif (gpu.power_limited or gpu.clock_locked) and _elsewhere(config):
        yield Problem(("gpu",), "sets GPUs of this machine, but the server is on another one; remove it")


def _elsewhere(config: BenchmarkConfig) -> bool:
    """Whether the endpoint is another machine, unless the config says that it means this one."""
    endpoint = config.backend.endpoint
    if endpoint is None or config.metrics.assume_local:
        return False
    try:
        return not parse_address(endpoint).local
    except ValueError:
        return False  # a problem of its own


def _backend(backend: BackendConfig) -> Iterator[Problem]:
    if needs_endpoint(backend.type):
        if backend.launch and backend.endpoint is not None:
            yield Problem(("backend", "endpoint"), "is chosen by this package with launch: true; remove one of the two")
        elif backend.endpoint is None and not backend.launch:
            text = f"{backend.type} backend requires endpoint, such as http://localhost:8000/v1"
            yield Problem(("backend", "endpoint"), text)
    elif backend.launch:
        yield Problem(
            ("backend", "launch"), f"the {backend.type} backend runs in this process; there is no server to start"
        )
    elif backend.endpoint is not None:
        got = shown(hidden(backend.endpoint))
        text = f"the {backend.type} backend runs in this process and has no endpoint, got {got}"
        yield Problem(("backend", "endpoint"), text)
    if backend.device_ids == ():
        yield Problem(("backend", "device_ids"), "must name at least one GPU, got []")
    for gpu, times in Counter(backend.device_ids or ()).items():
        if times > 1:
            yield Problem(("backend", "device_ids"), f"names GPU {gpu} {times} times")


def _endpoint(config: BenchmarkConfig) -> Iterator[Problem]:
    """This machine's meters say nothing of another machine."""
    endpoint = config.backend.endpoint
    if endpoint is None or not needs_endpoint(config.backend.type):
        return
    try:
        local = parse_address(endpoint).local
    except ValueError as error:
        yield Problem(("backend", "endpoint"), f"{error}; give it like http://localhost:8000/v1")
        return
    if (wrong := _other_call(endpoint, getattr(config.backend.options, "api", None))) is not None:
        yield Problem(("backend", "endpoint"), f"{hidden(endpoint)!r} {wrong}")
    if not local and config.metrics.enabled and not config.metrics.assume_local:
        text = (
            f"{hidden(endpoint)!r} is another machine, whose energy the meters here cannot see; set "
            "metrics.assume_local: true if that name means this machine, or metrics.enabled: false to measure tokens "
            "and times only"
        )
        yield Problem(("backend", "endpoint"), text)


def _other_call(endpoint: str, api: str | None) -> str | None:
    """What is wrong with the path of an address that names a call."""
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/")
    named = named_api(endpoint)
    if named is not None and api is not None and named != api:
        return f"is that of the {named} interface, but backend.options.api is {api}; set that to {named}, or end at /v1"
    if named is None and path.endswith(_OTHER_CALLS):
        return "names another call than /v1/chat/completions or /v1/completions; end at /v1, or before it"
    if parts.fragment:
        return f"ends in #{parts.fragment}, which is not sent to a server; remove that"
    return None


def _generation(generate: GenerateKwargs) -> Iterator[Problem]:
    fewest, most = generate.min_new_tokens, generate.max_new_tokens
    if fewest is not None and fewest > most:
        yield Problem((*_GENERATE, "min_new_tokens"), f"must be at most max_new_tokens ({most}), got {fewest}")
    if generate.do_sample:
        return
    for name in SAMPLING:
        value = getattr(generate, name)
        if value is not None:
            text = f"has no effect without do_sample: true, got {shown(value)}; set that or remove {name}"
            yield Problem((*_GENERATE, name), text)


def _protocol(protocol: ProtocolConfig) -> Iterator[Problem]:
    warmup, gate = protocol.warmup, protocol.gate
    if warmup.mode == "converge" and warmup.max_requests < warmup.last:
        text = f"must be at least last ({warmup.last}), got {warmup.max_requests}"
        yield Problem(("protocol", "warmup", "max_requests"), text)
    elif warmup.mode == "fixed":
        for key in attrs.fields(WarmupConfig):
            if key.name in ("last", "cv", "max_requests") and (value := getattr(warmup, key.name)) != key.default:
                text = f"has no effect with mode: fixed, got {shown(value)}; set mode: converge or remove {key.name}"
                yield Problem(("protocol", "warmup", key.name), text)
    if warmup.requests:
        return
    if warmup.mode == "converge":
        yield Problem(("protocol", "warmup", "requests"), "must be at least 1 with mode: converge, got 0")
    if gate is not None:
        text = "generates the requests of the warm-up, of which there are none; set protocol.warmup.requests"
        yield Problem(("protocol", "thermal_gate"), text)


def _metrics(metrics: MetricsConfig) -> Iterator[Problem]:
    if metrics.enabled and not metrics.collectors:
        text = "must name at least one meter, got []; metrics.enabled: false runs without energy"
        yield Problem(("metrics", "collectors"), text)
    elif metrics.enabled and all(_without_energy(member.type) for member in metrics.collectors):
        text = f"names no meter of energy, got {shown([member.type for member in metrics.collectors])}; add one"
        yield Problem(("metrics", "collectors"), text)
    for name, times in Counter(member.type for member in metrics.collectors).items():
        if times > 1:
            yield Problem(("metrics", "collectors"), f"names {name!r} {times} times")
    yield from _grams(metrics.carbon)
    carbon = metrics.carbon
    if carbon is not None and carbon.intensity_g_per_kwh is not None:
        if carbon.source is None:
            yield Problem(("metrics", "carbon", "source"), "must say where the intensity comes from")
    elif metrics.country_iso_code is not None:
        if (wrong := unknown_country(metrics.country_iso_code)) is not None:
            yield Problem(("metrics", "country_iso_code"), f"{wrong}, got {shown(metrics.country_iso_code)}")
    elif carbon is not None and not (metrics.cost and metrics.cost.site_tariff):
        text = "needs intensity_g_per_kwh with its source, or metrics.country_iso_code"
        yield Problem(("metrics", "carbon"), text)


def _grams(carbon: CarbonConfig | None) -> Iterator[Problem]:
    """Kilograms where grams belong would put every emission off by a thousand."""
    if carbon is not None and 0 < (carbon.intensity_g_per_kwh or 0) < 1:
        text = f"is in grams per kWh, of which grids have 5 to 1,500, got {shown(carbon.intensity_g_per_kwh)}"
        yield Problem(("metrics", "carbon", "intensity_g_per_kwh"), text)


def _reporters(config: BenchmarkConfig) -> Iterator[Problem]:
    for reporter, times in Counter(config.reporters).items():
        if times > 1:
            text = f"names {reporter.type!r} {times} times for the same file"
            yield Problem(("reporters",), text)
    files = Counter(reporter.output_file for reporter in set(config.reporters) if reporter.output_file is not None)
    for file, times in files.items():
        if times > 1:
            yield Problem(("reporters",), f"write {times} different formats to {str(file)!r}")
