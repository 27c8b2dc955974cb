"""What differed between two sets of results though the work was the same: named under the ratio, never refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean

from ai_energy_benchmarks.results.no_score import number
from ai_energy_benchmarks.results.quotable import block
from ai_energy_benchmarks.study.stored_runs import StoredRun

Runs = Sequence[StoredRun]
# Keys that likeness looks at, or that only say what things are called and where they go.
_NAMES = ("backend.model", "name", "output_dir", "reporters", "metrics.project_name", "save_texts")
# The verdict's own limits for a clock and a temperature that changed during a run, and shares below which no one asks.
_CLOCK, _CELSIUS, _SHARE, _WATTS = 0.02, 3.0, 0.01, 0.5


def circumstances(first: Runs, second: Runs) -> tuple[str, ...]:
    """One sentence for each circumstance that differed, the settings first."""
    return (*_settings(first, second), *_named(first, second), *_gpus(first, second), *_cache(first, second))


def _settings(first: Runs, second: Runs) -> Iterator[str]:
    """Settings outside of the work: of the engine, the GPU, the protocol and the meters."""
    sides = [[dict(_flat(run.settings)) for run in side if run.settings] for side in (first, second)]
    if not all(sides):
        return
    for key in dict.fromkeys(key for side in sides for of in side for key in of):
        if not _is_work(key):
            yield from _differing(key, *([of.get(key) for of in side] for side in sides))


def _is_work(key: str) -> bool:
    """Whether likeness looks at the key, or it only names things."""
    return key.startswith(("scenario.", "load.")) or key in _NAMES


def _flat(settings: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _differing(name: str, first: Sequence[object], second: Sequence[object]) -> Iterator[str]:
    sides = [list(dict.fromkeys(str(value) for value in side)) for side in (first, second)]
    if sides[0] != sides[1]:
        yield f"{name}: {' and '.join(sides[0])} in A, {' and '.join(sides[1])} in B"


def _gpu_names(document: Mapping[str, object]) -> str:
    """The GPUs whose energy counted, by name and the end of their UUID."""
    return ", ".join(f"{gpu.get('name')} ({str(gpu.get('id'))[-12:]})" for gpu in _conditions(document)) or "none"


def _meters(document: Mapping[str, object]) -> str:
    components = block(document, "components")
    meters = {name: block(components, name).get("meter") for name in components if name != "total"}
    return ", ".join(f"{name} by {meter}" for name, meter in meters.items()) or "none"


def _conditions(document: Mapping[str, object]) -> list[Mapping[str, object]]:
    gpus = document.get("gpu_conditions")
    return [gpu for gpu in gpus if isinstance(gpu, Mapping)] if isinstance(gpus, list) else []


_NAMED: tuple[tuple[str, Callable[[Mapping[str, object]], object]], ...] = (
    ("engine", lambda document: block(document, "backend_info").get("engine")),
    ("weights", lambda document: block(document, "backend_info").get("model_source")),
    ("number type", lambda document: block(document, "backend_info").get("dtype")),
    ("device", lambda document: block(document, "backend_info").get("device")),
    ("GPUs", _gpu_names),
    ("driver", lambda document: block(document, "environment").get("driver_version")),
    ("CUDA of the driver", lambda document: block(document, "environment").get("cuda_version")),
    ("CPU", lambda document: block(document, "environment").get("cpu_model")),
    ("CPU governor", lambda document: block(document, "environment").get("cpu_governor")),
    ("container", lambda document: block(document, "environment").get("container")),
    ("container image", lambda document: block(document, "environment").get("image")),
    ("platform", lambda document: block(document, "environment").get("platform")),
    ("ai_energy_benchmarks", lambda document: block(document, "environment").get("package_version")),
    ("meters", _meters),
)


def _named(first: Runs, second: Runs) -> Iterator[str]:
    for name, read in _NAMED:
        yield from _differing(name, *([read(run.document) for run in side] for side in (first, second)))
    libraries = [[block(run.document, "environment", "libraries") for run in side] for side in (first, second)]
    for name in dict.fromkeys(name for side in libraries for of in side for name in of):
        yield from _differing(name, *([of.get(name) for of in side] for side in libraries))


def _clocks_apart(first: float, second: float) -> bool:
    return abs(second - first) > _CLOCK * first


def _apart(limit: float) -> Callable[[float, float], bool]:
    return lambda first, second: abs(second - first) > limit


_GAUGES: tuple[tuple[str, str, str, Callable[[float, float], bool]], ...] = (
    ("sm_clock_mhz", "mean clock of the GPU", "MHz", _clocks_apart),
    ("temperature_celsius", "temperature of the GPU", "°C", _apart(_CELSIUS)),
    ("power_limit_w", "power limit of the GPU", "W", _apart(_WATTS)),
)


def _gpus(first: Runs, second: Runs) -> Iterator[str]:
    """Clocks, temperature, power limit and brakes: the means over the GPUs and runs of a side."""
    gpus = [[gpu for run in side for gpu in _conditions(run.document)] for side in (first, second)]
    for key, name, unit, apart in _GAUGES:
        means = [_mean(number(gpu.get(key)) for gpu in side) for side in gpus]
        if means[0] is not None and means[1] is not None and apart(means[0], means[1]):
            yield f"{name}: {means[0]:.4g} {unit} in A, {means[1]:.4g} {unit} in B"
    throttled = [_throttled(side) for side in gpus]
    for reason in dict.fromkeys((*throttled[0], *throttled[1])):
        shares = [of.get(reason, 0.0) for of in throttled]
        if abs(shares[0] - shares[1]) > _SHARE:
            yield f"{reason} held clocks down for {shares[0]:.1%} of the trials in A, {shares[1]:.1%} in B"


def _throttled(gpus: Sequence[Mapping[str, object]]) -> dict[str, float]:
    shares = [block(gpu, "throttled_share") for gpu in gpus]
    reasons = dict.fromkeys(reason for of in shares for reason in of)
    return {reason: fmean(number(of.get(reason)) or 0.0 for of in shares) for reason in reasons}


def _cache(first: Runs, second: Runs) -> Iterator[str]:
    shares = [_mean(map(_cached_share, side)) for side in (first, second)]
    known = [share or 0.0 for share in shares]
    if abs(known[0] - known[1]) > _SHARE:
        yield f"prompt tokens from a cache: {known[0]:.1%} in A, {known[1]:.1%} in B"


def _cached_share(run: StoredRun) -> float | None:
    cached = number(block(run.document, "tokens").get("cached_prompt"))
    prompts = number(block(run.document, "summary").get("total_prompt_tokens"))
    return cached / prompts if cached is not None and prompts else None


def _mean(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
