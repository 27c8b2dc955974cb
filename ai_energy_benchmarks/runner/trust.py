"""What a run trusted that it need not have: certificates that were not checked, code of the model, open connections."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import attrs

from ai_energy_benchmarks.config.checks import needs_endpoint
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.domain.address import Address, parse_address
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.safety.marking import masked
from ai_energy_benchmarks.safety.urls import secret_parts


def trust_findings(config: BenchmarkConfig) -> Iterator[Finding]:
    """Findings for the verdict; INFO where only this machine is involved."""
    options = config.backend.options
    if attrs.has(type(options)) and _runs_code_of_the_model(attrs.asdict(options)):  # type: ignore[arg-type] # attrs
        yield Finding("INFO", "code of the model", "trust_remote_code is set: Python code that came with the model ran")
    endpoint = config.backend.endpoint
    if endpoint is None or not needs_endpoint(config.backend.type):
        return
    address = parse_address(endpoint)
    if address.tls and getattr(options, "verify_tls", True) is False:
        text = "verify_tls was false: the server's certificate was not checked, so another server may have answered"
        yield Finding("INFO" if address.local else "WARN", "certificate", text)
    if not address.tls and not address.local and _sends_secrets(config, address):
        text = (
            f"a key or a password was sent to {address.authority} without encryption, and all prompts too; use https://"
        )
        yield Finding("WARN", "unencrypted key", text)


def _runs_code_of_the_model(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(
            (str(key).replace("-", "_") == "trust_remote_code" and item is True) or _runs_code_of_the_model(item)
            for key, item in value.items()
        )
    if isinstance(value, list | tuple):
        return any(map(_runs_code_of_the_model, value))
    return isinstance(value, str) and value.replace("_", "-") in ("--trust-remote-code", "--trust-remote-code=true")


def _sends_secrets(config: BenchmarkConfig, address: Address) -> bool:
    options = config.backend.options
    key = os.environ.get(str(getattr(options, "api_key_env", "")), "").strip()
    body = getattr(options, "extra_body", {})
    return bool(key or address.credentials or secret_parts(config.backend.endpoint or "") or masked(body) != body)
