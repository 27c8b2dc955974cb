"""``python -m ai_energy_benchmarks.cli.handshake``: answers a study that runs cells in this environment.

Engines with some of their configs come on standard input as JSON, one line goes out; nothing is loaded.
"""

from __future__ import annotations

import json
import sys

from ai_energy_benchmarks.study.runners.handshake import reply_to, written

if __name__ == "__main__":
    # On a line of its own, since libraries print as they are imported.
    sys.stdout.write(f"\n{written(reply_to(json.load(sys.stdin)))}\n")
