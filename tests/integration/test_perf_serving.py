"""The scripts that measure the client of servers: the loopback server tells the truth, and the client reads it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import serving_loopback
import serving_parts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its selectors take sockets only")


def test_a_flood_is_read_whole() -> None:
    """Every token of every stream arrives, however the blocks fall."""
    with serving_parts.bench() as server:
        seen = server.client("serving_client.py", serving_parts.Load("flood", 4, 12, 500))
    assert (seen["tokens"], seen["requests"]) == (12 * 500, 12)


def test_a_pace_is_kept_and_seen() -> None:
    """Tokens are never early, and the server's log knows each request by its number."""
    tokens = 10
    with serving_parts.bench() as server:
        seen = server.client("serving_client.py", serving_parts.Load("paced", 2, 4, tokens))
        log = server.log()
        assert server.log()["streams"] == []
    assert log["peak"] == 2
    sent = {number: rest for number, *rest in log["streams"]}
    assert len(seen["streams"]) == 4
    for number, sent_s, first_s, last_s in seen["streams"]:
        came_s, first_left_s, last_left_s, _ = sent[number]
        assert first_left_s - came_s >= serving_loopback.FIRST_TOKEN_S
        assert last_left_s - came_s >= serving_loopback.FIRST_TOKEN_S + (tokens - 1) * serving_loopback.GAP_S
        assert sent_s <= came_s <= first_left_s <= first_s
        assert last_left_s <= last_s


def test_an_interpreter_without_aiohttp_is_named(tmp_path: Path) -> None:
    """Without the peer the reason says which interpreter was asked."""
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    assert serving_parts.peer_python(fake) == f"{fake} has no aiohttp"
