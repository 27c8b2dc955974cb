"""Secrets: what is one, where its value comes in, and that it is blanked in every spelling."""

from __future__ import annotations

import base64
import json
import traceback
from urllib.parse import quote

import pytest

from ai_energy_benchmarks.backends.base import BackendSettings, Demand
from ai_energy_benchmarks.backends.server.vllm import VllmBackend, VllmOptions
from ai_energy_benchmarks.config.loading import config_from_mapping, config_from_yaml, config_to_yaml
from ai_energy_benchmarks.config.overrides import parse_assignments
from ai_energy_benchmarks.domain.completions import FailedCompletion
from ai_energy_benchmarks.domain.prompts import Generation
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.errors import BackendError, ConfigError
from ai_energy_benchmarks.runner import BenchmarkRunner
from ai_energy_benchmarks.safety.exceptions import without_secrets
from ai_energy_benchmarks.safety.handing_over import handed_over
from ai_energy_benchmarks.safety.keys import is_secret
from ai_energy_benchmarks.safety.marking import masked, shown_command
from ai_energy_benchmarks.safety.printable import one_line, printable
from ai_energy_benchmarks.safety.secrets import blanked, blanked_beginning, clipped, learn, learn_environment

KEY = 'sk-t3st/k3y+"of" thïs'
PLAIN = "hunter2hunter2"
SERVER = {"type": "openai", "model": "m", "endpoint": "http://127.0.0.1:1/v1"}


@pytest.mark.parametrize("name", [
    "api_key", "OPENAI_API_KEY", "apiKey", "X-Api-Key", "--api-key", "authorization", "Proxy-Authorization",
    "password", "DB_PASS", "MYSQL_PWD", "client_secret", "HF_TOKEN", "hf_token", "token", "access_tokens",
    "AWS_SECRET_ACCESS_KEY", "SLURM_JWT", "Cookie", "ssl_key_password",
])  # fmt: skip
def test_secret_names(name: str) -> None:
    """However their words are joined."""
    assert is_secret(name)


@pytest.mark.parametrize("name", [
    "max_new_tokens", "tokenizer", "eos_token", "pad_token", "api_key_env", "stop_token_ids", "prompt_tokens",
    "salt_key", "sort_key", "author", "j_per_output_token", "keys", "passes", "secretary", "tokens",
])  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    """The last word decides, and tokens of a tokenizer are no secrets."""
    assert not is_secret(name)


@pytest.mark.parametrize(
    "spelling",
    [KEY, quote(KEY), quote(KEY, safe=""), json.dumps(KEY), repr(KEY), repr(KEY.encode()), f"Bearer {KEY}",
     base64.b64encode(KEY.encode()).decode()],
)  # fmt: skip
def test_every_spelling_is_blanked(spelling: str) -> None:
    """As URLs, JSON, Python and headers write it."""
    learn(KEY)
    assert blanked(f"a {spelling} b").strip("\"'").startswith("a ")
    assert "t3st" not in blanked(spelling)
    assert KEY not in blanked(spelling)
    assert "***" in blanked(spelling)


def test_short_values_and_figures_stay() -> None:
    """A value of fewer than 8 characters is not looked for, and digits within a number are no secret."""
    learn("short")
    learn("12345678")
    assert blanked("short 0.12345678 912345678 12345678") == "short 0.12345678 912345678 ***"


def test_a_secret_is_blanked_before_a_text_is_cut() -> None:
    """Half of it would not be recognised; of a text that was cut already its end goes."""
    learn(PLAIN)
    assert clipped("x" * 10 + PLAIN, 15) == "x" * 10 + "***"
    assert blanked_beginning("x" * 10 + PLAIN[:-3]) == "x" * 10 + "***"


def test_every_line_of_a_secret_is_one() -> None:
    """A key with a line break is found where only its first line is quoted."""
    learn(f"{PLAIN}\nsecond-line")
    assert blanked(f"b'Bearer {PLAIN}' second-line") == "b'Bearer ***' ***"


