"""CodeCarbon as a meter: its offline tracker, read as three ever-growing counters."""

from __future__ import annotations

import inspect
import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import field, frozen
from attrs.validators import gt

from ai_energy_benchmarks.domain.components import Component
from ai_energy_benchmarks.domain.edges import UNKNOWN_DELAY
from ai_energy_benchmarks.domain.power import Device, Provenance
from ai_energy_benchmarks.errors import CollectorError
from ai_energy_benchmarks.machine.packages import Package
from ai_energy_benchmarks.metrics.base import CollectorSettings
from ai_energy_benchmarks.metrics.codecarbon_gpus import CodeCarbonGpus
from ai_energy_benchmarks.metrics.options import chosen
from ai_energy_benchmarks.metrics.polled import Counter, PolledCollector, PolledCounters
from ai_energy_benchmarks.metrics.rapl.zones import STALE_S

if TYPE_CHECKING:
    from codecarbon import OfflineEmissionsTracker
    from codecarbon.output import EmissionsData

METER = "codecarbon"
REQUIRES = (Package("codecarbon", ("codecarbon",), "codecarbon"),)
INSTALL_LINE = REQUIRES[0].install
_J_PER_KWH = 3.6e6
# CodeCarbon's own scheduler must not read in between: only our readings have their times.
_NEVER_S = 365 * 24 * 3600.0
_DEVICES: dict[Component, Device] = {
    "cpu": Device("cpu", "codecarbon-cpu", "CPU"),
    "dram": Device("dram", "codecarbon-dram", "memory"),
}
# What a user may have set for CodeCarbon elsewhere, in CODECARBON_… variables or ~/.codecarbon.config, and what would
# change a component's energy into something else: a data centre's part, the memory's, or the whole platform's.
_AS_MEASURED: dict[str, float | bool] = {"pue": 1.0, "rapl_include_dram": False, "rapl_prefer_psys": False}
# From 3.3 on it returns its last totals where they are younger than 50 ms, and does not say so.
_YOUNG_S = 0.055
_COUNTER_MODES = frozenset({"intel_rapl", "windows_emi"})


@frozen
class CodeCarbonOptions:
    """How CodeCarbon is used.

    Attributes:
        measure_s: seconds between two readings; each also right after a window's edge.
        tracking_mode: ``machine`` counts all of its CPU and memory, ``process`` this process's share.
        emissions_csv: write CodeCarbon's own ``emissions.csv`` into ``metrics.output_dir`` at the end.
        force_cpu_power_w: rated power of the CPU, where CodeCarbon does not know it.
    """

    measure_s: float = field(default=0.5, validator=gt(0))
    tracking_mode: Literal["machine", "process"] = "machine"
    emissions_csv: bool = False
    force_cpu_power_w: int | None = None


class _Totals:
    """Receives CodeCarbon's running totals; has the methods of its ``BaseOutput``."""

    def __init__(self) -> None:
        self.total: EmissionsData | None = None
        self.delta: EmissionsData | None = None

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        self.total, self.delta = total, delta

    def live_out(self, total: EmissionsData, delta: EmissionsData) -> None: ...

    def task_out(self, rows: object, experiment_name: str) -> None: ...

    def exit(self) -> None: ...


