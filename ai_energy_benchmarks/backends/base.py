"""The contract of every engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Protocol, TypeVar, runtime_checkable

from attrs import field, frozen

from ai_energy_benchmarks.domain.address import shown_address
from ai_energy_benchmarks.domain.completions import Completion, Outcome
from ai_energy_benchmarks.domain.engine import EngineFacts, Location
from ai_energy_benchmarks.domain.progress import Progress, Silent
from ai_energy_benchmarks.domain.prompts import Batch, Generation, Request, Tokenizer
from ai_energy_benchmarks.domain.serving import ServerCounters, ServerGauges

# How a server's prefix cache is kept from serving the prompts of one trial to the next.
Salt = Literal["auto", "key", "text", "none"]
_Options = TypeVar("_Options")


@frozen
class BackendSettings:
    """What every backend is built from; each backend may refuse what it cannot honour.

    Attributes:
        device: ``auto``, ``cpu`` or ``cuda``.
        endpoint: address of a server; None for an engine in process.
        task: what the model does; ``text-generation``.
        model: hub id, directory or file.
        device_ids: GPUs to use; GPU 0 where the config names none.
        options: the engine's own frozen options class, already structured.
        launch: start a server for this run.
        output_dir: where the log of a launched server goes.
        salt: how prompts are kept apart from what a server's cache holds, as ``load.salt`` says.
        keep_text: whether the text of answers is wanted, which servers' clients otherwise never decode.
        progress: told of downloads, conversion and loading.
    """

    model: str
    device: str
    device_ids: tuple[int, ...]
    endpoint: str | None = field(repr=shown_address)
    task: str
    options: object
    launch: bool = False
    output_dir: Path = Path()
    salt: Salt = "auto"
    keep_text: bool = False
    progress: Progress = field(factory=Silent)

    def chosen(self, kind: type[_Options]) -> _Options:
        """The options as this class; its defaults where a library user gave none.

        Args:
            kind: the options class of the backend.
        """
        return self.options if isinstance(self.options, kind) else kind()


@frozen
class Demand:
    """What a backend will be asked to do, for it to say what it cannot.

    Attributes:
        generation: how tokens are chosen.
        batch_size: requests generated together.
        concurrency: batches in flight at once.
        sample: a request in the form that all will have; None if that is not known yet.
    """

    generation: Generation
    batch_size: int = 1
    concurrency: int = 1
    sample: Request | None = None


@runtime_checkable
class Backend(Protocol):
    """An engine that generates text.

    Constructing one does nothing. ``with backend:`` loads the model or reaches the server and raises
    ``BackendError`` if it cannot; leaving releases everything, also after an error.
    """

    Options: ClassVar[type]
    needs_endpoint: ClassVar[bool]  # whether it talks to a server, so that backend.endpoint is required
    tokenizer: Tokenizer | None

    @classmethod
    def from_settings(cls, settings: BackendSettings) -> Backend:
        """A backend of these settings; nothing is opened or loaded yet."""
        ...

    def problems(self, demand: Demand) -> tuple[str, ...]:
        """What stands in the way before anything is loaded: missing packages, devices, settings not honoured."""
        ...

    def __enter__(self) -> Backend: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def facts(self) -> EngineFacts:
        """What is really in use; only while entered."""
        ...

    def process_ids(self) -> tuple[int, ...]:
        """Processes whose GPUs and CPU time count; empty if unknown, as for a remote server."""
        ...

    def counters(self) -> ServerCounters | None:
        """The server's own counters as they stand; None for an engine in process. Called outside windows."""
        ...

    async def generate(self, batch: Batch) -> tuple[Outcome, ...]:
        """Generate a batch, one outcome per request in the same order.

        Returns only when the device has finished the work, so that the caller's next clock reading
        lies after it. What fails is returned as ``FailedCompletion``, never raised; when the
        surrounding task is cancelled, generation stops at the next token.
        """
        ...


@runtime_checkable
class LooksForModel(Protocol):
    """A backend that can say whether its model can be had at all, before the machine's idle power is measured."""

    def look_for_model(self) -> None:
        """Ask once, and download nothing. Raises ``BackendError`` as entering would."""
        ...


@runtime_checkable
class StaysLoaded(Protocol):
    """A backend that several runs of one process can use one after the other without loading again.

    Attributes:
        stays_loaded: leaving does nothing while it is set, and entering again only forgets what an earlier run used;
            whoever sets it clears it and leaves the backend at the end.
    """

    stays_loaded: bool


@runtime_checkable
class Recounts(Protocol):
    """A backend that has not decoded an answer when it ends; the runner asks again, outside of every window."""

    def recount(self, outcome: Completion) -> Outcome:
        """The completion with its text, if that is to be kept, and its tokens, if ``token_source`` is ``retokenised``.

        A failure if they cannot be counted.
        """
        ...


@runtime_checkable
class KeepsCancelled(Protocol):
    """A backend that remembers what a request had brought when it was cancelled."""

    def take_cancelled(self) -> tuple[Completion, ...]:
        """Those cancelled since the last call, with ``finish_reason`` ``cancelled``; called outside of windows."""
        ...


@runtime_checkable
class ShowsLoad(Protocol):
    """A backend that can tell how its server stands, also while requests are in flight."""

    async def gauges(self) -> ServerGauges | None:
        """One reading; None where the server does not report it. Called within windows, seconds apart."""
        ...


@runtime_checkable
class Located(Protocol):
    """A backend whose engine is another process, which may be elsewhere or hidden behind a proxy."""

    def location(self) -> Location:
        """Where the engine runs; only while entered."""
        ...


@runtime_checkable
class ComparesPrompts(Protocol):
    """A backend that can say how many tokens its prompts have in common at their beginning."""

    def compare(self, requests: Sequence[Request]) -> None:
        """Render some prompts of a pass and note the tokens that all begin with, for ``facts``. Outside of windows."""
        ...


@runtime_checkable
class Renders(Protocol):
    """A backend that can show a prompt as its template renders it, although the template is elsewhere."""

    def rendered(self, request: Request) -> str | None:
        """Something that differs exactly if the rendered prompts do; None if unavailable. Outside of windows."""
        ...
