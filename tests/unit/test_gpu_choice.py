"""The one rule by which every meter chooses the GPUs that count."""

from __future__ import annotations

import os

import pytest
from attrs import evolve

from ai_energy_benchmarks.config.aienergyscore import classes as parser
from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.engine import EngineFacts
from ai_energy_benchmarks.domain.gpu_choice import GpuChoice
from ai_energy_benchmarks.domain.power import Workload
from ai_energy_benchmarks.metrics.gpu_bindings import cuda_visible, hip_visible
from ai_energy_benchmarks.metrics.gpu_choice import Counted, Gpu, chosen_gpus, counted
from ai_energy_benchmarks.runner.gpus import fastest_first, named_gpus
from tests.factories import CPU, GPU, measurement, reading

OWN = os.getpid()


def gpus(*pids: int | None, unlike: bool = False) -> list[Gpu]:
    """One GPU for each process, which the driver lists on it; None lists none."""
    return [
        Gpu(f"gpu-{i}", f"kind {i if unlike else 0}", f"GPU-{i}", lambda pid=pid: frozenset({pid} - {None}))  # type: ignore[misc] # a default binds the value
        for i, pid in enumerate(pids)
    ]


def test_the_engines_own_report_comes_first() -> None:
    """Its UUIDs beat the config's indices and the driver's list."""
    found = counted(Workload((OWN,), ("GPU-2",), device_ids=(1,)), gpus(OWN, None, None))
    assert (found.ids, found.choice and found.choice.basis) == ({"gpu-2"}, "engine")


def test_the_config_comes_before_the_drivers_list() -> None:
    """``device_ids: [0]`` is GPU 0 alone, wherever else the engine's processes are; the list stays for a check."""
    found = counted(Workload((OWN,), device_ids=(0,)), gpus(None, OWN))
    assert found.choice is not None
    assert (found.ids, found.choice.basis, found.choice.engine_gpus) == ({"gpu-0"}, "device_ids", ("gpu-1",))


def test_the_drivers_list_comes_before_activity() -> None:
    """The GPUs that hold a process of the engine."""
    found = counted(Workload((OWN,)), gpus(None, OWN, OWN))
    assert (found.ids, found.choice and found.choice.basis) == ({"gpu-1", "gpu-2"}, "processes")


@pytest.mark.parametrize(
    ("workload", "pids", "why"),
    [
        (Workload(()), (None, None), "the engine's processes are not known"),
        (Workload(()), (7, 8), "the engine's processes are not known"),
        (Workload((OWN,)), (None, None), "the driver lists no processes"),
        (Workload((OWN,), unknown="the server runs in another container"), (None,), "no process"),
        (Workload((), unknown="the server runs in another container"), (None,), "the server runs in another container"),
    ],
)
def test_where_nothing_is_known_none_counts(workload: Workload, pids: tuple[int | None, ...], why: str) -> None:
    """Not all visible ones, as a sum over those would pass for the engine's; the reason and the fix are there."""
    found = counted(workload, gpus(*pids))
    assert found.ids == frozenset()
    assert found.choice is not None
    assert found.choice.basis == "unknown"
    assert found.choice.by_activity
    assert found.absent is not None
    assert why in found.absent
    assert "fix: name the engine's GPUs in backend.device_ids" in found.absent


def test_an_index_that_may_mean_another_gpu_names_none() -> None:
    """With CUDA's own order among unlike GPUs the driver's list decides."""
    workload = Workload((OWN,), device_ids=(0,), fastest_first=True)
    assert counted(workload, gpus(None, OWN, unlike=True)).ids == {"gpu-1"}
    assert counted(workload, gpus(None, OWN)).ids == {"gpu-0"}
    assert "may mean other GPUs" in (counted(workload, gpus(None, None, unlike=True)).absent or "")


def test_an_index_is_one_of_the_visible_gpus() -> None:
    """What the meter does not read, or is not there, leaves the figure absent."""
    visible = ("gpu-1", None)
    assert counted(Workload((), device_ids=(0,)), gpus(None, None), visible).ids == {"gpu-1"}
    for beyond in (1, 2):
        found = counted(Workload((), device_ids=(beyond,)), gpus(None, None), visible)
        assert found.ids == frozenset()
        assert f"names GPU {beyond}, but only 2 can be seen" in (found.absent or "")


def test_a_meter_without_uuids_takes_the_engines_indices() -> None:
    """As of AMD's GPUs, which torch and the meter name differently."""
    unnamed = [Gpu("zeus-gpu-0"), Gpu("zeus-gpu-1")]
    assert counted(Workload((OWN,), ("GPU-of-torch",), device_ids=(1,)), unnamed).ids == {"zeus-gpu-1"}


@pytest.mark.parametrize(("board_ids", "ids"), [((), frozenset()), (("GPU-0", "GPU-1"), {"all"}), (("GPU-0",), set())])
def test_a_figure_of_all_gpus_counts_only_if_all_are_the_engines(
    board_ids: tuple[str, ...], ids: frozenset[str]
) -> None:
    """None is, both are, or one of two: then no figure is the engine's energy, and activity cannot show it either."""
    found = counted(Workload((OWN,), board_ids), [Gpu("all", parts=2)])
    assert found.ids == ids
    if len(board_ids) == 1:
        assert found.choice is not None
        assert not found.choice.by_activity
        assert "one figure for all 2 GPUs" in (found.absent or "")


