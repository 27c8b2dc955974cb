"""What must hold of a run that was killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import polars
from phases import START, WRITE, Moment

# 128 plus the number of the signal, as shells have it.
_SIGNALLED = 128


def end_is_right(signals: list[signal.Signals], moment: Moment, code: int, *, cold: bool) -> bool:
    """Whether the return code says how the run ended."""
    first = signals[0]
    right = {-first} if first == signal.SIGKILL else {_SIGNALLED + first}
    if moment.phase == START and cold:  # Python itself is being started
        right |= {-first, 1}
    if moment.phase == WRITE:  # it may have been complete
        right |= {0, -first}
    return code in right


def reports(out: Path) -> Iterator[Path]:
    """The result files of runs, complete or not."""
    yield from sorted(out.rglob("result.json"))


def trials_kept(out: Path) -> int:
    """How many complete trials the reports have, by their rows of requests."""
    return sum(_complete(file.with_name("requests.parquet")) for file in reports(out))


def _complete(file: Path) -> int:
    rows = polars.read_parquet(file, columns=["trial", "trial_complete"])
    return rows.filter("trial_complete")["trial"].n_unique()


def broken_files(out: Path) -> Iterator[str]:
    """One line for each file that is not whole, that belongs to another run than its neighbours, or is left over."""
    for file in reports(out):
        document = json.loads(file.read_text())
        for name in ("requests.parquet", "timeline.parquet"):
            other = file.with_name(name)
            if document["trials"] and not other.exists():
                yield f"{file} has {len(document['trials'])} trials and no {name}"
            elif other.exists():
                metadata = polars.read_parquet_metadata(other)
                if metadata.get("run_id", document["run_id"]) != document["run_id"]:
                    yield f"{other} is of run {metadata['run_id']}, and {file} of {document['run_id']}"
    for pattern in ("*.part", "requests.spill.*", "runs/*/journal", "runs/.lock"):
        yield from (f"{path} is left over" for path in sorted(out.rglob(pattern)))


def noise(directory: Path) -> Iterator[str]:
    """Lines of tracebacks in what the run has printed and logged."""
    for file in (directory / "stderr", *sorted(directory.glob("out/logs/*.log")), directory / "out" / "server.log"):
        text = file.read_text(errors="replace") if file.exists() else ""
        for word in ("Traceback (most recent call last)", "Exception ignored", "never awaited", "was destroyed"):
            if word in text:
                yield f"{file.name}: {text[text.index(word) :][-1500:]}"
                break
