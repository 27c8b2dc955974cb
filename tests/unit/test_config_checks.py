"""Rules between keys: each contradiction is one problem with the key that has to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.config.loading import config_from_mapping
from ai_energy_benchmarks.config.model import BenchmarkConfig
from ai_energy_benchmarks.config.overrides import with_overrides
from ai_energy_benchmarks.errors import ConfigError
from tests.foreign_members import install

ENDPOINT = "http://localhost:8000/v1"


@pytest.fixture(autouse=True)
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another distribution brings a server and an engine in process."""
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def load(**overrides: object) -> BenchmarkConfig:
    """A config with keys changed; ``__`` stands for a dot."""
    smallest: dict[str, object] = {"backend": {"type": "test-engine", "model": "m"}}
    return config_from_mapping(
        with_overrides(smallest, {key.replace("__", "."): value for key, value in overrides.items()})
    )


def problem(**overrides: object) -> str:
    """The one problem of such a config."""
    with pytest.raises(ConfigError) as caught:
        load(**overrides)
    title, line = caught.value.message.splitlines()
    assert title == "the config has a problem:"
    return line.strip()


def test_a_server_needs_an_endpoint() -> None:
    """The message has the form that AIEnergyScore looks for."""
    server = {"backend__type": "test-server", "backend__options": {"token": "t"}}
    assert load(**server, backend__endpoint=ENDPOINT).backend.endpoint == ENDPOINT
    assert problem(**server) == (
        "backend.endpoint: test-server backend requires endpoint, such as http://localhost:8000/v1"
    )


def test_an_engine_in_process_has_no_endpoint() -> None:
    """An endpoint that nobody would call is refused."""
    assert problem(backend__endpoint=ENDPOINT) == (
        f"backend.endpoint: the test-engine backend runs in this process and has no endpoint, got '{ENDPOINT}'"
    )


def test_members_of_other_distributions_have_options_too() -> None:
    """Their options are structured into their own class, required ones included; without a class there are none."""
    server = load(backend__type="test-server", backend__endpoint=ENDPOINT, backend__options={"token": "t"})
    assert repr(server.backend.options) == "ServerOptions(token='***', retries=3)"
    missing = problem(backend__type="test-server", backend__endpoint=ENDPOINT)
    assert missing == "backend.options.token: is required and missing"
    none = problem(backend__options={"retries": 1})
    assert none == "backend.options.retries: is not a key of this block (value: 1); known here: none"


def test_a_member_that_cannot_be_imported_is_a_problem() -> None:
    """A broken distribution is told like a wrong name, with the reason."""
    assert problem(backend__type="test-broken") == (
        "backend.type: backend 'test-broken' cannot be imported: No module named 'aeb_test_members_missing'"
    )


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], "must name at least one GPU, got []"),
        ([0, 1, 0], "names GPU 0 2 times"),
        ([-1], "must be at least 0, got -1"),
    ],
)
def test_boards_are_named_once(ids: list[int], expected: str) -> None:
    """At least one board, and none twice."""
    assert problem(backend__device_ids=ids).partition(": ")[2] == expected


def test_fewest_tokens_are_at_most_the_most() -> None:
    """Equal is allowed: that fixes the length."""
    both = "scenario__generate_kwargs__min_new_tokens"
    assert load(**{both: 100}).scenario.generate_kwargs.min_new_tokens == 100
    assert problem(**{both: 101}) == (
        "scenario.generate_kwargs.min_new_tokens: must be at most max_new_tokens (100), got 101"
    )


@pytest.mark.parametrize(("name", "value"), [("temperature", 0.7), ("top_k", 5), ("top_p", 0.9), ("min_p", 0.1)])
def test_sampling_parameters_need_sampling(name: str, value: float) -> None:
    """What greedy decoding would ignore is refused by name; with do_sample it is taken."""
    sampling = {f"scenario__generate_kwargs__{name}": value}
    assert problem(**sampling) == (
        f"scenario.generate_kwargs.{name}: has no effect without do_sample: true, got {value}; "
        f"set that or remove {name}"
    )
    generate = load(**sampling, scenario__generate_kwargs__do_sample=True).scenario.generate_kwargs
    assert getattr(generate, name) == value


