"""The hash of a model's files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.model import digest as model_hash
from ai_energy_benchmarks.backends.model.digest import files_sha256
from ai_energy_benchmarks.backends.model.files import ModelFiles


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_it_is_the_hash_of_names_and_hashes(tmp_path: Path) -> None:
    """Files that no engine reads have no part in it; a changed byte changes it."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "picture.png").write_bytes(b"png")
    files = ModelFiles(str(tmp_path), None, "")
    listing = f"config.json {sha256(b'{}')}\nmodel.safetensors {sha256(b'weights')}\n"
    assert files_sha256(files) == sha256(listing.encode())
    (tmp_path / "model.safetensors").write_bytes(b"Weights")
    assert files_sha256(files) != sha256(listing.encode())


def test_the_names_of_the_hubs_blobs_are_believed(tmp_path: Path) -> None:
    """The cache links a file to a blob that is named by its hash: the hash is the same as of a plain copy."""
    blob = tmp_path / "blobs" / sha256(b"weights")
    for directory in (blob.parent, tmp_path / "linked", tmp_path / "copied"):
        directory.mkdir()
    blob.write_bytes(b"weights")
    (tmp_path / "linked" / "model.safetensors").symlink_to(blob)
    (tmp_path / "copied" / "model.safetensors").write_bytes(b"weights")
    linked, copied = (files_sha256(ModelFiles(str(tmp_path / name), None, "")) for name in ("linked", "copied"))
    assert linked == copied


def test_of_a_gguf_model_only_its_file_counts(tmp_path: Path) -> None:
    """Others may lie beside it."""
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    (tmp_path / "config.json").write_bytes(b"{}")
    assert files_sha256(ModelFiles(str(tmp_path), "a.gguf", "")) == sha256(f"a.gguf {sha256(b'GGUF')}\n".encode())


def test_what_cannot_be_hashed_in_time_has_no_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has a directory without a model's files."""
    assert files_sha256(ModelFiles(str(tmp_path), None, "")) is None
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(model_hash, "MOST_BYTES", 3)
    assert files_sha256(ModelFiles(str(tmp_path), None, "")) is None
