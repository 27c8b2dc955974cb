"""The whole answer of the rule that chooses the GPUs that count, for each of its ways, and what follows from it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.machine.namespaces import counts_as_host
from ai_energy_benchmarks.metrics.gpu_choice import FIX, Counted, Gpu, chosen_gpus, counted
from tests.factories import CPU, measurement, reading

OWN = os.getpid()
# Above the kernel's limit of process ids (PID_MAX_LIMIT, 2²²).
NO_PROCESS = 5_000_000
A, B = Gpu("a", "kind", "GPU-a"), Gpu("b", "kind", "GPU-b")
C = Gpu("c", "other kind", "GPU-c")
PLAIN = [Gpu("p"), Gpu("q")]
NONE_KNOWN = "the engine's processes are not known"
MAY_MEAN = "backend.device_ids may mean other GPUs to the engine than to the meter; "


def busy(gpu: Gpu, *pids: int) -> Gpu:
    """A GPU on which the driver lists these processes."""
    return Gpu(gpu.id, gpu.label, gpu.uuid, lambda: frozenset(pids), gpu.parts)


def unknown(why: str, *pids: int) -> Counted:
    """The answer where nothing is known, and activity may show it."""
    absent = f"which GPUs the engine uses is not known: {why}; {FIX}"
    return Counted(frozenset(), GpuChoice("unknown", (), why, by_activity=True), absent, pids)


def known(basis: str, *ids: str, lists: Sequence[str] = (), pids: Sequence[int] = ()) -> Counted:
    """The answer where it is known."""
    return Counted(frozenset(ids), GpuChoice(basis, tuple(lists)), None, tuple(pids))  # type: ignore[arg-type] # short


@pytest.mark.parametrize(
    ("workload", "gpus", "expected"),
    [
        (Workload((OWN,), ("GPU-a",), elsewhere="far"), [A], Counted(frozenset(), None, "far", ())),
        (Workload((OWN,), ("GPU-b",)), [busy(A, OWN), B], known("engine", "b", lists="a", pids=[OWN])),
        (Workload((), ("GPU-b", "GPU-a")), [A, B, C], known("engine", "a", "b")),
        (Workload((), ("GPU-b", "GPU-x")), [A, B], known("engine", "b", "GPU-x")),
        (Workload((), ("GPU-a",)), [A, PLAIN[0]], known("engine", "a")),
        (Workload((), ()), [A, B], known("engine")),
        (Workload((), ()), PLAIN, known("engine")),
        (Workload((), ("GPU-a",)), PLAIN, unknown(NONE_KNOWN)),
        (Workload((), ("GPU-a",), device_ids=(1,)), PLAIN, known("device_ids", "q")),
        (Workload((), device_ids=(1, 0)), [A, B, C], known("device_ids", "a", "b")),
        (Workload((OWN,), device_ids=(1,)), [busy(A, OWN), B], known("device_ids", "b", lists="a", pids=[OWN])),
        (Workload((), device_ids=(1,), fastest_first=True), [A, B], known("device_ids", "b")),
        (Workload((), device_ids=(1,), fastest_first=True), [A, C], unknown(MAY_MEAN + NONE_KNOWN)),
        (Workload((), device_ids=(1,)), [A, C], known("device_ids", "c")),
        (Workload((), device_ids=(0,)), [], unknown(MAY_MEAN + NONE_KNOWN)),
        (Workload(()), [], unknown(NONE_KNOWN)),
        (Workload((OWN,)), [], unknown("the driver lists no processes", OWN)),
        (Workload((OWN,)), [busy(A, OWN), B], known("processes", "a", lists="a", pids=[OWN])),
        (Workload((OWN,)), [busy(A, OWN), busy(B, NO_PROCESS)], known("processes", "a", lists="a", pids=[OWN])),
        (Workload((OWN,)), [A, busy(B)], unknown("the driver lists no processes", OWN)),
        (Workload((OWN,), unknown="hidden"), [A], unknown("the driver lists no processes", OWN)),
        (Workload((), unknown="hidden"), [busy(A, OWN)], unknown("hidden")),
        (Workload((), unknown="hidden", device_ids=(0,), fastest_first=True), [A, C], unknown(MAY_MEAN + "hidden")),
        (Workload((OWN,)), [busy(A, os.getppid())], unknown("the driver lists no process of the engine", OWN)),
        (Workload((OWN,), fastest_first=True), [busy(A, OWN), C], known("processes", "a", lists="a", pids=[OWN])),
    ],
)
def test_the_answer_of_the_rule(workload: Workload, gpus: Sequence[Gpu], expected: Counted) -> None:
    """Ids, basis, what the driver lists, the reason and the processes, whichever way it is known or not."""
    assert counted(workload, gpus) == expected


def test_processes_that_cannot_be_matched_are_called_so() -> None:
    """A number that no process here has, unless the numbers are the host's, of which this one is simply none."""
    why = "the processes that the driver lists cannot be matched with the engine's"
    here = "the driver lists no process of the engine" if counts_as_host() else why
    assert counted(Workload((OWN,)), [A, busy(B, NO_PROCESS)]) == unknown(here, OWN)
    one_of_two = counted(Workload((OWN,)), [busy(A, os.getppid()), busy(B, NO_PROCESS)])
    assert one_of_two == unknown("the driver lists no process of the engine", OWN)


