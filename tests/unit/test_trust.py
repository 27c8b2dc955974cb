"""What a run trusted without need stands in its verdict."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.runner.trust import trust_findings

SERVER: dict[str, object] = {"type": "vllm", "model": "m"}


def found(monkeypatch: pytest.MonkeyPatch, backend: dict[str, object], key: str = "") -> list[tuple[str, str]]:
    monkeypatch.setenv("MY_KEY", key)
    config = config_from_mapping({"backend": backend, "metrics": {"enabled": False}})
    return [(each.level, each.check) for each in trust_findings(config)]


@pytest.mark.parametrize(
    ("endpoint", "options", "key", "expected"),
    [
        ("https://gpu.example/v1", {"verify_tls": False}, "", [("WARN", "certificate")]),
        ("https://127.0.0.1:1/v1", {"verify_tls": False}, "", [("INFO", "certificate")]),
        ("https://gpu.example/v1", {"api_key_env": "MY_KEY"}, "k" * 9, []),
        ("http://gpu.example/v1", {"api_key_env": "MY_KEY"}, "k" * 9, [("WARN", "unencrypted key")]),
        ("http://gpu.example/v1", {"api_key_env": "MY_KEY"}, "", []),
        ("http://127.0.0.1:1/v1", {"api_key_env": "MY_KEY"}, "k" * 9, []),
        ("http://me:pw@gpu.example/v1", {"api_key_env": "MY_KEY"}, "", [("WARN", "unencrypted key")]),
        ("http://gpu.example/v1?api_key=x", {"api_key_env": "MY_KEY"}, "", [("WARN", "unencrypted key")]),
        ("http://gpu.example/v1", {"api_key_env": "MY_KEY", "extra_body": {"token": "x"}}, "",
         [("WARN", "unencrypted key")]),
        ("http://127.0.0.1:1/v1", {"trust_remote_code": True}, "", [("INFO", "code of the model")]),
        ("http://127.0.0.1:1/v1", {"extra_args": ["--trust-remote-code"]}, "", [("INFO", "code of the model")]),
    ],
)  # fmt: skip
def test_certificates_code_and_open_connections(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, options: dict[str, object], key: str, expected: list[object]
) -> None:
    """Each is named, more gravely where another machine is involved."""
    assert found(monkeypatch, {**SERVER, "endpoint": endpoint, "options": options}, key) == expected


def test_an_engine_in_process_may_run_code_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is said; the default is not to."""
    engine: dict[str, object] = {"type": "pytorch", "model": "m"}
    assert found(monkeypatch, engine) == []
    assert found(monkeypatch, {**engine, "options": {"trust_remote_code": True}}) == [("INFO", "code of the model")]
