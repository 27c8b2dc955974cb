"""What a backend says that it really used."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ai_energy_benchmarks.domain.architecture import Architecture

FactValue = str | int | float | bool | None


@frozen
class EngineFacts:
    """Facts of a loaded engine, known only after loading.

    Attributes:
        dtype: type of the weights, such as ``bfloat16``; None if the engine does not say.
        backend: the name in the config (``pytorch`` …).
        engine: library and version.
        model: what the user asked for.
        model_source: where the weights came from (hub revision, directory, file).
        device: ``cpu``, ``cuda:0`` …; None if the engine does not report it.
        board_ids: UUIDs of the GPUs in use; empty on a CPU; None if unknown.
        device_ids: indices of the GPUs that the engine was given, as this process sees them; None if it chose them.
        context_tokens: the model's context length.
        parameters: number of weights.
        architecture: the model's shape; None if it is not known.
        generation: the sampling parameters really used, the engine's defaults included.
        settings: everything else that changes speed or energy (attention kernel, quantization …).
        notes: sentences for the verdict: settings that had another effect than asked.
        warnings: the same, where the measurement is not of what was asked.
    """

    backend: str
    engine: str
    model: str
    model_source: str = ""
    device: str | None = None
    dtype: str | None = None
    board_ids: tuple[str, ...] | None = None
    context_tokens: int | None = None
    parameters: int | None = None
    generation: Mapping[str, FactValue] = field(factory=dict)
    settings: Mapping[str, FactValue] = field(factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    architecture: Architecture | None = None
    device_ids: tuple[int, ...] | None = None


@frozen
class Location:
    """Where an engine runs, as far as this machine shows it.

    Attributes:
        process_ids: its first processes here; empty if they are unknown.
        elsewhere: why the meters of this machine see nothing of it, or only a part; None if nothing says so.
        certain: whether ``elsewhere`` is a fact that the user cannot overrule.
        overruled_by_gpus: whether naming its GPUs says that the engine is here.
        by_port: whether the processes were found by the port on which they listen, so that workers may be missing.
        unknown: why the processes are unknown; None if they are not.
    """

    process_ids: tuple[int, ...] = ()
    elsewhere: str | None = None
    certain: bool = False
    overruled_by_gpus: bool = False
    by_port: bool = False
    unknown: str | None = None

    def missed(self, *, assume_local: bool, gpus_named: bool) -> str | None:
        """``elsewhere``, unless the user has said otherwise.

        Args:
            assume_local: that the engine runs on this machine alone.
            gpus_named: on which GPUs of this machine.
        """
        overruled = not self.certain and (assume_local or (self.overruled_by_gpus and gpus_named))
        return None if overruled else self.elsewhere
