"""What a server reports about itself on its Prometheus page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from statistics import fmean

from attrs import field, frozen

from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges

_LARGEST_SAMPLE = 1e15
Names = Mapping[str, tuple[str, ...]]


@frozen
class MetricsPage:
    """Where a server has its page, and what stands on it under which names.

    Attributes:
        path: of the page, from the server's root.
        counters: field of ``ServerCounters`` → the server's name, the newest version's first.
        gauges: field of ``ServerGauges`` → the same.
    """

    path: str = "/metrics"
    counters: Names = field(factory=dict)
    gauges: Names = field(factory=dict)

    def read_counters(self, page: str) -> ServerCounters | None:
        """The counters on a page, summed over their labels, which tell engines apart. None if it has none of them.

        Args:
            page: its text.
        """
        found = _samples(page, self.counters)
        if not found:
            return None
        return ServerCounters(**{ours: round(sum(values)) for ours, values in found.items()})

    def read_gauges(self, page: str) -> ServerGauges | None:
        """How the server stands; requests are summed over engines, shares averaged. None if it reports nothing.

        Args:
            page: its text.
        """
        found = {ours: _possible(ours, values) for ours, values in _samples(page, self.gauges).items()}
        known = {ours: values for ours, values in found.items() if values}
        if not known:
            return None
        return ServerGauges(
            **{ours: fmean(values) if ours.endswith("_share") else sum(values) for ours, values in known.items()}
        )


def _possible(ours: str, values: list[float]) -> list[float]:
    """The samples; none of a share if one is above 1, as on a page that has percent: nothing is known of its unit."""
    return [] if ours.endswith("_share") and max(values) > 1 else values


def _samples(page: str, names: Names) -> dict[str, list[float]]:
    """Our field → its samples, of the first of its names that is there.

    A page has hundreds of lines and is read while a server is measured, so only the lines of interest are parsed.
    """
    wanted = "|".join(re.escape(each) for each in _flat(names.values()))
    if not wanted:
        return {}
    samples: dict[str, list[float]] = {}
    for line in re.finditer(rf"^({wanted})(?:\{{.*\}})?[ \t]+(\S+)", page, re.MULTILINE):
        try:
            value = float(line[2])
        except ValueError:
            continue  # no number, so no sample
        if 0 <= value <= _LARGEST_SAMPLE:  # no count or share is below 0; neither NaN nor infinite, with a finite sum
            samples.setdefault(line[1], []).append(value)
    found = {ours: next((samples[each] for each in theirs if each in samples), []) for ours, theirs in names.items()}
    return {ours: values for ours, values in found.items() if values}


def _flat(names: Iterable[tuple[str, ...]]) -> list[str]:
    return [each for group in names for each in group]


VLLM = MetricsPage(
    counters={
        "prompt_tokens": ("vllm:prompt_tokens_total",),
        "output_tokens": ("vllm:generation_tokens_total",),
        "prefix_cache_queries_tokens": ("vllm:prefix_cache_queries_total",),
        "prefix_cache_hit_tokens": ("vllm:prefix_cache_hits_total",),
        "preemptions": ("vllm:num_preemptions_total",),
    },
    gauges={
        "running_requests": ("vllm:num_requests_running",),
        "waiting_requests": ("vllm:num_requests_waiting",),
        "kv_cache_share": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
    },
)

# ``/metrics`` of trtllm-serve is a list of iterations; its Prometheus page stands next to it.
TENSORRT_LLM = MetricsPage(
    path="/prometheus/metrics",
    counters={"prefix_cache_hit_tokens": ("trtllm_prompt_cached_tokens_total",)},
    gauges={
        "running_requests": ("trtllm_num_requests_running",),
        "waiting_requests": ("trtllm_num_requests_waiting",),
        "kv_cache_share": ("trtllm_kv_cache_utilization",),
    },
)

# A server of which only the protocol is known may be any of these.
ANY = MetricsPage(
    counters={
        **VLLM.counters,
        # SGLang counts all tokens of a prompt, and apart from them those that it found, by kind of memory.
        "prompt_tokens": (*VLLM.counters["prompt_tokens"], "sglang:prompt_tokens_total"),
        "prefix_cache_hit_tokens": (*VLLM.counters["prefix_cache_hit_tokens"], "sglang:cached_tokens_total"),
    },
    gauges={
        "running_requests": ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing"),
        "waiting_requests": ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred"),
        "kv_cache_share": ("vllm:kv_cache_usage_perc", "sglang:token_usage", "llamacpp:kv_cache_usage_ratio"),
    },
)
