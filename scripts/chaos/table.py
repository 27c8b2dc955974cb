"""The kills as a table in Markdown: kind and signal by phase.

``python table.py FILE.json …`` prints it again, of several runs as one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phases import PHASES

_COLUMNS = (*PHASES, "ended")


def as_table(kills: Sequence[Mapping[str, Any]]) -> str:
    """How many kills hit each phase, how many promises were broken, and the longest that a run went on afterwards."""
    head = ("kind", "signal", *_COLUMNS, "kills", "broken promises", "longest ending, s")
    lines = [head, ("---", "---", *["--:"] * (len(head) - 2))]
    for kind in dict.fromkeys(kill["kind"] for kill in kills):
        for name in sorted({kill["signal"] for kill in kills}):
            rows = [kill for kill in kills if (kill["kind"], kill["signal"]) == (kind, name)]
            if rows:
                hits = [str(sum(kill["phase"] == phase for kill in rows)) for phase in _COLUMNS]
                wrong = sum(len(kill["wrong"]) for kill in rows)
                longest_s = max(kill["ended_s"] for kill in rows)
                lines.append((kind, name, *hits, str(len(rows)), str(wrong), f"{longest_s:.1f}"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(as_table([kill for file in sys.argv[1:] for kill in json.loads(Path(file).read_text())["kills"]]))
