"""The block ``protocol``: the order and length of the steps."""

from __future__ import annotations

from typing import Annotated, Literal

from attrs import field, frozen

from ai_energy_benchmarks.text.ranges import AtLeast, Count, Index, MoreThan, Seconds


@frozen
class WarmupConfig:
    """Work before the first trial, on prompts that are not measured.

    Attributes:
        mode: ``fixed`` generates ``requests`` requests; ``converge`` repeats the first of them until the time per
            output token is steady.
        requests: 0 skips the warm-up, which the verdict says.
        last: how many requests in a row must agree, for ``converge``.
        cv: maximum scatter of their time per output token (standard deviation over mean), for ``converge``.
        max_requests: for ``converge``, after so many the run goes on although the time is unsteady, which the verdict
            says.
    """

    mode: Literal["fixed", "converge"] = "fixed"
    requests: Index = 10
    last: Annotated[int, AtLeast(3)] = 5
    cv: Annotated[float, MoreThan(0)] = 0.05
    max_requests: Count = 50


@frozen
class ThermalGateConfig:
    """Generation without measuring until the GPUs of the workload are steady.

    A change counts as far as it exceeds twice its standard error.

    Attributes:
        window_s: the time over which changes are judged.
        cap_s: when the trials begin all the same, which the verdict says.
        max_celsius_per_minute: maximum change of temperature within a minute.
        max_power_change_per_minute: maximum change of power within a minute, as a share of it.
    """

    window_s: Annotated[float, MoreThan(0)] = 60.0
    cap_s: Seconds = 300.0
    max_celsius_per_minute: Annotated[float, MoreThan(0)] = 1.0
    max_power_change_per_minute: Annotated[float, MoreThan(0)] = 0.01


@frozen
class ProtocolConfig:
    """The order and length of the steps.

    Attributes:
        bare_idle_s: seconds of idle before the model is loaded; 0 skips it.
        resident_idle_s: seconds of idle with the model loaded, before and after the trials; 0 skips it.
        settle_cap_s: how long each of them may wait until the GPUs' power has settled; 0 does not wait.
        thermal_gate: generate until the GPUs are steady, before the first trial; if not set, where a meter reports
            their power and there is a warm-up to repeat. ``true`` takes its defaults and says so where it cannot be.
        trials: measured passes.
        repeats: what the measurement is repeated by: the ``trials`` of one process, or the ``cycles`` of a study, each
            in a process of its own, where one trial is no shortened protocol.
        warmup: work before the first trial, on prompts that are not measured.
    """

    bare_idle_s: Seconds = 10.0
    resident_idle_s: Seconds = 10.0
    settle_cap_s: Seconds = 60.0
    warmup: WarmupConfig = field(factory=WarmupConfig)
    thermal_gate: bool | ThermalGateConfig | None = None
    trials: Count = 5
    repeats: Literal["trials", "cycles"] = "trials"

    @property
    def gate(self) -> ThermalGateConfig | None:
        """The thermal gate, or None."""
        if isinstance(self.thermal_gate, ThermalGateConfig):
            return self.thermal_gate
        wanted = self.warmup.requests > 0 if self.thermal_gate is None else self.thermal_gate
        return ThermalGateConfig() if wanted else None
