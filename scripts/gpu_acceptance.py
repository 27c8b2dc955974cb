"""What the boards of this machine tell of their energy, and how well the package reads them.

    scripts/gpu_acceptance.sh [--quick] [--layers 16] [--hidden 2048] [--json FILE] [--trace FILE.parquet]

A Llama of random weights generates text of a fixed length; nothing is downloaded. Reported are, for each field of the
first visible board, its tick, jitter, delay and the cost of a call; the loop's slowdown by the collector, on and off in
turn; the scatter of 10 s windows; short windows against long ones; and, where Zeus or CodeCarbon is installed, their
figures against ours, of the same windows: a machine that is slow now and then must not look like a disagreement.
``--trace`` keeps every reading of a stretch of work. Without CUDA the model runs on the
processor, which tries the script and says nothing about the board.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeVar

from attrs import asdict, evolve, frozen
from gpu_fields import Burst, Watch, describe
from gpu_rivals import Work, for_seconds, rivals

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.power import Mark
from ai_energy_benchmarks.environment.snapshot import take_snapshot
from ai_energy_benchmarks.machine.nvml import Nvml, open_nvml
from ai_energy_benchmarks.metrics.nvml.collector import NvmlCollector
from ai_energy_benchmarks.metrics.nvml.library import NvmlBoard

sys.path.insert(0, str(Path(__file__).parent / "perf"))
from ratios import ratio_row


@frozen
class Plan:
    """How long everything takes."""

    bursts: int
    burst_s: float
    pairs: int
    long_windows: int
    long_s: float
    short_windows: int
    short_s: float


Number = TypeVar("Number", int, float)
FULL = Plan(20, 2.0, 20, 10, 10.0, 30, 1.0)
QUICK = Plan(3, 1.0, 5, 3, 3.0, 5, 0.5)


def make_work(layers: int, hidden: int) -> tuple[Work, str]:
    """One generation of fixed length, synchronised at its end; and where it runs."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        layers, hidden = 2, 128
    config = LlamaConfig(
        vocab_size=32000,
        hidden_size=hidden,
        intermediate_size=int(2.75 * hidden),
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 256),
        eos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(1)
    model = LlamaForCausalLM(config).to(torch.bfloat16 if device != "cpu" else torch.float32).to(device).eval()
    ids = torch.randint(1, 32000, (8, 64), device=device)

    def work() -> None:
        with torch.inference_mode():
            model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=16, max_new_tokens=16
            )
        if device != "cpu":
            torch.cuda.synchronize()

    return work, device


def fields(nvml: Nvml, handle: Any, work: Work, plan: Plan) -> dict[str, Any]:
    """Each field of the board that can be read, watched over bursts of work."""
    board = NvmlBoard(nvml, handle)
    readers: dict[str, Callable[[], float]] = {
        "total energy": board.energy_j,
        "instant power (field 186)": board.instant_power_w,
        "power usage": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
    }
    found: dict[str, Any] = {}
    for name, read in readers.items():
        try:
            read()
        except nvml.NVMLError as error:
            found[name] = {"absent": str(error)}
            continue
        bursts = []
        with Watch(read) as watch:
            for _ in range(plan.bursts):
                time.sleep(1.0)
                start_s = time.perf_counter()
                for_seconds(work, plan.burst_s)
                bursts.append(Burst(start_s, time.perf_counter()))
        found[name] = describe(watch, bursts, counter=name == "total energy")
    return found


def slowdown(work: Work, plan: Plan) -> dict[str, Any]:
    """Time of a stretch of work with the collector over the time without."""
    count = max(1, for_seconds(work, plan.short_s))
    taken: dict[bool, list[float]] = {True: [], False: []}
    for pair in range(plan.pairs):
        for watched in (True, False) if pair % 2 else (False, True):
            with ExitStack() as stack:
                if watched:
                    stack.enter_context(NvmlCollector())
                    time.sleep(1.5)  # the tick has been discovered
                start_s = time.perf_counter()
                for _ in range(count):
                    work()
                taken[watched].append(time.perf_counter() - start_s)
    return asdict(ratio_row("time with the collector over time without", taken[True], taken[False]))