@pytest.mark.parametrize(
    ("indices", "visible", "missing"),
    [
        ((2,), ("a", "b"), (2, 2)),
        ((0, 5, 1), ("a", None), (5, 2)),
        ((0, 1, 5), ("a", None), (1, 2)),
        ((1,), ("a",), (1, 1)),
    ],
)
def test_an_index_beyond_the_visible_gpus_is_named(
    indices: tuple[int, ...], visible: tuple[str | None, ...], missing: tuple[int, int]
) -> None:
    """The first one that is not there, of so many; then none counts, though it is known how they were named."""
    index, number = missing
    absent = f"backend.device_ids names GPU {index}, but only {number} can be seen, counted from 0"
    found = counted(Workload((OWN,), device_ids=indices), [busy(A, OWN), B], visible)
    assert found == Counted(frozenset(), GpuChoice("device_ids", ("a",)), absent, (OWN,))


def test_a_gpu_is_one_gpu_unless_more_is_said() -> None:
    """Its id alone is known of it then, and the driver lists no processes."""
    gpu = Gpu("a")
    assert (gpu.id, gpu.label, gpu.uuid, gpu.process_ids(), gpu.parts) == ("a", "", None, None, 1)


def test_visible_gpus_may_be_in_another_order() -> None:
    """Index 0 is what this process sees first; an engine that sees none at all is asked for its processes."""
    assert counted(Workload((), device_ids=(0,)), [A, B], ("b", "a")) == known("device_ids", "b")
    assert counted(Workload((OWN,), device_ids=(0,)), [busy(A, OWN)], ()) == known(
        "processes", "a", lists="a", pids=[OWN]
    )


@pytest.mark.parametrize(
    ("board_ids", "device_ids", "basis"),
    [
        (("x", "y"), None, "engine"),
        (("x", "y"), (0,), "engine"),
        (("x",), (0, 1), None),
        (None, (0, 1), "device_ids"),
        (None, (1, 1), None),
        (None, (0, 1, 2), None),
        (None, None, None),
    ],
)
def test_one_figure_of_two_gpus_counts_where_both_are_the_engine_s(
    board_ids: tuple[str, ...] | None, device_ids: tuple[int, ...] | None, basis: str | None
) -> None:
    """By the engine's report, else by as many different indices; activity cannot show it, and the fix is a meter."""
    found = counted(Workload((OWN,), board_ids, device_ids=device_ids), [Gpu("all", parts=2)])
    if basis is not None:
        assert found == known(basis, "all", pids=[OWN])
        return
    why = "the meter has one figure for all 2 GPUs, and not all are known to be the engine's"
    fix = "fix: use a meter that reads each GPU, such as nvml"
    assert found == Counted(frozenset(), GpuChoice("unknown", why=why), f"{why}; {fix}", (OWN,))


@pytest.mark.parametrize(
    ("counts", "open_", "ids", "has_a"),
    [
        (Counted(), False, None, True),
        (known("engine", "a"), False, {"a"}, True),
        (known("engine", "b"), False, {"b"}, False),
        (unknown("why"), True, None, False),
        (Counted(frozenset(), absent="far"), False, set(), False),
    ],
)
def test_what_is_known_of_the_gpus(counts: Counted, open_: bool, ids: set[str] | None, has_a: bool) -> None:
    """Until a meter was told all count; where nothing is known none does yet, and it may be asked again."""
    assert (counts.open, counts.known, counts.has("a")) == (open_, ids, has_a)


def test_readings_of_other_components_keep_whether_they_count() -> None:
    """Where a GPU of the workload is missing, a processor that does not count still does not."""
    read = measurement(reading(CPU, counted=False), reading(CPU))
    found = chosen_gpus(read, known("engine", "a"))
    assert [part.counted for part in found.readings] == [False, True]
    assert found.absent == {"gpu": "no figure for a, which the workload uses"}
    assert chosen_gpus(read, known("engine"), ("a",)).absent == {}
    assert chosen_gpus(read, Counted()).absent == {}