def test_variables_of_the_environment() -> None:
    """Those with a secret name, and passwords in addresses of proxies."""
    learn_environment({"MY_OWN_TOKEN": "0f-my-0wn", "HTTPS_PROXY": f"http://me:{PLAIN}@proxy:1", "LANG": "en_US.UTF-8"})
    assert blanked(f"0f-my-0wn {PLAIN} en_US.UTF-8") == "*** *** en_US.UTF-8"


def test_values_of_the_domain_hold_no_secret() -> None:
    """Reasons, findings and errors are blanked and on one line when they are made."""
    learn(PLAIN)
    text = f"bad {PLAIN}\r\n\x1b[31mVerdict: PASS"
    assert FailedCompletion(0, text, 0.0, 1.0).reason == "bad *** \\x1b[31mVerdict: PASS"
    assert Finding("FAIL", "x", text).message == "bad *** \\x1b[31mVerdict: PASS"
    error = BackendError(text, remedy=PLAIN)
    assert (str(error), error.args) == ("bad ***\n\\x1b[31mVerdict: PASS\n  fix: ***", (error.message,))


def test_a_traceback_holds_no_secret() -> None:
    """Nor do the causes above it, whatever kind they are of."""
    learn(KEY)
    learn(PLAIN)

    def fail() -> None:
        try:
            try:
                KEY.encode("ascii")
            except UnicodeEncodeError as error:
                raise OSError(5, PLAIN, PLAIN) from error
        except OSError as error:
            raise RuntimeError({"key": [KEY]}) from error

    with pytest.raises(RuntimeError) as caught, without_secrets():
        fail()
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__)
    assert (KEY in text, PLAIN in text, repr(KEY)[1:-1] in text) == (False, False, False)


CLEAR = """
name: "${TEST_API_KEY}"
backend:
  type: openai
  model: m
  endpoint: http://user:${TEST_PASSWORD}@127.0.0.1:1/v1
  options:
    extra_body: {password: hunter2hunter2, user: {hf_token: abc, pin_password: 123456}, seed: 3}
"""


