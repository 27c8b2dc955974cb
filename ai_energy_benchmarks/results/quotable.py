"""Single figures of a report document as they may be quoted, or why they are withheld."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from attrs import frozen

from ai_energy_benchmarks.domain.digits import between
from ai_energy_benchmarks.results.no_score import number, token_doubt_of
from ai_energy_benchmarks.results.units import J_PER_WH

Document = Mapping[str, object]
LATENCIES, STATISTICS = ("ttft", "tpot", "itl", "e2e"), ("mean", "p50", "p95", "p99")
Kind = Literal["energy", "throughput", "latency"]


@frozen
class Quoted:
    """A figure of one run.

    Attributes:
        value: in the unit of the figure.
        low, high: the meter's bounds, the value itself where there are none; of no meaning without ``has_bounds``.
        trial_deviation: relative standard deviation over the run's trials; None where it is not known.
        trials: how many trials that is over.
    """

    value: float
    low: float
    high: float
    trial_deviation: float | None = None
    trials: int = 0


@frozen
class Figure:
    """A figure that runs can be compared by.

    Attributes:
        read: takes it from a document, for a component.
        tokens: whether token counts are in it, so that it is withheld where they are in doubt.
    """

    name: str
    unit: str
    kind: Kind
    read: Callable[[Document, str], Quoted | str]
    tokens: bool = False

    @property
    def higher_is_better(self) -> bool:
        """Of a throughput; of energy and latency the lower."""
        return self.kind == "throughput"


def quoted(document: Document, figure: Figure, component: str) -> Quoted | str:
    """The figure of a completed run, or why it has none."""
    ending = document.get("ending", "completed")
    if ending != "completed":
        return f"the run was {ending}"
    if figure.tokens and (doubt := token_doubt_of(document)) is not None:
        return f"token counts are in doubt: {doubt}"
    return figure.read(document, component)


def block(document: Document, *names: str) -> Document:
    """A mapping inside a document; empty where there is none."""
    for name in names:
        inner = document.get(name)
        # Asking for the abstract class alone takes a tenth of the time in which thousands of results are loaded.
        document = inner if type(inner) is dict or isinstance(inner, Mapping) else {}
    return document


def is_guess(document: Document, component: str) -> bool:
    """Whether the figures of a component are good to an order of magnitude only."""
    return block(document, "components", component).get("order_of_magnitude") is True


def has_bounds(document: Document, component: str) -> bool:
    """Whether low and high are bounds of a meter; those of a model hold nothing of its error."""
    return block(document, "components", component).get("source") != "modelled"


def leading(document: Document, component: str) -> Document | str:
    """Figures of the steady state under concurrency, else of the whole pass; or why there are none."""
    derived = block(document, "derived", component)
    if not derived:
        absent = block(document, "absent").get(component)
        return f"no meter saw the {component.upper()}{f': {absent}' if absent else ''}"
    if "steady" not in derived:
        return derived
    if isinstance(steady := derived["steady"], Mapping):
        return steady
    state = block(document, "steady_state")
    why = state.get("absent") or block(state, "components_absent").get(component) or "it has no figure"
    return f"there is no steady state: {why}"


def level(document: Document, component: str) -> str:
    """The verdict on a component; that of the run in older documents."""
    verdict = block(document, "verdict")
    return str(block(verdict, "components").get(component) or verdict.get("level") or "unknown")


def checks(document: Document, level: str, component: str = "total") -> Iterator[str]:
    """The names of the checks that came to a level; of one component, those about it or about all."""
    findings = block(document, "verdict").get("findings")
    for finding in findings if isinstance(findings, list) else ():
        about = finding.get("component")
        if finding.get("level") == level and (component == "total" or about in (None, "", "total", component)):
            yield str(finding.get("check"))


def emitted_tokens(document: Document) -> float | None:
    """Mean output tokens of a request that succeeded."""
    summary = block(document, "summary")
    tokens, requests = number(summary.get("total_completion_tokens")), number(summary.get("successful_prompts"))
    return tokens / requests if tokens and requests else None


def counted_devices(documents: Iterable[Document], component: str) -> frozenset[tuple[str, str]]:
    """Devices whose energy counts, with the machine's processor: the id of a processor is the same on many machines."""
    found = set()
    for document in documents:
        devices = block(document, "metrics_metadata").get("devices")
        processor = str(block(document, "environment").get("cpu_model"))
        for device in devices if isinstance(devices, list) else ():
            if device.get("counted") and component in ("total", device.get("component")):
                found.add((str(device.get("id")), "" if device.get("component") == "gpu" else processor))
    return frozenset(found)