class CodeCarbonCollector(PolledCollector):
    """CodeCarbon's figures for GPU, CPU and memory, under its own name.

    Always its offline tracker: the online one asks geolocation services, and assumes a country where it has no
    network.
    """

    Options: ClassVar[type] = CodeCarbonOptions
    REQUIRES: ClassVar[tuple[Package, ...]] = REQUIRES

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._options = chosen(settings, CodeCarbonOptions)
        self._tracker: OfflineEmissionsTracker | None = None
        self._provenance: dict[Component, Provenance] = {}
        self._notes: list[str] = []
        self._gpus: CodeCarbonGpus | None = None

    @classmethod
    def from_settings(cls, settings: CollectorSettings) -> CodeCarbonCollector:
        return cls(settings)

    def setting_needed(self) -> CollectorError | None:
        if self._settings.country_iso_code is not None:
            return None
        remedy = "set metrics.country_iso_code, such as USA or FRA; it never guesses one"
        return CollectorError("CodeCarbon needs a country", remedy=remedy)

    def __enter__(self) -> CodeCarbonCollector:
        if (error := self.setting_needed()) is not None:
            raise error
        try:
            from codecarbon import OfflineEmissionsTracker
        except ImportError as error:
            raise CollectorError(f"CodeCarbon is not installed: {error}", remedy=INSTALL_LINE) from error
        self._totals = _Totals()
        # It logs to the terminal before it has read its own log_level.
        logging.getLogger("codecarbon").setLevel(logging.ERROR)
        try:
            self._tracker = OfflineEmissionsTracker(
                project_name=self._settings.project_name,
                country_iso_code=self._settings.country_iso_code,
                region=self._settings.region,
                measure_power_secs=_NEVER_S,
                tracking_mode=self._options.tracking_mode,
                save_to_file=False,
                save_to_api=False,
                output_handlers=[self._totals],
                allow_multiple_runs=True,
                log_level=logging.ERROR,
                force_cpu_power=self._options.force_cpu_power_w,
                **_known_to(OfflineEmissionsTracker, _AS_MEASURED),
            )
            self._tracker.start()
        except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
            raise CollectorError(
                f"CodeCarbon does not start: {type(error).__name__}: {error}",
                remedy="remove codecarbon from metrics.collectors, or see whether `codecarbon monitor` starts here",
            ) from error
        self._provenance = self._seen_components(self._tracker)
        if not self._read_j():
            self._tracker.stop()
            raise CollectorError(
                "CodeCarbon gives no totals: another of its trackers runs in this process or on this machine",
                remedy="stop it, or remove its lock file",
            )
        # Of GPUs it reads counters that move in ticks and are seen late, which its figures do not tell.
        gpus = self._gpus
        counters = tuple(
            # Where it measures a processor, it reads RAPL.
            Counter(_DEVICES[name], word, stale_s=STALE_S if word == "measured" else 0.0)
            for name, word in self._provenance.items()
            if name != "gpu"
        )
        counters += tuple(Counter(each, "measured", UNKNOWN_DELAY) for each in (gpus.devices() if gpus else ()))
        self.polled = PolledCounters(
            METER,
            counters,
            "CodeCarbon does not see it",
            self._read_j,
            self._options.measure_s,
            gpus=gpus.gpus if gpus else (),
            visible=gpus.visible() if gpus else (),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.polled.stop()
        if self._tracker is not None:
            self._tracker.stop()
        if self._options.emissions_csv and self._totals.total is not None:
            self._write_csv(self._settings.output_dir)
        self._tracker = None

    def _seen_components(self, tracker: OfflineEmissionsTracker) -> dict[Component, Provenance]:
        """What CodeCarbon found, and whether it reads a counter or multiplies an assumed power."""
        found: dict[Component, Provenance] = {}
        for each in getattr(tracker, "_hardware", ()):
            mode = str(getattr(each, "_mode", ""))
            kind = type(each).__name__
            if kind == "GPU":
                found["gpu"] = "measured"
                self._gpus = CodeCarbonGpus(each)
            elif kind == "RAM":
                found["dram"] = "modelled"
                self._notes.append("CodeCarbon assumes a constant power of the memory from its size")
            elif kind in ("CPU", "AppleSiliconChip"):
                found["cpu"] = "measured" if mode in _COUNTER_MODES or kind == "AppleSiliconChip" else "modelled"
                self._notes.append(f"CodeCarbon's mode for the CPU is {mode or kind}")
        if "gpu" not in found and shutil.which("nvidia-smi") is None:
            self._notes.append("CodeCarbon looks for NVIDIA GPUs with nvidia-smi, which is not on the PATH")
        return found

    def _read_j(self) -> dict[str, float]:
        if self._tracker is None:
            return {}
        total = self._totals.total if self._measured_anew(self._tracker) else None
        if total is None:
            return {}
        energies_kwh: dict[Component, float] = {"cpu": total.cpu_energy, "dram": total.ram_energy}
        of_gpus_kwh = self._gpus.totals_kwh(total.gpu_energy) if self._gpus is not None else {}
        energies_j = {name: energy_kwh * _J_PER_KWH for name, energy_kwh in of_gpus_kwh.items()}
        return energies_j | {
            _DEVICES[name].id: energies_kwh[name] * _J_PER_KWH for name in self._provenance if name != "gpu"
        }

    def _measured_anew(self, tracker: OfflineEmissionsTracker) -> bool:
        """Let CodeCarbon measure now; whether it did, which takes it up to 55 ms."""
        before_s = getattr(tracker, "_last_measured_time", None)
        tracker.flush()
        if before_s is None or tracker._last_measured_time != before_s:
            return True
        time.sleep(max(0.0, before_s + _YOUNG_S - time.perf_counter()))
        tracker.flush()
        return bool(tracker._last_measured_time != before_s)

    def _write_csv(self, folder: Path) -> None:
        from codecarbon.output import FileOutput

        folder.mkdir(parents=True, exist_ok=True)
        FileOutput("emissions.csv", str(folder)).out(self._totals.total, self._totals.delta)

    def notes(self) -> tuple[str, ...]:
        of_gpus = self._gpus.notes() if self._gpus is not None else ()
        return (*dict.fromkeys(self._notes), *of_gpus, *super().notes())


def _known_to(tracker: type, arguments: Mapping[str, float | bool]) -> dict[str, float | bool]:
    """Those that this version of CodeCarbon has: an unknown one would leave it half built, without an error."""
    constructors = (vars(kind)["__init__"] for kind in tracker.__mro__[:-1] if "__init__" in vars(kind))
    known = {name for constructor in constructors for name in inspect.signature(constructor).parameters}
    return {name: value for name, value in arguments.items() if name in known}
