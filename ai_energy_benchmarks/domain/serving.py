"""What is asked of a server, and what is known of it and of its client over one window."""

from __future__ import annotations

from attrs import asdict, frozen


@frozen
class ClientLoad:
    """How the client itself fared: a client at its limit measures itself.

    Attributes:
        concurrency: batches that should have been in flight at once.
        cpu_time_s: CPU seconds that this process used in the window.
        loop_lag_s: 99th percentile of how late the event loop woke up; None in a window too short for one look.
    """

    concurrency: int
    cpu_time_s: float
    loop_lag_s: float | None


@frozen
class ServerCounters:
    """Counters of a server, summed over its engines; None where it does not report it.

    Attributes:
        prompt_tokens: prompt tokens that the server processed.
        output_tokens: output tokens that it made.
        prefix_cache_queries_tokens: prompt tokens that were looked up in the prefix cache.
        prefix_cache_hit_tokens: those that were found there.
        preemptions: requests preempted to make room and recomputed.
    """

    prompt_tokens: int | None = None
    output_tokens: int | None = None
    prefix_cache_queries_tokens: int | None = None
    prefix_cache_hit_tokens: int | None = None
    preemptions: int | None = None

    def since(self, earlier: ServerCounters) -> ServerCounters:
        """The growth since an earlier reading; None where the server does not report it, or restarted.

        A counter that was not on the page before has not grown until then: the Prometheus client library shows a
        counter with labels from its first event on.

        Args:
            earlier: the counters at the begin of the time in question.
        """
        before = asdict(earlier)
        grown = {
            name: now - (before[name] or 0) if now is not None and now >= (before[name] or 0) else None
            for name, now in asdict(self).items()
        }
        return ServerCounters(**grown)


@frozen
class ServerGauges:
    """How a server stands at one moment; None where it does not report it.

    Attributes:
        running_requests: those in work.
        waiting_requests: those in its queue.
        kv_cache_share: part of its cache for keys and values that is in use.
    """

    running_requests: float | None = None
    waiting_requests: float | None = None
    kv_cache_share: float | None = None


@frozen
class ServerLoad:
    """Several ``ServerGauges`` of one window together.

    Attributes:
        running_mean, running_most: requests in the batch; mean and maximum of the readings, None without one.
        waiting_mean, waiting_most: requests in the queue, the same.
        kv_cache_mean_share, kv_cache_most_share: used part of the cache of keys and values, between 0 and 1, the same.
        readings: how many.
    """

    readings: int
    running_mean: float | None = None
    running_most: float | None = None
    waiting_mean: float | None = None
    waiting_most: float | None = None
    kv_cache_mean_share: float | None = None
    kv_cache_most_share: float | None = None


@frozen
class Slo:
    """Service-level objectives of one request; None asks nothing.

    Attributes:
        ttft_s: longest time to the first token; None for no objective.
        tpot_s: longest mean time per further token.
        e2e_s: longest time to the end of the answer.
    """

    ttft_s: float | None = None
    tpot_s: float | None = None
    e2e_s: float | None = None

    def limits(self) -> tuple[tuple[str, float], ...]:
        """Those that are set, under the field's names."""
        named = (("TTFT", self.ttft_s), ("TPOT", self.tpot_s), ("E2E", self.e2e_s))
        return tuple((name, limit_s) for name, limit_s in named if limit_s is not None)


@frozen
class Goodput:
    """How many requests of one pass kept all objectives.

    Attributes:
        slo: the objectives.
        requests_per_s: requests per second that kept all objectives; None if that is not known.
        good_requests: those that did.
        unknown_requests: those of which it is not known; with any of them there is no rate.
        share: of all requests, failed ones included.
    """

    slo: Slo
    good_requests: float
    unknown_requests: float
    requests_per_s: float | None
    share: float | None
