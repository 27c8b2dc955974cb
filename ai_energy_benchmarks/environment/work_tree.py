"""The commit of the working directory. Whoever made that directory decides nothing: its git settings run no program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PATIENCE_S = 2
# Every setting of a repository that names a program which reading its state would start (git-config(1)).
_NO_PROGRAMS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.sshCommand": "false",
    "core.askPass": "",
    "core.pager": "",
    "core.editor": "false",
    "credential.helper": "",
    "status.submoduleSummary": "false",
}
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",  # the index is not written, so no hook that follows is due
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # older versions would fetch what a partial clone lacks
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "",
}
_TRACKED_FILES = ("--porcelain=v1", "--untracked-files=no", "--ignore-submodules=all", "--no-renames")
_FILTERS = ("--null", "--name-only", "--get-regexp", r"^filter\..*\.(clean|smudge|process|required)$")


def git_revision(directory: Path | None = None) -> str | None:
    """Commit of the working directory, with ``+dirty`` if tracked files have changes.

    None without git, outside a repository, or if git does not answer within two seconds.
    """
    commit = _git(directory, {}, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return None
    # Reading the settings starts nothing. With none of its filters a file that was touched may look changed.
    names = (_git(directory, {}, "config", *_FILTERS) or "").split("\0")
    filters = {name: "false" if name.endswith("required") else "" for name in names if name}
    changes = _git(directory, filters, "status", *_TRACKED_FILES)
    return None if changes is None else f"{commit}{'+dirty' if changes else ''}"


def _git(directory: Path | None, settings: dict[str, str], *arguments: str) -> str | None:
    """What git prints; None where it fails, which for ``config`` is having nothing to print."""
    overrides = [word for name, value in {**_NO_PROGRAMS, **settings}.items() for word in ("-c", f"{name}={value}")]
    try:
        answer = subprocess.run(
            ["git", *overrides, *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=True,
            env={**os.environ, **_ENVIRONMENT},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