def test_a_repetition_penalty_needs_no_sampling() -> None:
    """It changes greedy decoding too."""
    assert load(scenario__generate_kwargs__repetition_penalty=1.1).scenario.generate_kwargs.repetition_penalty == 1.1


def test_a_run_without_meters_says_so() -> None:
    """An empty list is refused unless metrics are disabled."""
    assert problem(metrics__collectors=[]) == (
        "metrics.collectors: must name at least one meter, got []; metrics.enabled: false runs without energy"
    )
    assert load(metrics__collectors=[], metrics__enabled=False).metrics.collectors == ()


def test_a_share_alone_is_no_meter() -> None:
    """What only stands beside a meter would leave a run without energy, and is refused before it."""
    assert problem(metrics__collectors=["cpu_share"]) == (
        "metrics.collectors: names no meter of energy, got ['cpu_share']; add one"
    )
    assert len(load(metrics__collectors=["modelled", "cpu_share"]).metrics.collectors) == 2


def test_a_meter_is_named_once() -> None:
    """Two of the same would count energy twice."""
    assert problem(metrics__collectors=["modelled", "modelled"]) == "metrics.collectors: names 'modelled' 2 times"


def test_no_two_reporters_write_the_same_file() -> None:
    """Neither the same reporter twice nor two formats in one file."""
    assert problem(reporters=["json", "json"]) == "reporters: names 'json' 2 times for the same file"
    shared = [{"type": "json", "output_file": "x"}, {"type": "csv", "output_file": "x"}]
    assert problem(reporters=shared) == "reporters: write 2 different formats to 'x'"
    apart = [{"type": "json", "output_file": "x"}, {"type": "json", "output_file": "y"}]
    assert len(load(reporters=apart).reporters) == 2


@pytest.mark.parametrize(("key", "value"), [("last", 4), ("cv", 0.2), ("max_requests", 20)])
def test_keys_of_a_converging_warmup_do_nothing_in_a_fixed_one(key: str, value: float) -> None:
    """They are refused where they would be ignored."""
    assert problem(**{f"protocol__warmup__{key}": value}) == (
        f"protocol.warmup.{key}: has no effect with mode: fixed, got {value}; set mode: converge or remove {key}"
    )
    assert load(**{"protocol__warmup__mode": "converge", f"protocol__warmup__{key}": value})


def test_a_pue_without_an_intensity_belongs_to_a_site_tariff() -> None:
    """Alone it would have no effect."""
    text = "metrics.carbon: needs intensity_g_per_kwh with its source, or metrics.country_iso_code"
    assert problem(metrics__carbon__pue=1.4) == text
    cost = {"price_per_kwh": 0.2, "currency": "EUR"}
    assert problem(metrics__carbon__pue=1.4, metrics__cost=cost) == text
    assert load(metrics__carbon__pue=1.4, metrics__cost=cost | {"site_tariff": True})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("wall_factor", 115, "must be at most 10, got 115"),
        ("carbon__pue", 120, "must be at most 10, got 120"),
        ("carbon__intensity_g_per_kwh", 0.38, "is in grams per kWh, of which grids have 5 to 1,500, got 0.38"),
    ],
)
def test_percentages_and_kilograms_are_refused(key: str, value: float, words: str) -> None:
    """Every figure would be off by a hundred or a thousand."""
    carbon = {"metrics__carbon__intensity_g_per_kwh": 380, "metrics__carbon__source": "the grid"}
    changes = carbon | {f"metrics__{key}": value} if key.startswith("carbon") else {f"metrics__{key}": value}
    assert problem(**changes) == f"metrics.{key.replace('__', '.')}: {words}"