def test_config_yaml_keeps_references_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it can be run again; what was written in clear is masked, also where it is short or a number."""
    monkeypatch.setenv("TEST_API_KEY", KEY)
    monkeypatch.setenv("TEST_PASSWORD", "0ther-pass")
    config = config_from_yaml(CLEAR)
    assert (config.name, config.backend.endpoint) == (KEY, "http://user:0ther-pass@127.0.0.1:1/v1")
    written = config_to_yaml(config)
    for secret in (KEY, "0ther-pass", PLAIN, "abc", "123456"):
        assert secret not in written
        assert secret not in repr(config)
    assert 'name: "${TEST_API_KEY}"' in written
    assert 'endpoint: "http://user:${TEST_PASSWORD}@127.0.0.1:1/v1"' in written
    assert "seed: 3" in written
    again = config_from_yaml(written)
    assert (again.name, again.backend.endpoint) == (config.name, config.backend.endpoint)


def test_a_default_in_a_reference_is_written_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """``${NAME:-…}`` holds a secret where its key or its name is that of one."""
    monkeypatch.delenv("TEST_PASSWORD", raising=False)
    config = config_from_yaml(
        CLEAR.replace("${TEST_PASSWORD}", "${TEST_PASSWORD:-d3fault-pw}").replace("${TEST_API_KEY}", "x")
    )
    assert "d3fault-pw" not in config_to_yaml(config)
    assert "${TEST_PASSWORD}" in config_to_yaml(config)


@pytest.mark.parametrize(
    "block",
    [
        {"api_key": "abc"}, {"headers": {"Authorization": "Bearer abc"}}, {"options": {"token": 1234567}},
        {"options": {"headers": {"X-Api-Key": "abc"}}}, {"options": {"api_key": ["abc"]}},
        {"endpoint": {"password": "abc"}}, {"options": {"extra_body": "abc", "secret": "abc"}},
        {"name": "sk-abcdefghijklmnopqrst"},
    ],
)  # fmt: skip
def test_a_refusal_shows_no_value_of_a_secret_key(block: dict[str, object]) -> None:
    """Mistyped keys and wrong types are named without their value."""
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"backend": {**SERVER, **block, "unknown": 1}})
    assert "***" in str(caught.value)
    for secret in ("Bearer abc", "sk-abc", "1234567"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["backend.api_key", "password:hunter2hunter2", "backend.options.password=[hunter2hunter2"]
)
def test_a_wrong_override_shows_no_secret(text: str) -> None:
    """What is no assignment, or no YAML, is quoted without it."""
    with pytest.raises(ConfigError) as caught:
        parse_assignments([text])
    assert PLAIN not in str(caught.value)


def test_command_lines_are_shown_without_secrets() -> None:
    """As a word of its own, behind an equals sign, in a header and in JSON."""
    words = ["serve", "--api-key", "abc", "--hf-token=def", "--header", "Authorization: Bearer ghi", "--port", "80",
             "--config", '{"password": "jkl"}']  # fmt: skip
    shown = 'serve --api-key *** --hf-token=*** --header Authorization: *** --port 80 --config {"password": "***"}'
    assert shown_command(words) == shown


def test_masking_goes_by_key_whatever_the_length() -> None:
    """Names of properties in a JSON schema are no keys with values."""
    schema = {"properties": {"password": {"type": "string"}}}
    assert masked({"a": {"token": "x", "n": 1}, "s": schema}) == {"a": {"token": "***", "n": 1}, "s": schema}


def test_secrets_are_handed_over_through_the_environment() -> None:
    """A config for another process names them; what the user has written as a reference stays."""
    mapping: dict[str, object] = {
        "backend": {"endpoint": f"http://me:{PLAIN}@host/v1", "options": {"extra_args": ["--api-key", "abc"]}}
    }
    config, variables = handed_over(mapping)
    assert PLAIN not in str(config)
    assert variables == {"AEB_SECRET_BACKEND_ENDPOINT": f"me:{PLAIN}", "AEB_SECRET_BACKEND_OPTIONS_EXTRA_ARGS_1": "abc"}


@pytest.mark.parametrize(
    "text", ["\x1b]0;PWNED\x07", "\x9b31m", "a\rb", "a\u2028b", "\u202etxt", "a\x00b", "\x7f", "a\x85b"]
)
def test_control_characters_are_shown_not_obeyed(text: str) -> None:
    """Those of terminals, line separators and what reverses the direction of text."""
    assert one_line(text).isprintable()
    assert all(line.isprintable() for line in printable(text).split("\n"))


def test_a_key_in_the_place_of_its_variable_is_refused() -> None:
    """Without being shown."""
    with pytest.raises(ConfigError, match="name of an environment variable") as caught:
        config_from_mapping({"backend": {**SERVER, "options": {"api_key_env": "sk-abcdefghijklmnopqrst"}}})
    assert "sk-" not in str(caught.value)


def test_a_masked_config_asks_for_its_secrets_again() -> None:
    """``***`` is never sent, wherever it stands."""
    options = VllmOptions(
        extra_body={"user": {"password": "***"}}, extra_args=("--api-key=***",), environment={"A": "***"}
    )
    backend = VllmBackend(BackendSettings("m", "auto", (0,), "http://***@127.0.0.1:1/v1", "text-generation", options))
    named = [problem.partition(":")[0] for problem in backend.problems(Demand(Generation())) if "stands for" in problem]
    assert named == [
        "backend.endpoint", "backend.options.extra_body.user.password", "backend.options.environment.A",
        "backend.options.extra_args[0]",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["check", "validate", "measure", "run"])
def test_a_member_that_fails_with_a_secret_raises_without_it(method: str) -> None:
    """Whatever kind of exception it raises, and however the runner is used as a library."""
    config = config_from_mapping({"backend": {**SERVER, "options": {"extra_body": {"password": PLAIN}}}})

    class Failing:
        needs_endpoint = True

        def __getattr__(self, name: str) -> object:
            raise RuntimeError(f"{name} with {PLAIN}")

    with pytest.raises(RuntimeError) as caught:
        getattr(BenchmarkRunner(config, backend=Failing()), method)()  # type: ignore[arg-type] # it is none
    assert PLAIN not in "".join(traceback.format_exception(caught.value))