def _bounded(name: str, factor: float = 1.0) -> Callable[[Document, str], Quoted | str]:
    def read(document: Document, component: str) -> Quoted | str:
        derived = leading(document, component)
        if isinstance(derived, str):
            return derived
        figures = block(derived, name)
        value, low, high = (number(figures.get(end)) for end in ("value", "low", "high"))
        if value is None or value <= 0:
            if low is None or high is None:
                return "the figure is withheld"
            return f"not resolved: within {between(low, high)}"
        deviation, count = number(figures.get("standard_deviation")), int(number(figures.get("n")) or 0)
        relative = None if deviation is None else deviation / value
        ends = (value if low is None else low) * factor, (value if high is None else high) * factor
        return Quoted(value * factor, *ends, relative, count)

    return read


def _pass_energy(document: Document, component: str) -> Quoted | str:
    figures = block(document, "components", component)
    value, low, high = (number(figures.get(f"energy{end}_j")) for end in ("", "_low", "_high"))
    if not figures:
        return str(leading(document, component))
    if value is None or low is None or high is None or value <= 0:
        return "the energy of a pass is not resolved"
    return Quoted(value, low, high)


def _throughput(document: Document, component: str) -> Quoted | str:
    derived = leading(document, component)
    steady = None if isinstance(derived, str) else number(derived.get("output_tokens_per_s"))
    if steady is None:
        steady = number(block(document, "steady_state").get("output_tokens_per_s"))
    value = steady if steady is not None else number(block(document, "summary").get("throughput_tokens_per_second"))
    return Quoted(value, value, value) if value else "no throughput is known"


def _latency(name: str, statistic: str) -> Callable[[Document, str], Quoted | str]:
    def read(document: Document, _: str) -> Quoted | str:
        value = number(block(document, "latency_ms", name).get(statistic))
        return Quoted(value, value, value) if value else f"{name.upper()} is not known"

    return read


def latency_figure(name: str, statistic: str) -> str:
    """What a latency is called as a figure: ``ttft_ms`` for its mean, ``ttft_p95_ms``."""
    return f"{name}_ms" if statistic == "mean" else f"{name}_{statistic}_ms"


def _latencies() -> list[Figure]:
    return [
        Figure(
            latency_figure(name, statistic),
            f"ms {name.upper()} ({statistic})",
            "latency",
            _latency(name, statistic),
        )
        for name in LATENCIES
        for statistic in STATISTICS
    ]


J_PER_OUTPUT_TOKEN = Figure("j_per_output_token", "J/output token", "energy", _bounded("j_per_output_token"), True)
J_PER_REQUEST = Figure("j_per_request", "J/request", "energy", _bounded("wh_per_request", J_PER_WH), True)
OUTPUT_TOKENS_PER_S = Figure("output_tokens_per_s", "output tokens/s", "throughput", _throughput, True)
FIGURES = {
    figure.name: figure
    for figure in (
        J_PER_OUTPUT_TOKEN,
        J_PER_REQUEST,
        Figure("wh_per_1000_queries", "Wh/1,000 queries", "energy", _bounded("wh_per_1000_queries"), True),
        Figure("energy_j", "J/pass", "energy", _pass_energy),
        Figure("average_power_w", "W", "energy", _bounded("average_power_w")),
        OUTPUT_TOKENS_PER_S,
        *_latencies(),
    )
}
