"""Keeping the load up: the fillers of a pass, and the steady window that they make possible."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from itertools import chain, count

from attrs import evolve

from ai_energy_benchmarks.analysis.steady import steady_span
from ai_energy_benchmarks.domain.completions import Outcome
from ai_energy_benchmarks.domain.power import Measurement
from ai_energy_benchmarks.domain.prompts import Batch
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.metrics.base import MetricsCollector, keep_readings
from ai_energy_benchmarks.results.reanalysis.cutting import by_name, cut_measurement
from ai_energy_benchmarks.results.reanalysis.slicing import possible_edges, sliced
from ai_energy_benchmarks.runner.watching import TrialWatch

SALT_BYTES = 8


def fillers(batches: Sequence[Batch], requests: int) -> Iterator[Batch]:
    """The batches of a pass in their order, again and again, each with a salt and with request numbers of its own.

    Args:
        requests: how many the pass has; the numbers of the fillers' requests begin there.
    """
    number = requests
    for position in count():
        batch = batches[position % len(batches)]
        renumbered = tuple(evolve(request, number=number + offset) for offset, request in enumerate(batch.requests))
        number += len(renumbered)
        yield evolve(batch, requests=renumbered, salt=secrets.token_hex(SALT_BYTES), usage_per_event=True)


def steady_window(
    outcomes: Sequence[Outcome],
    concurrency: int,
    measurement: Measurement | None,
    collector: MetricsCollector,
    watch: TrialWatch,
) -> SteadyWindow | str:
    """The steady part of a pass that has ended, with its energy cut from the raw series.

    Args:
        outcomes: those of the pass itself.
        measurement: what the meters saw of the whole window.
        collector: has their raw series, up to the end of the window at least; it keeps those around the edges.

    Returns:
        Why there is none, if there is none.
    """
    span = steady_span(outcomes, concurrency)
    if isinstance(span, str):
        return span
    window = SteadyWindow(*span, concurrency, server_load=watch.server_load_within(*span))
    if measurement is None:
        return window
    edges_s = chain.from_iterable(possible_edges(window.start_s, window.stop_s))
    keep_readings(collector, sorted({window.start_s, window.middle_s, window.stop_s, *edges_s}))
    series = by_name(collector.samples())

    def part(start_s: float, stop_s: float) -> Measurement:
        return cut_measurement(measurement, start_s, stop_s, series)

    measured = part(window.start_s, window.stop_s)
    return evolve(
        window,
        measurement=measured,
        slices=sliced(measured, series),
        first_half=part(window.start_s, window.middle_s),
        second_half=part(window.middle_s, window.stop_s),
    )
