"""GPUs held at a power limit or a clock for a time, and put back however that ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import define, field, frozen

from ai_energy_benchmarks.errors import BenchmarkError
from ai_energy_benchmarks.machine.gpu_control import GpuControl, control_of
from ai_energy_benchmarks.machine.gpu_notes import GpuNote, NoteFile, left_notes, take
from ai_energy_benchmarks.machine.nvml import Nvml, open_nvml, shut_down

logger = logging.getLogger(__name__)
_SAME_W = 1.0


@frozen
class GpuTarget:
    """What one GPU is to be set to.

    Attributes:
        power_limit_w, sm_clock_mhz: None leaves it as it is.
    """

    uuid: str
    power_limit_w: float | None = None
    sm_clock_mhz: int | None = None


@define
class GpuSettings:
    """``with`` around a benchmark: the targets hold inside, and what was before is there again afterwards.

    NVML stays open meanwhile: without persistence mode the driver forgets settings when its last user leaves.
    """

    targets: Sequence[GpuTarget]
    _nvml: Nvml | None = None
    _held: list[tuple[GpuControl, NoteFile, GpuNote]] = field(factory=list)

    def __enter__(self) -> GpuSettings:
        if not self.targets:
            return self
        for sentence in restore_left():  # else what a killed process had set would be taken for what was before
            logger.warning("%s", sentence)
        self._nvml = open_nvml()
        try:
            for target in self.targets:
                self._hold(target, self._nvml)
        except BaseException:  # raised again, Ctrl-C too: what has been set by now is put back
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _hold(self, target: GpuTarget, nvml: Nvml) -> None:
        gpu = control_of(nvml, target.uuid)
        before_w = gpu.power_limit_w() if target.power_limit_w is not None else None
        note = GpuNote(target.uuid, before_w, target.power_limit_w, target.sm_clock_mhz)
        file = take(target.uuid)
        if file.read() is not None:
            file.keep()
            raise BenchmarkError(
                f"GPU {target.uuid} is still set as a killed run left it, and could not be put back",
                remedy=f"run this as the user who set it, or set it by nvidia-smi and remove {file.path}",
            )
        file.write(note)  # first: a process that is killed between the two leaves a note of nothing
        self._held.append((gpu, file, note))
        if target.power_limit_w is not None:
            gpu.set_power_limit_w(target.power_limit_w)
        if target.sm_clock_mhz is not None:
            gpu.lock_clock_mhz(target.sm_clock_mhz)

    def _leave(self) -> None:
        while self._held:
            gpu, file, note = self._held[-1]
            try:
                _put_back(gpu, note)
                file.remove()
            except BenchmarkError as error:
                file.keep()
                logger.warning("%s is not as it was before: %s; the next command tries again", note.uuid, error)
            self._held.pop()
        if self._nvml is not None:
            shut_down(self._nvml)
            self._nvml = None


def _put_back(gpu: GpuControl, note: GpuNote) -> None:
    """Undo what a note says, but not what someone else has set since."""
    if note.locked_mhz is not None:
        gpu.unlock_clock()
    if note.before_w is None or note.set_w is None:
        return
    if abs(gpu.power_limit_w() - note.set_w) <= _SAME_W and abs(note.before_w - note.set_w) > 0:
        gpu.set_power_limit_w(note.before_w)


def restore_left() -> tuple[str, ...]:
    """Put back what killed processes of this user had set.

    Returns:
        One sentence for each GPU that was put back, or that could not be.
    """
    return tuple(_restored())


def _restored() -> Iterator[str]:
    for file in left_notes():
        note = file.read()
        if note is None or not note.of_this_boot:
            file.remove()
            continue
        try:
            with _opened(note.uuid) as gpu:
                _put_back(gpu, note)
        except BenchmarkError as error:
            file.keep()
            yield f"GPU {note.uuid} is still set as a killed run left it{_said(note)}: {error}"
            continue
        file.remove()
        yield f"GPU {note.uuid} was put back: a run that was killed had set it{_said(note)}"


@contextmanager
def _opened(uuid: str) -> Iterator[GpuControl]:
    nvml = open_nvml()
    try:
        yield control_of(nvml, uuid)
    finally:
        shut_down(nvml)


def _said(note: GpuNote) -> str:
    limit = f" to {note.set_w:g} W (before: {note.before_w:g} W)" if note.set_w and note.before_w else ""
    return limit + (f" to {note.locked_mhz} MHz" if note.locked_mhz else "")
