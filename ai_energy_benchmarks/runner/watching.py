"""What is watched beside the energy of a trial on a server: the client itself, and what the server says."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType

from attrs import define, field

from ai_energy_benchmarks.backends.base import Backend, ShowsLoad
from ai_energy_benchmarks.config.model import LoadConfig
from ai_energy_benchmarks.domain.serving import ClientLoad, ServerCounters, ServerLoad
from ai_energy_benchmarks.load.self_check import SelfCheck
from ai_energy_benchmarks.load.server_watch import ServerWatch


@define
class TrialWatch:
    """``async with`` around the window; made before it, since making it reads the server's counters.

    An engine in process has no client and no counters, so nothing is watched there.
    """

    backend: Backend
    load: LoadConfig
    _before: ServerCounters | None = field(init=False)
    _client: SelfCheck | None = field(init=False, default=None)
    _server: ServerWatch | None = field(init=False, default=None)
    _stack: AsyncExitStack = field(init=False, factory=AsyncExitStack)

    def __attrs_post_init__(self) -> None:
        self._before = self.backend.counters()
        if not self.backend.needs_endpoint:
            return
        self._client = SelfCheck(self.load.concurrency)
        # One request at a time leaves no queue to see, and is where a question beside it would be felt most.
        if isinstance(self.backend, ShowsLoad) and self.load.concurrency > 1:
            self._server = ServerWatch(self.backend.gauges, self.load.watch_server_s)

    async def __aenter__(self) -> TrialWatch:
        for each in (self._client, self._server):
            if each is not None:
                await self._stack.enter_async_context(each)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def client(self) -> ClientLoad | None:
        """How the client fared."""
        return self._client.result if self._client else None

    @property
    def server_load(self) -> ServerLoad | None:
        """How the server stood within the window."""
        return self._server.result if self._server else None

    def growth(self) -> ServerCounters | None:
        """What the server's counters grew by; asks the server, so only after the window."""
        now = self.backend.counters()
        return now.since(self._before) if now is not None and self._before is not None else None
