"""What the files of a model are, to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ai_energy_benchmarks.backends.model.files import ModelFiles

_READ_AS_MODEL = ("*.safetensors", "pytorch_model*.bin", "*.json", "*.jinja", "*.model", "*.txt", "*.py")
# About two seconds of reading; a larger model is known by its commit, or by the names the hub's cache gives its files.
MOST_BYTES = 4 * 2**30
_SHA256_DIGITS = 64


def files_sha256(files: ModelFiles) -> str | None:
    """One SHA-256 over name and SHA-256 of every file that is read of a model, in the order of their names.

    Files in the hub's cache are links to blobs that are named by their own hash, which costs nothing to read.

    Returns:
        None if the hash would mean reading more than ``MOST_BYTES``, or a file cannot be read.
    """
    directory = Path(files.path_or_id)
    patterns = _READ_AS_MODEL if files.gguf_file is None else (files.gguf_file,)
    found = sorted({each for pattern in patterns for each in directory.glob(pattern) if each.is_file()})
    try:
        to_read_bytes = sum(each.stat().st_size for each in found if _named_hash(each) is None)
        if not found or to_read_bytes > MOST_BYTES:
            return None
        lines = [f"{each.name} {_named_hash(each) or _hash(each)}\n" for each in found]
    except OSError:
        return None
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _named_hash(file: Path) -> str | None:
    """The hash in the name of the blob that a file of the hub's cache links to."""
    name = file.resolve().name
    return name if file.is_symlink() and len(name) == _SHA256_DIGITS and set(name) <= set("0123456789abcdef") else None


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(2**20):
            digest.update(block)
    return digest.hexdigest()