def guarded(collector: NvmlCollector, work: Work, seconds: float) -> dict[str, float]:
    """A window between rests: energy of one repetition of the work, and the bounds of it."""
    count, bounds_j = between_rests(collector, lambda: for_seconds(work, seconds))
    low_j, best_j, high_j = bounds_j / count
    return {"energy_j": best_j, "energy_low_j": low_j, "energy_high_j": high_j}


def between_rests(collector: NvmlCollector, work: Callable[[], Number]) -> tuple[Number, Bounds]:
    """What the work returns, and the energy of all GPUs meanwhile."""
    rested_s = _rested(collector, None, collector.mark())
    start = evolve(collector.mark(), quiet_s=rested_s)
    result = work()
    stop = collector.mark()
    stop = evolve(stop, quiet_s=_rested(collector, start, stop))
    return result, Bounds.total(reading.bounds_j for reading in collector.read(start, stop).readings)


def _rested(collector: NvmlCollector, start: Mark | None, begin: Mark) -> float:
    """Rest as long as the meter needs it; for how many seconds."""
    rested_s = more_s = collector.guard_s()
    while more_s > 0:
        time.sleep(more_s)
        more_s = collector.further_rest_s(start, evolve(begin, quiet_s=rested_s))
        rested_s += more_s
    return rested_s


def windows(collector: NvmlCollector, work: Work, plan: Plan) -> dict[str, Any]:
    """Scatter of long windows, and short windows over long ones."""
    long = [guarded(collector, work, plan.long_s) for _ in range(plan.long_windows)]
    short = [guarded(collector, work, plan.short_s) for _ in range(plan.short_windows)]
    energies = [each["energy_j"] for each in long]
    return {
        "long": long,
        "short": short,
        "long_variation": stdev(energies) / fmean(energies),
        "short_over_long": fmean(each["energy_j"] for each in short) / fmean(energies),
    }


def agreement(collector: NvmlCollector, work: Work, plan: Plan) -> dict[str, Any]:
    """Ratios of the peers' figures to ours of the same windows; all visible boards together."""
    found: dict[str, Any] = {}
    for name, rival in rivals().items():
        rival(work, 0.1)  # its first window starts it
        ours, theirs = [], []
        for _ in range(max(3, plan.long_windows)):
            theirs_j, ours_j = between_rests(collector, partial(rival, work, plan.long_s))
            ours.append(ours_j.best)
            theirs.append(theirs_j)
        usable = all(each > 0 for each in theirs)
        found[name] = asdict(ratio_row(f"{name} over ours", theirs, ours)) if usable else {"figures_j": theirs}
    return found or {"absent": "neither Zeus nor CodeCarbon is installed here"}


def write_trace(collector: NvmlCollector, path: Path, start_s: float) -> None:
    """Every reading so far as one Parquet table, times from the first."""
    import polars

    rows = [
        (series.device.id, series.quantity, before_s - start_s, after_s - start_s, value)
        for series in collector.samples().series
        for before_s, after_s, value in zip(series.before_s, series.after_s, series.values, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["device", "quantity", "before_s", "after_s", "value"]
    polars.DataFrame(rows, schema=columns, orient="row").write_parquet(path)


def main() -> int:
    """Parse the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few windows, to try the script")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=2048, help="a multiple of 256")
    parser.add_argument("--json", type=Path, default=Path("gpu_acceptance.json"))
    parser.add_argument("--trace", type=Path, default=Path("gpu_acceptance.parquet"))
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL

    nvml = open_nvml()
    work, device = make_work(arguments.layers, arguments.hidden)
    for_seconds(work, 2 * plan.short_s)
    found: dict[str, Any] = {"date_utc": datetime.now(timezone.utc).isoformat(), "device": device}
    found["environment"] = asdict(take_snapshot())
    found["fields"] = fields(nvml, nvml.nvmlDeviceGetHandleByIndex(0), work, plan)
    found["slowdown"] = slowdown(work, plan)
    start_s = time.perf_counter()
    with NvmlCollector() as collector:
        time.sleep(1.5)
        found["windows"] = windows(collector, work, plan)
        write_trace(collector, arguments.trace, start_s)
        found["agreement"] = agreement(collector, work, plan)
        found["notes"] = collector.notes()
    nvml.nvmlShutdown()
    arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: found[key] for key in ("device", "fields", "slowdown", "agreement")}, indent=2))
    print(f"written: {arguments.json} and {arguments.trace}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
