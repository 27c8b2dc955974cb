"""A small server of the OpenAI protocol: three tokens an answer, some milliseconds apart.

Started with ``--port``, as vLLM is, it has workers too: one in a session of its own that ignores requests to end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
    answered = 0

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Health is 200, the rest is not there."""
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Stream the events."""
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
        type(self).answered += 1


class Server(ThreadingHTTPServer):
    """Clients may leave whenever they like."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    subprocess.Popen([sys.executable, "-c", _STUBBORN])
    subprocess.Popen([sys.executable, "-c", _STUBBORN], start_new_session=True)
    Server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
