"""A small server of the OpenAI protocol: three tokens an answer, some milliseconds apart.

Started with ``--port``, as vLLM is, it has workers too: one in a session of its own that ignores requests to end.
With ``--port 0`` it has none, chooses a port and prints it. What it answers is counted in the file that the variable
``AEB_CHAOS_COUNTS`` names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import ClassVar

from counts import Counts

PACE_S = 0.002
_STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"
_EVENTS = [
    *({"choices": [{"delta": {"content": text}, "finish_reason": None}]} for text in ("a", " b", " c")),
    {"choices": [{"delta": {}, "finish_reason": "length"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 3}},
]


class Handler(BaseHTTPRequestHandler):
    """Answers every POST alike; knows whether it is healthy, and one model."""

    protocol_version = "HTTP/1.1"
    counts: ClassVar[Counts]
    lock: ClassVar[Lock] = Lock()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Health is 200, the rest is not there."""
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Stream the events."""
        with self.lock:
            self.counts.arrived += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in [*map(json.dumps, _EVENTS), "[DONE]"]:
            time.sleep(PACE_S)
            data = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")
        with self.lock:
            self.counts.answered += 1


class Server(ThreadingHTTPServer):
    """Clients may leave whenever they like."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until the process is ended."""
    port = int(sys.argv[sys.argv.index("--port") + 1])
    Handler.counts = Counts(Path(os.environ["AEB_CHAOS_COUNTS"]))
    if port:
        subprocess.Popen([sys.executable, "-c", _STUBBORN])
        subprocess.Popen([sys.executable, "-c", _STUBBORN], start_new_session=True)
    with Server(("127.0.0.1", port), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
