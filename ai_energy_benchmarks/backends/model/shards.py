"""Whether the files of a model's weights are there in full, as an interrupted download does not leave them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ai_energy_benchmarks.errors import BackendError
from ai_energy_benchmarks.text.json_text import read_json

# The length of the header in little endian, then the header as JSON with ``data_offsets`` into the rest (safetensors'
# README, "Format"); its reader takes no longer one than this.
_LENGTH_BYTES, _MOST_HEADER_BYTES = 8, 100_000_000


def missing_shards(index: Path) -> list[str]:
    """Files that the index of sharded weights names and its directory lacks; none where there is no index."""
    try:
        document = read_json(index)
    except (OSError, ValueError):
        return []  # there is none, or loading reports it
    names = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(names, dict):
        return []
    return sorted({str(name) for name in names.values()} - {each.name for each in index.parent.iterdir()})


def check_whole(weights: Path) -> None:
    """Return unless a file of weights is shorter than it says itself.

    Raises:
        BackendError: it is empty, or a safetensors file that ends before its last tensor.
    """
    size_bytes = weights.stat().st_size
    wanted_bytes = _stated_bytes(weights) if weights.suffix == ".safetensors" else 1
    if size_bytes < wanted_bytes:
        raise BackendError(
            f"{weights.name} has {size_bytes:,} bytes of at least {wanted_bytes:,}: it was not downloaded or copied to "
            "its end",
            remedy=f"download or copy {weights.name} again",
        )


def _stated_bytes(weights: Path) -> int:
    """How long a safetensors file is by its own header; 1 where its header cannot be read, which loading reports."""
    with weights.open("rb") as file:
        header_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        end_bytes = _LENGTH_BYTES + header_bytes
        if header_bytes > _MOST_HEADER_BYTES or os.fstat(file.fileno()).st_size < end_bytes:
            return end_bytes if header_bytes <= _MOST_HEADER_BYTES else 1
        try:
            header = json.loads(file.read(header_bytes))
            ends = [int(tensor["data_offsets"][1]) for name, tensor in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return 1
    return end_bytes + max(ends, default=0)
