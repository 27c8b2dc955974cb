"""A small double of the Hugging Face hub: one HTTP server that answers the calls of ``huggingface_hub``."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"

Repositories = Mapping[str, Mapping[str, bytes]]
"""``models/org/name`` or ``datasets/org/name`` → file name → content; an empty mapping is a gated repository."""


def _handler(repositories: Repositories, journal: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the base class names it so
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = urlsplit(self.path).path
            journal.append(f"{self.command} {path}")
            if path.startswith("/api/"):
                self._describe(path.removeprefix("/api/"))
                return
            repository, _, rest = path.strip("/").partition("/resolve/")
            repository = repository if repository.startswith("datasets/") else f"models/{repository}"
            revision, _, name = rest.partition("/")
            if revision not in ("main", COMMIT):
                self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
                return
            content = repositories.get(repository, {}).get(name)
            if content is None:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
                return
            tag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
            self._send(200, content, headers, body=body)

        def _describe(self, path: str) -> None:
            repository, _, revision = path.partition("/revision/")
            if "/tree/" in path:
                self._list(*path.split("/tree/", 1))
                return
            files = repositories.get(repository)
            if files is None:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif not files:
                self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            elif revision not in ("", "main", COMMIT):
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            else:
                kind, _, name = repository.partition("/")
                siblings = [{"rfilename": file, "size": len(content)} for file, content in files.items()]
                told = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "private": False}
                self._send(200, json.dumps({**told, "tags": [], "downloads": 0, "kind": kind}).encode(), {})

        def _list(self, repository: str, rest: str) -> None:
            """One folder of a repository; huggingface_hub asks folder by folder, or for all of them at once."""
            folder = rest.partition("/")[2]
            files = repositories.get(repository, {})
            found = {
                name: content for name, content in files.items() if name.startswith(f"{folder}/" if folder else "")
            }
            if not found:
                self._send(404, b"{}", {"X-Error-Code": "EntryNotFound" if files else "RepoNotFound"})
                return
            folders = {name.rpartition("/")[0] for name in found if "/" in name.removeprefix(f"{folder}/")}
            entries = [{"type": "directory", "path": name, "oid": COMMIT} for name in sorted(folders)]
            deep = "recursive=true" in self.path.lower()
            for name, content in found.items():
                if deep or name.rpartition("/")[0] == folder:
                    entries.append({"type": "file", "path": name, "oid": COMMIT, "size": str(len(content))})
            told = [{**each, "size": int(each.get("size", 0))} for each in entries]
            self._send(200, json.dumps(told).encode(), {})

        def _send(self, code: int, content: bytes, headers: Mapping[str, str], *, body: bool = True) -> None:
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body and self.command != "HEAD":
                self.wfile.write(content)

    return Handler


@contextmanager
def serving(repositories: Repositories) -> Iterator[tuple[str, list[str]]]:
    """Serve repositories on loopback; gives the address for ``HF_ENDPOINT`` and the requests seen so far."""
    journal: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(repositories, journal))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", journal
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
