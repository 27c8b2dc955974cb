"""Servers that speak the OpenAI protocol: one request a stream, every token event stamped as it arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import ClassVar

from attrs import evolve

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.entering import EnteredBackend
from ai_energy_benchmarks.backends.location import locate, of_tree
from ai_energy_benchmarks.backends.server.api_key import ApiKey
from ai_energy_benchmarks.backends.server.event_stream import EventStream
from ai_energy_benchmarks.backends.server.file_limit import too_few_files
from ai_energy_benchmarks.backends.server.http_client import HttpClient, json_body
from ai_energy_benchmarks.backends.server.http_connection import HttpError
from ai_energy_benchmarks.backends.server.launching import LaunchOptions
from ai_energy_benchmarks.backends.server.metrics_page import ANY, MetricsPage
from ai_energy_benchmarks.backends.server.probe import Server, fetch_text, introduction
from ai_energy_benchmarks.backends.server.process import ServerProcess, free_port
from ai_energy_benchmarks.backends.server.prompt_caches import PromptCaches
from ai_energy_benchmarks.backends.server.replies import bad_end, cancelled, completion, cut_short, refusal
from ai_energy_benchmarks.backends.server.request_limits import limits_of
from ai_energy_benchmarks.backends.server.requests import (
    OpenAIServerOptions,
    is_chat,
    refused,
    request_body,
    used_parameters,
)
from ai_energy_benchmarks.backends.server.sending import Sending
from ai_energy_benchmarks.backends.server.tokens import LaterCounts, local_counter, no_usage, server_counter
from ai_energy_benchmarks.backends.used import UsedParameters
from ai_energy_benchmarks.backends.visible_gpus import visible_gpus
from ai_energy_benchmarks.domain.address import Address, parse_address
from ai_energy_benchmarks.domain.completions import Completion, FailedCompletion, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts, Location
from ai_energy_benchmarks.domain.prompts import Batch, Request, Tokenizer
from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges
from ai_energy_benchmarks.errors import BackendError, parted
from ai_energy_benchmarks.safety.marking import shown_command
from ai_energy_benchmarks.safety.urls import hidden

_TRUNCATION = "a prompt that does not fit the server's context fails with its reason; scenario.truncation is not sent"


class OpenAIServerBackend(EnteredBackend):
    """Any server with an OpenAI-compatible interface, by its address.

    Engines with more keys than the protocol has are subclasses that name them in ``DIALECT``.

    Attributes:
        tokenizer: that of ``options.tokenizer``; without one the server's ``usage`` is enough.
    """

    Options: ClassVar[type] = OpenAIServerOptions
    needs_endpoint: ClassVar[bool] = True
    NAME: ClassVar[str] = "openai"
    ENGINE: ClassVar[str] = "OpenAI-compatible server"
    # Our name of a generation parameter → the server's; what is not here is refused if it is set.
    DIALECT: ClassVar[Mapping[str, str]] = {"temperature": "temperature", "top_p": "top_p"}
    METRICS: ClassVar[MetricsPage] = ANY
    # Request key that keeps prefix caches of different trials apart; None if the server has none.
    SALT_KEY: ClassVar[str | None] = None
    COUNTS_EVENTS: ClassVar[bool] = False  # whether it knows ``stream_options.continuous_usage_stats``
    CONTINUES: ClassVar[bool] = False  # whether it goes on with an assistant's turn that the request has begun

    def __init__(self, settings: BackendSettings) -> None:
        self.settings = settings
        self.notes: tuple[str, ...] = ()
        self.model: str | None = settings.model
        self.tokenizer: Tokenizer | None = None
        self._client: HttpClient | None = None
        self._server: ServerProcess | None = None
        self._address: Address | None = None
        self._facts: EngineFacts | None = None
        self._used = UsedParameters()
        self._retried = 0
        self._texts: dict[int, EventStream] = {}
        self._cancelled: list[Completion] = []
        self._later: LaterCounts | None = None
        self._caches = PromptCaches(settings.salt, self.SALT_KEY)

    @property
    def options(self) -> OpenAIServerOptions:
        """The options, typed."""
        return self.settings.chosen(OpenAIServerOptions)

    @property
    def address(self) -> Address:
        """Where the server is; a launched one is known only while it runs."""
        return self._address or parse_address(self.settings.endpoint or "")

    def problems(self, demand: Demand) -> tuple[str, ...]:
        launching = self.launch_problems() if self.settings.launch else ()
        sent = refused(self.NAME, self.DIALECT, demand, self.settings, self.CONTINUES)
        return (
            *sent,
            *too_few_files(demand.concurrency),
            *self._caches.problems(self.NAME, self.options.extra_body),
            *launching,
        )

    def caching_requested(self) -> str:
        """The option that asks the server to keep prompts in a cache; empty if none does."""
        return ""

    def launch_problems(self) -> tuple[str, ...]:
        """Why a server cannot be started here."""
        return (
            f"backend.launch: {self.NAME} names a protocol, not a server that could be started; fix: set launch: false",
        )

    def launch_command(self, port: int) -> tuple[str, ...]:
        """The command of a server on that port of this machine.

        Raises:
            BackendError: there is no such server, or the model's files cannot be found.
        """
        message, remedy = parted("; ".join(self.launch_problems()))
        raise BackendError(message, remedy=remedy)

    def launch_environment(self) -> Mapping[str, str]:
        """Environment variables of a launched server."""
        own = self.settings.chosen(LaunchOptions).environment
        return {**visible_gpus(self.settings.device_ids, self.settings.device), **own}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.__exit__(None, None, None)
        self._client = None
        if self._server is not None:
            self._server.stop()
        self._server = None

    def _launch(self) -> None:
        port = free_port()
        self._address = parse_address(f"http://127.0.0.1:{port}")
        self._server = ServerProcess(
            self.launch_command(port),
            f"http://127.0.0.1:{port}/health",
            self.settings.output_dir / "server.log",
            self.settings.chosen(LaunchOptions).startup_timeout_s,
            self.launch_environment(),
        )
        self._server.start(self.settings.progress)

    def _initialize_model(self) -> None:
        """Reach the server; start it first if that was asked for.

        Raises:
            BackendError: it does not start, does not answer, or does not have the model.
        """
        if self.settings.launch:
            self._launch()
        self._later = LaterCounts(self._asked(), self.settings.model)
        if self.options.tokenizer is not None:
            self.settings.progress.begin("load tokenizer")
            try:
                self._later.counter = counter = local_counter(self.options.tokenizer)
            finally:
                self.settings.progress.end()
            self.tokenizer = counter.tokenizer
        if self._caches.salt == "text":
            self._caches.count_line(self._later.counter or server_counter(self._asked(), self.settings.model))
        self._caches.requested = self.caching_requested()
        told = introduction(self._asked(), self.settings.model, self._key)
        engine = f"{self.ENGINE} {told.version}" if told.version else self.ENGINE
        options = self.options
        self._facts = EngineFacts(
            backend=self.NAME,
            engine=engine,
            model=self.settings.model,
            model_source=f"served at {self.address.authority}",
            context_tokens=told.context_tokens,
            device_ids=self.settings.device_ids if self.settings.launch else None,
            settings={
                "api": options.api,
                "endpoint": f"{self.address.authority}{hidden(self.address.path)}",
                "launched": shown_command(self._server.command) if self._server else None,
            },
        )
        self._client = HttpClient(
            self.address,
            connect_timeout_s=options.connect_timeout_s,
            verify_tls=options.verify_tls,
            headers=self._key.headers(),
        )

    def facts(self) -> EngineFacts:
        if self._facts is None:
            raise BackendError("the server has not been reached yet")
        settings = {**self._facts.settings, **self._caches.facts()}
        again = (f"{self._retried} requests were sent again after the server refused them",) if self._retried else ()
        later = self._later.notes if self._later is not None else ()
        notes = (*self.notes, _TRUNCATION, *self._caches.notes, *again, *later)
        return evolve(self._facts, generation=self._used.facts(), settings=settings, notes=notes)

    def compare(self, requests: Sequence[Request]) -> None:
        """Note what the prompts begin with in common (``backends.base.ComparesPrompts``)."""
        if self._later is not None:
            self._caches.compare(requests, partial(self._later.prompt_ids, chat=self.options.api == "chat"))

    def process_ids(self) -> tuple[int, ...]:
        return self.location().process_ids

    def location(self) -> Location:
        """Where the server runs (``backends.base.Located``), followed through proxies as far as that is possible."""
        if self._server is None:
            return locate(self.address)
        return of_tree(self._server.pid) if self._server.pid is not None else Location()

    def counters(self) -> ServerCounters | None:
        page = fetch_text(self._asked(), self.METRICS.path)
        return None if page is None else self.METRICS.read_counters(page)

    async def gauges(self) -> ServerGauges | None:
        """How the server stands (``backends.base.ShowsLoad``); on a connection that no request waits for."""
        if self._client is None:
            return None
        page = await self._client.text(self.METRICS.path)
        return None if page is None else self.METRICS.read_gauges(page)

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        if len(batch.requests) == 1:
            return (await self._one(batch.requests[0], batch),)
        return tuple(await asyncio.gather(*(self._one(request, batch) for request in batch.requests)))

    async def _one(self, request: Request, batch: Batch) -> Outcome:
        later = self._later
        if self._client is None or later is None:
            raise BackendError("the server has not been reached yet")
        request = self._caches.request(request, batch)
        counts = self.COUNTS_EVENTS and batch.usage_per_event
        document = request_body(self.settings.model, self.options, self.DIALECT, request, batch, counts_events=counts)
        self._used.see(used_parameters(document))
        body = json_body(document | self._caches.keys(batch))
        path = "/v1/chat/completions" if is_chat(self.options, request) else "/v1/completions"
        options, budget_tokens = self.options, batch.generation.max_new_tokens
        limits = limits_of(document, len(body), budget_tokens, options.stall_timeout_s, options.request_timeout_s)
        keep = later.keep or self.settings.keep_text
        sending = Sending(self._client, path, body, limits, options.retries, keep)
        sent_s = sending.sent_s
        try:
            response = await sending.response()
        except asyncio.CancelledError:  # the connection is closed already, so that the server gives it up
            self._cancelled.append(cancelled(request, body, sending.stream, sent_s=sent_s))
            raise
        except HttpError as error:
            return self._failed(request, cut_short(sending.stream, str(error)), sent_s)
        finally:
            self._retried += sending.retried
        stream = sending.stream
        if response.status >= 300:
            return self._failed(request, refusal(response, self.address, path), sent_s)
        summary = stream.summary()
        if (reason := bad_end(response, stream, summary)) is not None:
            return self._failed(request, cut_short(stream, reason), sent_s)
        answer = completion(request, body, stream, summary, sent_s=sent_s, budget_tokens=budget_tokens)
        if summary.usage is not None:
            answer = await later.compared(answer, stream)
            if self.settings.keep_text:
                self._texts[request.number] = stream
        elif not await later.take(request, stream):
            return self._failed(request, cut_short(stream, no_usage(summary)), sent_s)
        return answer

    def take_cancelled(self) -> tuple[Completion, ...]:
        """Requests that were cancelled since the last call (``backends.base.KeepsCancelled``)."""
        taken, self._cancelled = self._cancelled, []
        return tuple(taken)

    def recount(self, outcome: Completion) -> Outcome:
        """What the window had no time for (``backends.base.Recounts``)."""
        if outcome.token_source == "retokenised" and self._later is not None:
            return self._later.recount(outcome)
        stream = self._texts.pop(outcome.number, None)
        return outcome if stream is None else evolve(outcome, text=stream.text())

    def _asked(self) -> Server:
        options = self.options
        return Server(self.address, self._key.headers(), options.verify_tls, options.connect_timeout_s)

    def _failed(self, request: Request, reason: str, sent_s: float) -> FailedCompletion:
        return FailedCompletion(request.number, reason, sent_s, time.perf_counter())

    @property
    def _key(self) -> ApiKey:
        return ApiKey(self.options.api_key_env, self.address.credentials)
