"""What is made of the objects that CodeCarbon keeps for each GPU."""

from __future__ import annotations

from types import SimpleNamespace

from attrs import define, field

from ai_energy_benchmarks.metrics.codecarbon_gpus import CodeCarbonGpus


def energy(kwh: float | None) -> SimpleNamespace | None:
    """CodeCarbon's ``Energy``."""
    return None if kwh is None else SimpleNamespace(kWh=kwh)


@define
class Device:
    """A GPU as CodeCarbon 3.3 keeps it."""

    handle: object = None
    gpu_index: int = 0
    energy_delta: SimpleNamespace | None = field(factory=lambda: energy(0.0))
    last_energy: SimpleNamespace | None = field(factory=lambda: energy(5.0))
    _use_power_fallback: bool = False

    def get_static_details(self) -> dict[str, str]:
        return {"name": "a GPU"}

    def measure(self, added_kwh: float, counter_kwh: float | None, *, by_power: bool = False) -> None:
        """One measurement of CodeCarbon."""
        self.energy_delta, self.last_energy = energy(added_kwh), energy(counter_kwh)
        self._use_power_fallback = by_power


def gpus_of(device: Device) -> CodeCarbonGpus:
    return CodeCarbonGpus(SimpleNamespace(devices=SimpleNamespace(devices=[device]), num_gpus=1))


def total(gpus: CodeCarbonGpus) -> float | None:
    return gpus.totals_kwh(0.0).get("codecarbon-gpu-0")


def test_a_counter_that_cannot_be_read_for_a_while_has_no_value_meanwhile() -> None:
    """Afterwards the total is the counter's again: CodeCarbon adds what it had not guessed."""
    device = Device()
    gpus = gpus_of(device)
    assert total(gpus) == 0.0
    device.measure(1.0, 6.0)
    assert (total(gpus), gpus.notes()) == (1.0, ())
    device.measure(0.7, 6.0, by_power=True)
    assert total(gpus) is None
    device.measure(1.3, 8.0)
    assert total(gpus) == 3.0
    (note,) = gpus.notes()
    assert "codecarbon-gpu-0" in note
    assert "fix: name nvml" in note


def test_a_counter_that_was_reset_makes_the_total_fall() -> None:
    """So the window around it has no figure, and those after it have theirs."""
    device = Device()
    gpus = gpus_of(device)
    total(gpus)
    device.measure(1.0, 6.0)
    assert total(gpus) == 1.0
    device.measure(0.5, 0.1, by_power=True)
    assert total(gpus) is None
    device.measure(0.2, 0.3)
    assert total(gpus) == 0.2


def test_the_total_of_a_gpu_without_a_counter_stands_still() -> None:
    """A series that stands still has no figure for any window."""
    device = Device(last_energy=None)
    device.measure(0.1, None, by_power=True)
    gpus = gpus_of(device)
    assert total(gpus) == 0.0
    device.measure(0.1, None, by_power=True)
    assert total(gpus) == 0.0
