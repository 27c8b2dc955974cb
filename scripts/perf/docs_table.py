"""Tables of figures in the documentation: written by the script that measured them, never by hand."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from ratios import Row


def machine() -> str:
    """Date and machine, in one sentence."""
    model = ""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found[1] if found else ""
    except OSError:
        pass
    model = model or platform.processor() or platform.machine()
    date = datetime.now(timezone.utc).date().isoformat()
    return f"{date}, {os.cpu_count()} cores of {model}, {platform.system()}, Python {platform.python_version()}"


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = ["| what | value | 95 % interval | limit | kept |", "|---|---|---|---|---|"]
    for row in rows:
        interval = "" if row.low is None else f"{row.low:.3f} to {row.high:.3f}"
        limit = "" if row.limit is None else f"{'≥' if row.at_least else '≤'} {row.limit:,g}"
        kept = "" if row.limit is None else "yes" if row.ok else "**no**"
        lines.append(f"| {row.what} | {_figure(row.value)} {row.unit} | {interval} | {limit} | {kept} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def write_section(path: Path, name: str, rows: Sequence[Row], where: str) -> None:
    """Replace a section by the rows. Raises as ``replace_section``."""
    replace_section(path, name, f"Measured {where}.\n\n{markdown(rows)}")


def replace_section(path: Path, name: str, body: str) -> None:
    """Replace what stands between the marks ``<!-- name:begin -->`` and ``<!-- name:end -->``.

    Raises:
        SystemExit: the file has no such marks.
    """
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{path} has no section between {begin} and {end}")
    path.write_text(f"{before}{begin}\n{body}\n{end}{after}", encoding="utf-8")
