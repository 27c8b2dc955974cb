"""What is known of a server and of its client over one window."""

from __future__ import annotations

from attrs import asdict, frozen


@frozen
class ClientLoad:
    """How the client itself fared: a client at its limit measures itself.

    Attributes:
        concurrency: batches that should have been on their way at once.
        cpu_time_s: CPU seconds that this process used in the window.
        loop_lag_s: 99th percentile of how late the event loop woke up.
    """

    concurrency: int
    cpu_time_s: float
    loop_lag_s: float


@frozen
class ServerCounters:
    """Counters of a server, summed over its engines; None where it does not tell.

    Attributes:
        prefix_cache_queries_tokens: prompt tokens that were looked up in the prefix cache.
        prefix_cache_hit_tokens: those that were found there.
        preemptions: requests thrown out to make room and computed again.
    """

    prompt_tokens: int | None = None
    output_tokens: int | None = None
    prefix_cache_queries_tokens: int | None = None
    prefix_cache_hit_tokens: int | None = None
    preemptions: int | None = None

    def since(self, earlier: ServerCounters) -> ServerCounters:
        """The growth since an earlier reading; None where either did not tell, or the server restarted."""
        before = asdict(earlier)
        grown = {
            name: now - before[name] if now is not None and before[name] is not None and now >= before[name] else None
            for name, now in asdict(self).items()
        }
        return ServerCounters(**grown)