def test_an_engine_elsewhere_counts_nothing() -> None:
    """Whatever else is known of it."""
    found = counted(Workload((OWN,), ("GPU-0",), elsewhere="it runs on another machine"), gpus(OWN))
    assert (found.ids, found.absent) == (frozenset(), "it runs on another machine")


def test_a_sum_without_one_of_the_workload_s_gpus_is_no_figure() -> None:
    """No GPU counts, processors still do, and the reason names the GPUs that were not read."""
    read = measurement(reading(evolve(GPU, id="gpu-0")), reading(CPU), absent={"dram": "no RAPL"})
    both = Counted(frozenset({"gpu-0", "gpu-2", "gpu-1"}), GpuChoice("device_ids"))
    found = chosen_gpus(read, both)
    assert [(each.device.component, each.counted) for each in found.readings] == [("gpu", False), ("cpu", True)]
    assert found.absent == {"dram": "no RAPL", "gpu": "no figure for gpu-1, gpu-2, which the workload uses"}
    assert found.gpu_choice == GpuChoice("device_ids")
    whole = chosen_gpus(read, evolve(both, ids=frozenset({"gpu-0"})))
    assert (whole.readings, whole.absent) == (read.readings, read.absent)


def test_a_meter_that_was_not_told_which_gpus_count_must_have_read_all() -> None:
    """Those that it reads at all; and where the rule gave a reason, it stays."""
    read = measurement(reading(evolve(GPU, id="gpu-0")))
    assert chosen_gpus(read, Counted(None), ("gpu-0",)).absent == {}
    assert "gpu-1" in chosen_gpus(read, Counted(None), ("gpu-0", "gpu-1")).absent["gpu"]
    assert chosen_gpus(read, Counted(frozenset(), absent="elsewhere"), ("gpu-1",)).absent == {"gpu": "elsewhere"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ("a", "b", "c", "d")),
        ({"HIP_VISIBLE_DEVICES": "2,0"}, ("c", "a")),
        ({"CUDA_VISIBLE_DEVICES": "3"}, ("d",)),
        ({"HIP_VISIBLE_DEVICES": "1", "CUDA_VISIBLE_DEVICES": "3"}, ("b",)),
        ({"ROCR_VISIBLE_DEVICES": "2,3"}, ("c", "d")),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}, ("d",)),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "4"}, (None,)),
        ({"ROCR_VISIBLE_DEVICES": "GPU-12ab"}, ()),
    ],
)
def test_an_index_of_hip_passes_through_the_variables_that_hide_gpus(
    environment: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    """``ROCR_VISIBLE_DEVICES`` first, then HIP's or CUDA's variable counts among what is left."""
    assert hip_visible({i: Gpu(name) for i, name in enumerate("abcd")}, environment) == expected


def test_an_index_of_cuda_may_be_a_uuid() -> None:
    """And a GPU that the meter does not read keeps its place."""
    known = {0: Gpu("a", uuid="GPU-aa"), 2: Gpu("c", uuid="GPU-cc")}
    assert cuda_visible(known, {"CUDA_VISIBLE_DEVICES": "GPU-cc,1,0"}) == ("c", None, "a")


def launched(**environment: str) -> BenchmarkConfig:
    options = {"python": "/opt/python", "environment": environment}
    return config_from_mapping({"backend": {"type": "vllm", "model": "m", "launch": True, "options": options}})


def test_a_launched_server_that_chooses_its_gpus_itself_is_given_none() -> None:
    """A variable in ``options.environment`` is laid over that of ``device_ids``, so the index says nothing any more."""
    engine = EngineFacts("vllm", "vLLM", "m", device_ids=(0,))
    assert named_gpus(launched(), engine) == (0,)
    assert named_gpus(launched(CUDA_VISIBLE_DEVICES="3"), engine) is None


def test_an_order_of_the_users_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a launched server before that of this process; the default is the order of the bus."""
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert not fastest_first(launched())
    assert fastest_first(launched(CUDA_DEVICE_ORDER="FASTEST_FIRST"))
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    assert fastest_first(launched())
    assert not fastest_first(launched(CUDA_DEVICE_ORDER="PCI_BUS_ID"))


@pytest.mark.parametrize(
    ("given", "backend", "expected"), [([0], "vllm", None), ([1], "vllm", (1,)), ([0], "pytorch", (0,))]
)
def test_the_contracts_default_names_no_gpu_of_a_server(
    given: list[int], backend: str, expected: tuple[int, ...] | None
) -> None:
    """``[0]`` is what ``config.parser`` has where nothing was set; in process it is GPU 0 all the same."""
    facade = parser.BenchmarkConfig(backend=parser.BackendConfig(type=backend, device_ids=given))
    assert parser.resolve(facade).backend.device_ids == expected


def test_the_strict_config_names_no_gpu_by_default() -> None:
    """What YAML, the command line and the library give an engine then is GPU 0."""
    assert launched().backend.device_ids is None
