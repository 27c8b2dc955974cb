"""The command that installs this package with an extra, from where this copy of it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import frozen

NAME = "ai_energy_benchmarks"


@frozen
class Origin:
    """What this copy was installed from.

    Attributes:
        directory: a clone; None for an index.
        url: a wheel or a repository, as PEP 508 takes it after an ``@``; empty where there is none.
        editable: the clone itself is what runs.
    """

    directory: Path | None = None
    url: str = ""
    editable: bool = False


def origin_of(direct_url: str | None) -> Origin:
    """What ``direct_url.json`` of an installed distribution says (Python packaging specifications, "Direct URL").

    Args:
        direct_url: its text; None where there is none, as for what came from an index.
    """
    try:
        record = json.loads(direct_url or "{}")
        url, directory, commit = record["url"], record.get("dir_info"), record.get("vcs_info", {})
        local = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
        if directory is not None and local is not None:
            return Origin(local, editable=bool(directory.get("editable"))) if local.is_dir() else Origin()
        if commit:
            return Origin(url=f"{commit['vcs']}+{url}@{commit['commit_id']}")
        return Origin(url=url) if local is None or local.is_file() else Origin()
    except (ValueError, KeyError, TypeError, AttributeError):
        return Origin()


@cache
def _origin() -> Origin:
    try:
        return origin_of(distribution(NAME).read_text("direct_url.json"))
    except PackageNotFoundError:  # a clone that is only on the path
        clone = Path(__file__).parents[2]
        return Origin(clone, editable=True) if (clone / "pyproject.toml").is_file() else Origin()


def arguments(extras: Iterable[str], origin: Origin | None = None, *, version: str = "") -> str:
    """What ``pip install`` is given: ``"ai_energy_benchmarks[vllm]"``, or the clone or wheel that this copy is from.

    Args:
        extras: of this package.
        origin: that of this copy where None.
        version: what an index is to be asked for; any where empty.
    """
    source = origin or _origin()
    chosen = ",".join(sorted(set(extras)))
    brackets = f"[{chosen}]" if chosen else ""
    if source.directory is not None:
        return f'{"-e " if source.editable else ""}"{source.directory}{brackets}"'
    if source.url:
        return f'"{NAME}{brackets} @ {source.url}"'
    return f'"{NAME}{brackets}{f"=={version}" if version else ""}"'


def install_line(*extras: str) -> str:
    """The command that installs this package with its extras here."""
    return f"pip install {arguments(extras)}"
