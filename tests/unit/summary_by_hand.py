"""A summary in which every figure is another number, and a result with it, for tests of what is written."""

from __future__ import annotations

from attrs import evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import WorkloadShare
from ai_energy_benchmarks.domain.statistics import Distribution, Estimate
from ai_energy_benchmarks.domain.summary import (
    ComponentEnergy,
    PerUnit,
    Summary,
)
from tests.factories import result as result_of

GPU_ENERGY = ComponentEnergy(
    "gpu",
    "measured",
    "nvml",
    Bounds(900.0, 1000.0, 1200.0),
    resolved=True,
    per_output_token_j=Estimate(5.0, 3, 0.25, 0.5, 0.75),
    per_output_token_bounds_j=Bounds(4.5, 5.0, 6.0),
    idle_power_w=50.0,
    idle_half_difference_w=1.5,
    net_energy_j=500.0,
    peak_power_w=300.0,
    gain_limit=0.05,
    gain_source="a paper",
    workload_share=WorkloadShare("gpu", Bounds(0.2, 0.25, 0.3)),
    guessed=False,
    per_amount_j={"image": PerUnit(Estimate(125.0, 3, 2.0, 3.0, 4.0), Bounds(112.5, 125.0, 150.0))},
)
CPU_ENERGY = ComponentEnergy(
    "cpu",
    "modelled",
    "cpu_power",
    Bounds(80.0, 100.0, 500.0),
    resolved=False,
    per_output_token_j=Estimate(0.5, 2, 0.125, 0.2),
    per_output_token_bounds_j=Bounds(0.4, 0.5, 2.5),
    workload_share=WorkloadShare("cpu", Bounds(0.6, 0.75, 0.9)),
    guessed=True,
    per_amount_j={"image": PerUnit(Estimate(12.5, 2, 0.5, 1.0), Bounds(10.0, 12.5, 62.5))},
)
SUMMARY = Summary(
    trials=3,
    requests=50.0,
    succeeded=40.0,
    failed=10.0,
    duration_s=10.0,
    prompt_tokens=800.0,
    output_tokens=200.0,
    output_tokens_per_s=20.0,
    components=(GPU_ENERGY, CPU_ENERGY),
    total=evolve(GPU_ENERGY, component="total", workload_share=None, per_amount_j={}),
    total_excludes={"cpu": "it is modelled"},
    absent={"dram": "no RAPL"},
    reasoning_tokens=50.0,
    whole_output_tokens=250.0,
    whole_prompt_tokens=750.0,
    whole_computed_prompt_tokens=500.0,
    amounts={"image": 8.0},
    ttft_s=Distribution(7, 0.001, 0.002, 0.003, 0.004, 0.005),
    e2e_s=Distribution(9, 0.5, 0.25, 1.0, 2.0, 4.0),
    tokens_per_event=1.25,
    latency_notes={"itl": "events hold several tokens"},
    pass_ttft_s=0.125,
    pass_e2e_s=2.5,
)
RESULT = evolve(result_of(), summary=SUMMARY)
