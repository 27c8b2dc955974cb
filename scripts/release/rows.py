"""The rows of a rehearsal: running programs, noting how it went, and the Pythons to try."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field
from changelog import ReleaseError
from promises import BrokenPromiseError, SkippedRowError


class RehearsalError(Exception):
    """A row of the table is not ok."""


@define
class Table:
    """The rows so far, each printed as it is done.

    Attributes:
        only: a pattern; rows that it does not match are skipped unless later ones need them.
    """

    only: str = ""
    failed: int = 0
    skipped: int = 0
    rows: list[str] = field(factory=list)

    def row(self, what: str, action: Callable[[], str], *, needed: bool = False) -> None:
        """Do something and note how it went."""
        if not needed and not re.search(self.only, what):
            return
        started_s = time.monotonic()
        try:
            outcome, verdict = action(), "ok"
        except SkippedRowError as reason:
            outcome, verdict = str(reason), "skipped"
            self.skipped += 1
        except (
            RehearsalError,
            BrokenPromiseError,
            ReleaseError,
            subprocess.CalledProcessError,
            OSError,
            AssertionError,
        ) as error:
            outcome, verdict = str(getattr(error, "stderr", None) or error), "NOT OK"
            self.failed += 1
        outcome = outcome.strip().splitlines()[-1] if verdict == "ok" else outcome
        self.rows.append(f"{verdict:<8}{time.monotonic() - started_s:6.1f} s  {what:<52} {outcome}")
        print(self.rows[-1], flush=True)

    @property
    def sum(self) -> str:
        """How many rows are ok, and how many could not be tried."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{len(self.rows) - self.failed - self.skipped} of {len(self.rows)} rows ok{skipped}"


def run(command: Sequence[str | Path], **options: object) -> str:
    """Run a program and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed; its ``stderr`` says why.
    """
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, **options)  # type: ignore[call-overload] # passed on
    return str(done.stdout)


def refused(action: Callable[[], object], *words: str) -> str:
    """The message of an action that must fail, with these words in it.

    Raises:
        RehearsalError: it did not fail, or said something else.
    """
    try:
        action()
    except (ReleaseError, subprocess.CalledProcessError) as error:
        # twine breaks its lines wherever its box ends.
        message = " ".join(f"{getattr(error, 'stdout', None) or ''} {getattr(error, 'stderr', None) or error}".split())
        missing = [word for word in words if word not in message]
        if missing:
            raise RehearsalError(f"refused, but without saying {missing}: {message}") from error
        return f"refused: …{message[max(0, message.index(words[0]) - 60) :][:120]}…"
    raise RehearsalError("it was not refused")


def pythons() -> list[str]:
    """Every Python from 3.10 to 3.13 that works, one of each minor version."""
    named = os.environ.get("AEB_PYTHONS", "").split()
    minors = [f"python3.{minor}" for minor in range(10, 14)]
    kept = [path for name in minors for path in sorted(Path.home().glob(f".pyenv/versions/3.{name[9:]}.*/bin/{name}"))]
    root = os.environ.get("PYENV_ROOT")
    kept += [path for name in minors for path in sorted(Path(root).glob(f"versions/*/bin/{name}"))] if root else []
    found: dict[str, str] = {}
    for candidate in named or [*minors, *map(str, kept)]:
        probe = [candidate, "-c", "import sys, ensurepip; print('3.%d' % sys.version_info[1])"]
        if shutil.which(candidate):
            done = subprocess.run(probe, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                found.setdefault(done.stdout.strip(), candidate)
    return [found[minor] for minor in sorted(found, key=lambda text: int(text[2:]))]
