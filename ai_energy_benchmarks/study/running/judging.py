"""Whether a cell is complete, and why it is not: what its result directory and its log say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from ai_energy_benchmarks.results.quotable import block, checks
from ai_energy_benchmarks.results.reading import RESULT_FILE
from ai_energy_benchmarks.study.executors.base import CellEnd
from ai_energy_benchmarks.study.manifest import CellState
from ai_energy_benchmarks.text.json_text import read_json

_INTERRUPTED = (130, 143, 129)  # the exit codes of `run` after SIGINT, SIGTERM and SIGHUP


@frozen
class Judgement:
    """What the manifest says of an ended cell.

    Attributes:
        state, verdict, reason: as in the manifest.
        failed: the checks that a verdict of FAIL comes from, for the line on the terminal.
    """

    state: CellState
    verdict: str = ""
    reason: str = ""
    failed: tuple[str, ...] = ()


def judge(end: CellEnd) -> Judgement:
    """A cell is complete if its directory holds the report of a whole run, however its process ended after that."""
    document = completed_document(end.run.directory)
    if document is not None:
        return Judgement("completed", verdict_of(document), end.reason, _failed(document))
    if end.how == "exited" and end.exit_code in _INTERRUPTED:
        return Judgement("interrupted", reason="the process was interrupted")
    if end.how == "lost":
        return Judgement("lost", reason=end.reason or "the process was lost with the machine that ran it")
    if end.how == "exited":
        return Judgement("failed", reason=failure(end.run.log, end.exit_code))
    return Judgement(end.how, reason=end.reason)


def completed_document(directory: Path) -> Mapping[str, object] | None:
    """The report of a run that came to its end; None where there is none."""
    try:
        document = read_json(directory / RESULT_FILE)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("ending") == "completed" else None


def verdict_of(document: Mapping[str, object]) -> str:
    """``PASS``, ``WARN`` or ``FAIL``."""
    verdict = document.get("verdict")
    return str(verdict.get("level", "")) if isinstance(verdict, Mapping) else ""


def _failed(document: Mapping[str, object]) -> tuple[str, ...]:
    headline = block(document, "verdict").get("headline")
    names = checks(document, "FAIL", str(headline) if headline else "total") if verdict_of(document) == "FAIL" else ()
    return tuple(dict.fromkeys(names))


def failure(log: Path, code: int | None) -> str:
    """The last error in a log, else its last line."""
    try:
        # The end alone: a server's log may be large.
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 65536))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        text = ""
    lines = [line.strip() for line in text.splitlines()]
    errors = [line for line in lines if line.startswith("error:")] or [line for line in lines if line]
    ended = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return f"{ended}: {errors[-1].removeprefix('error:').strip()}" if errors else f"{ended}; see {log}"
