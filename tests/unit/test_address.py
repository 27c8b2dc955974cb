"""Addresses of servers as people write them, and what of them is shown."""

from __future__ import annotations

import pytest

from ai_energy_benchmarks.backends.server.api_key import ApiKey
from ai_energy_benchmarks.config.loading import config_from_mapping, config_from_yaml, config_to_yaml
from ai_energy_benchmarks.domain.address import parse_address
from ai_energy_benchmarks.errors import ConfigError
from ai_energy_benchmarks.safety.secrets import blanked
from ai_energy_benchmarks.safety.urls import hidden


def config(endpoint: str, **options: str) -> dict[str, object]:
    return {"backend": {"type": "openai", "model": "m", "endpoint": endpoint, "options": options}}


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "http://localhost:8000/v1",
        "http://localhost:8000/v1/",
        "http://localhost:8000/v1/chat/completions",
        "http://localhost:8000/v1/chat/completions/",
        "http://localhost:8000/v1/completions",
        "http://localhost:8000/v1/models",
    ],
)
def test_the_address_of_a_call_is_that_of_its_server(url: str) -> None:
    """What people paste leads to the same server as its base address."""
    address = parse_address(url)
    assert (address.authority, address.path) == ("localhost:8000", "")
    assert address.target("/v1/chat/completions") == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("localhost", True), ("LOCALHOST.", True), ("vllm.localhost", True), ("ip6-localhost", True)),
        *(("127.0.0.1", True), ("127.0.0.2", True), ("127.255.1.1", True), ("0.0.0.0", True)),
        *(("[::1]", True), ("[0:0:0:0:0:0:0:1]", True), ("[::ffff:127.0.0.1]", True), ("[::]", True)),
        *(("10.0.0.5", False), ("128.0.0.1", False), ("[fe80::1]", False), ("[::ffff:10.0.0.5]", False)),
        *(("localhost.example.org", False), ("gpu-host", False), ("127.0.0.1.nip.io", False)),
    ],
)
def test_every_loopback_address_is_this_machine(host: str, local: bool) -> None:
    """However it is written; a name that only looks like one is not."""
    assert parse_address(f"http://{host}:8000/v1").local is local


def test_a_path_before_the_version_and_a_query_are_kept() -> None:
    """Gateways have both; the query goes behind every path."""
    address = parse_address("https://host/openai/v1/chat/completions?api-version=preview")
    assert address.target("/v1/models") == "/openai/v1/models?api-version=preview"


@pytest.mark.parametrize(
    ("endpoint", "options", "what"),
    [
        ("http://localhost:8000/v1/completions", {}, "set that to completions, or end at /v1"),
        ("http://localhost:8000/v1/chat/completions", {"api": "completions"}, "set that to chat, or end at /v1"),
        ("http://localhost:8000/chat/completions", {}, "end at /v1, or before it"),
        ("http://localhost:8000/v1/responses", {}, "end at /v1, or before it"),
        ("http://localhost:11434/api/chat", {}, "end at /v1, or before it"),
        ("http://localhost:8000/v1#models", {}, "remove that"),
        ("http://localhost:port/v1", {}, "a port of digits"),
    ],
)
def test_an_address_that_cannot_lead_to_the_interface_is_refused(
    endpoint: str, options: dict[str, str], what: str
) -> None:
    """With the key and what to write, before anything is sent."""
    with pytest.raises(ConfigError, match=r"backend\.endpoint: ") as caught:
        config_from_mapping(config(endpoint, **options))
    assert what in caught.value.message


def test_the_address_of_a_call_may_name_the_interface_that_is_used() -> None:
    """It is understood where it and the options mean the same."""
    config_from_mapping(config("http://localhost:8000/v1/chat/completions"))
    config_from_mapping(config("http://localhost:8000/v1/completions", api="completions"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://bob:pw@host:1/v1", "http://***@host:1/v1"),
        ("http://bob@host/v1", "http://***@host/v1"),
        ("http://bob:p%40w@host/v1", "http://***@host/v1"),
        ("http://bob:p@w@host/v1", "http://***@host/v1"),
        ("http://bob:p/w@host/v1", "http://***@host/v1"),
        ("bob:pw@host", "***@host"),
        ("http://host/v1?api-version=1&api_key=pw", "http://host/v1?api-version=1&api_key=***"),
        ("http://host/v1?api-version=1", "http://host/v1?api-version=1"),
        ("http://host/v1/@pw", "http://host/v1/@pw"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """User, password and keys in the query are three stars; the rest stays as it was written."""
    assert hidden(url) == shown


def test_user_and_password_are_sent_as_rfc_7617_says() -> None:
    """Percent-encoded characters are decoded first; the key of the environment is not sent as well."""
    assert parse_address("http://Aladdin:open%20sesame@host/v1").credentials == "Aladdin:open sesame"
    key = ApiKey("HOME", "Aladdin:open sesame")
    assert key.headers() == {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}
    quoted = "who are Aladdin:open sesame, open sesame and QWxhZGRpbjpvcGVuIHNlc2FtZQ==?"
    assert blanked(quoted) == "who are Aladdin:***, *** and ***?"


@pytest.mark.parametrize(
    "mapping",
    [
        config("http://bob:hunter2@gpu-box:8000/v1"),
        config("http://bob:hunter2@localhost:port/v1"),
        config("ftp://bob:hunter2@localhost/v1"),
        config("http://bob:hunter2@localhost/v1/responses"),
        {"backend": {"type": "pytorch", "model": "m", "endpoint": "http://bob:hunter2@localhost/v1"}},
    ],
)
def test_no_message_about_an_address_shows_its_password(mapping: dict[str, object]) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        config_from_mapping(mapping)
    assert "***@" in caught.value.message
    assert "hunter2" not in str(caught.value)


def test_a_config_that_is_written_holds_no_password() -> None:
    """It can be read again, and its ``repr`` hides the password too."""
    whole = config_from_mapping(config("http://bob:hunter2@localhost:8000/v1"))
    text = config_to_yaml(whole)
    assert "hunter2" not in text + repr(whole)
    assert config_from_yaml(text).backend.endpoint == "http://***@localhost:8000/v1"
