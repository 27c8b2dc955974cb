"""The report document: what AI Energy Score reads of it, and what stands beside."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from ai_energy_benchmarks.config.carbon import tariff_for
from ai_energy_benchmarks.config.loading import config_from_yaml, config_to_yaml
from ai_energy_benchmarks.config.model import CarbonConfig, CostConfig, MetricsConfig
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.power import Samples, WindowEdges
from ai_energy_benchmarks.domain.result import Carbon, Tariff
from ai_energy_benchmarks.domain.serving import ClientLoad
from ai_energy_benchmarks.domain.verdict import Finding, Verdict
from ai_energy_benchmarks.results.document.report import report_document
from tests.factories import (
    CPU,
    DRAM,
    ENVIRONMENT,
    GPU,
    OTHER_GPU,
    completion,
    failure,
    reading,
    result,
    series,
    step,
    trial,
    verdict,
)

# aienergyscore-contract.md §7, key by key.
CONTRACT = {
    "config": {"name", "backend", "model", "dataset", "num_samples", "device_ids"},
    "summary": {
        "total_prompts",
        "successful_prompts",
        "failed_prompts",
        "total_duration_seconds",
        "avg_latency_seconds",
        "avg_time_to_first_token",
        "total_tokens",
        "total_prompt_tokens",
        "total_completion_tokens",
        "throughput_tokens_per_second",
    },
    "energy": {
        *(f"{prefix}energy_{unit}" for prefix in ("", "gpu_", "cpu_", "ram_", "total_") for unit in ("wh", "kwh")),
        "emissions_kg_co2eq",
        "emissions_g_co2eq",
        "duration_seconds",
        "carbon_intensity_g_per_kwh",
        "project_name",
        "country",
        "region",
    },
}
WORDS = {"project_name", "country", "region", "emissions_source"}


@pytest.mark.parametrize("trials", [None, []], ids=["five trials", "no trial"])
@pytest.mark.parametrize("block", CONTRACT)
def test_every_key_of_the_contract_is_there(block: str, trials):
    """The blocks that AI Energy Score reads have their keys, also of a run that measured nothing."""
    assert report_document(result(trials))[block].keys() >= CONTRACT[block]


@pytest.mark.parametrize("trials", [None, []], ids=["five trials", "no trial"])
def test_every_figure_of_the_contract_is_a_number(trials):
    """A caller may format each summary and energy figure without looking at it."""
    document = report_document(result(trials))
    figures = {**document["summary"], **document["energy"]}
    for key, value in figures.items():
        if key not in WORDS and not key.endswith("_source"):
            assert isinstance(value, int | float), key


def test_energy_wh_is_the_energy_of_the_gpu():
    """3600 J on the board are 1 Wh, whatever the CPU took; the total has both."""
    document = report_document(result([trial(1, reading(GPU, 3600), reading(CPU, 1800))]))
    energy = document["energy"]
    assert (energy["energy_wh"], energy["gpu_energy_wh"], energy["gpu_energy_kwh"]) == (1, 1, 0.001)
    assert (energy["cpu_energy_wh"], energy["total_energy_wh"]) == (0.5, 1.5)


def test_an_absent_component_says_so_beside_its_zero():
    """Only here is absent written as 0.0, and the source beside it says absent."""
    energy = report_document(result([trial(1, reading(CPU, 10, provenance="modelled", meter="modelled"))]))["energy"]
    assert (energy["gpu_energy_wh"], energy["gpu_energy_source"]) == (0.0, "absent")
    assert energy["cpu_energy_source"] == "modelled"
    assert (energy["ram_energy_source"], energy["total_energy_source"]) == ("absent", "modelled")


def test_memory_is_called_ram():
    """What the meters call DRAM stands under ``ram`` as AI Energy Score expects."""
    energy = report_document(result([trial(1, reading(DRAM, 7200))]))["energy"]
    assert (energy["ram_energy_wh"], energy["ram_energy_source"]) == (2, "measured")


def test_a_device_whose_energy_is_not_resolved_has_its_bounds_alone():
    """As its component: 10 J within 30 J are no figure, nor is one of which a rest was none."""
    loose, restless = reading(GPU, 10, 30), evolve(reading(CPU, 10, 1), edges=WindowEdges("unsettled", 1.0, 1.0, 0.0))
    first, second = report_document(result([trial(1, loose, restless, reading(DRAM, 10, 1))]))["metrics_metadata"][
        "devices"
    ][:2]
    assert [first[f"energy{end}_j"] for end in ("", "_low", "_high")] == [None, -20, 40]
    assert [second[f"energy{end}_j"] for end in ("", "_low", "_high")] == [None, 9, 11]


def test_a_trial_of_a_server_has_its_client():
    """With how busy it was; a trial in process has none."""
    served = evolve(trial(1, reading()), client=ClientLoad(2, 1.5, 0.001))
    first, second = report_document(result([served, trial(2, reading())]))["trials"]
    assert (first["client"]["concurrency"], first["client"]["cpu_time_s"], first["client"]["loop_lag_s"]) == (
        2,
        1.5,
        0.001,
    )
    assert "client" not in second


def test_an_unresolved_window_writes_its_estimate_for_the_score_and_null_elsewhere():
    """The contract wants a number; everywhere else an unresolved figure is null between its bounds."""
    document = report_document(result([trial(1, reading(GPU, 3600, 1800))]))
    assert document["verdict"]["level"] == "FAIL"
    assert document["energy"]["gpu_energy_wh"] == 1
    own = document["components"]["gpu"]
    assert (own["energy_j"], own["energy_low_j"], own["energy_high_j"]) == (None, 1800, 5400)
    assert document["derived"]["gpu"]["wh_per_1000_queries"] == {"value": None, "low": 100, "high": 300}


def test_summary_is_of_one_pass_and_totals_are_of_all():
    """Three trials of five requests: five in the summary, fifteen in the totals."""
    document = report_document(result([trial(i, reading(GPU, 100 * i)) for i in (1, 2, 3)]))
    assert document["summary"]["total_prompts"] == 5
    assert document["summary"]["total_completion_tokens"] == 20
    assert document["components"]["gpu"]["energy_j"] == 200
    totals = document["totals"]
    assert (totals["trials"], totals["requests"], totals["output_tokens"]) == (3, 15, 60)
    assert totals["energy_j"] == {"gpu": 600}
    assert totals["duration_s"] == 30


def test_each_trial_stands_alone():
    """A trial has its own energy, tokens, duration and failures."""
    trials = [
        trial(1, reading(GPU, 100)),
        trial(2, reading(GPU, 90), outcomes=[completion(0), failure(1)], complete=False),
    ]
    rows = report_document(result(trials))["trials"]
    assert [each["number"] for each in rows] == [1, 2]
    assert [each["failed"] for each in rows] == [0, 1]
    assert [each["output_tokens"] for each in rows] == [20, 4]
    assert [each["complete"] for each in rows] == [True, False]
    assert rows[1]["energy"]["gpu"] == {"energy_j": 90, "energy_low_j": 89, "energy_high_j": 91}


def test_steps_have_rows_of_their_own():
    """Loading the model is a row with its time and energy, and no part of the pass."""
    document = report_document(result(steps=[step("load", reading(GPU, 5000), duration_s=30)]))
    (load,) = document["steps"]
    assert (load["name"], load["duration_s"], load["energy"]["gpu"]["energy_j"]) == ("load", 30, 5000)
    assert document["components"]["gpu"]["energy_j"] == 100


def test_figures_per_unit():
    """100 J over 20 output and 50 prompt tokens of 5 requests in 10 s."""
    figures = report_document(result())["derived"]["gpu"]
    assert figures["j_per_output_token"]["value"] == 5
    assert figures["j_per_output_token"]["n"] == 5
    assert figures["j_per_prompt_token"]["value"] == 2
    assert figures["j_per_total_token"]["value"] == pytest.approx(100 / 70)
    assert figures["output_tokens_per_j"]["value"] == 0.2
    assert figures["wh_per_request"]["value"] == pytest.approx(20 / 3600)
    assert figures["wh_per_1000_queries"]["value"] == pytest.approx(20 / 3.6)
    assert figures["average_power_w"]["value"] == 10


def test_latency_is_in_milliseconds():
    """A first token after 0.1 s is 100 ms; what nobody saw is null."""
    latency = report_document(result([trial(1, outcomes=[completion(0, output_tokens=1)])]))["latency_ms"]
    assert latency["ttft"]["p50"] == 100
    assert latency["ttft"]["n"] == 1
    assert latency["itl"] is None


def test_emissions_are_energy_times_intensity_times_pue():
    """3.6 MJ are 1 kWh: at 300 g/kWh and PUE 1.5 that is 450 g, from gross energy of all components seen."""
    found = result([trial(1, reading(GPU, 3.0e6), reading(CPU, 0.6e6))], carbon=Carbon(300, 1.5, "grid average"))
    energy = report_document(found)["energy"]
    assert energy["emissions_g_co2eq"] == pytest.approx(450)
    assert energy["emissions_kg_co2eq"] == pytest.approx(0.45)
    assert energy["emissions_source"] == "grid average"


def test_cost_is_energy_times_price_and_the_pue_only_of_a_site():
    """1 kWh at 0.25 EUR is 0.25 EUR a pass; what the whole site pays includes its PUE."""
    trials = [trial(1, reading(GPU, 3.0e6), reading(CPU, 0.6e6))]
    metered = report_document(evolve(result(trials), tariff=Tariff(0.25, "EUR")))["cost"]
    assert metered["per_pass"] == pytest.approx(0.25)
    assert metered["currency"] == "EUR"
    site = report_document(evolve(result(trials), tariff=Tariff(0.25, "EUR", 1.5)))["cost"]
    assert site["per_pass"] == pytest.approx(0.375)
    assert report_document(result(trials))["cost"] is None
    carbon = CarbonConfig(intensity_g_per_kwh=300, source="grid", pue=1.5)
    for site_tariff, pue in ((False, 1.0), (True, 1.5)):
        asked = MetricsConfig(carbon=carbon, cost=CostConfig(0.25, "EUR", site_tariff))
        assert tariff_for(asked) == Tariff(0.25, "EUR", pue)


def test_the_cost_of_1000_queries_is_that_of_those_that_succeeded():
    """As their energy is: two that failed are in what is paid; requests that are cut are no queries."""
    outcomes = [*(completion(i) for i in range(8)), failure(8), failure(9)]
    found = evolve(result([trial(1, reading(GPU, 3.6e6), outcomes=outcomes)]), tariff=Tariff(0.25, "EUR"))
    cost = report_document(found)["cost"]
    assert (cost["per_pass"], cost["per_1000_queries"]) == pytest.approx((0.25, 1000 * 0.25 / 8))
    part = report_document(evolve(found, summary=evolve(found.summary, whole_requests=False)))["cost"]
    assert (part["per_pass"], part["per_1000_queries"]) == (cost["per_pass"], None)


def test_the_energy_at_the_wall_is_the_sum_of_the_components_times_a_stated_factor():
    """1 kWh of board and processor at a factor of 1.25 is 4.5 MJ at the wall, of which emissions and cost are then."""
    trials = [trial(1, reading(GPU, 3.0e6, 0.4e6), reading(CPU, 0.6e6))]
    stated = evolve(result(trials, carbon=Carbon(300, 1.5, "grid")), tariff=Tariff(0.25, "EUR"), wall_factor=1.25)
    document = report_document(stated)
    assert document["wall"]["energy_j"] == pytest.approx({"value": 4.5e6, "low": 4.0e6, "high": 5.0e6}, rel=1e-6)
    assert document["energy"]["emissions_g_co2eq"] == pytest.approx(1.25 * 450)
    assert document["cost"]["per_pass"] == pytest.approx(1.25 * 0.25)
    assert document["energy"]["total_energy_kwh"] == pytest.approx(1.0)


def test_no_wall_factor_is_guessed():
    """Without one there is no figure, and the report says what the others cover."""
    assert report_document(result())["wall"] == {
        "factor": None,
        "energy_j": None,
        "covers": "measured components only; power supply, fans and network excluded",
    }


@pytest.mark.parametrize(
    "found", [result(), result([], carbon=Carbon(300, 1.5, "grid average"))], ids=["no intensity", "no energy"]
)
def test_emissions_are_never_guessed(found):
    """Without an intensity, or without energy, emissions are absent."""
    energy = report_document(found)["energy"]
    assert (energy["emissions_g_co2eq"], energy["emissions_source"]) == (0.0, "absent")


def test_board_state_is_that_at_the_end_of_the_trials():
    """The last reading before the last trial's end counts, under the board's own index."""
    board = Board(GPU.id, 3, "Test board", memory_bytes=80 * 2**30)
    temperature = series(GPU, "temperature_celsius", (25.0, 29.0, 40.0), (50.0, 61.0, 45.0))
    found = result(
        [trial(1, reading())],
        environment=evolve(ENVIRONMENT, boards=(board,)),
        samples=Samples((temperature, series(GPU), series(CPU))),
    )
    # The trial lasts from 20 s to 30 s, and the call that read the last power ended just after.
    document = report_document(found)
    assert document["gpu_stats"] == {
        "gpu_3": {
            "utilization_percent": 0.0,
            "memory_used_mb": 0.0,
            "memory_total_mb": 81920.0,
            "memory_percent": 0.0,
            "temperature_c": 61.0,
            "power_draw_w": 200.0,
        }
    }
    absent = ["utilization_percent", "memory_used_mb", "memory_percent"]
    assert document["metrics_metadata"]["gpu_stats_absent"] == {"gpu_3": absent}


def test_memory_in_use_is_a_share_of_the_boards_memory():
    """In MB and percent, beside the utilization."""
    board = Board(GPU.id, 0, "Test board", memory_bytes=80 * 2**30)
    used = series(GPU, "memory_used_bytes", (25.0,), (20.0 * 2**30,))
    busy = series(GPU, "utilization_percent", (25.0,), (93.0,))
    found = result(environment=evolve(ENVIRONMENT, boards=(board,)), samples=Samples((used, busy)))
    stats = report_document(found)["gpu_stats"]["gpu_0"]
    assert (stats["memory_used_mb"], stats["memory_percent"], stats["utilization_percent"]) == (20480.0, 25.0, 93.0)


def test_no_samples_no_board_state():
    """Without raw series nothing is said of the boards."""
    assert report_document(result())["gpu_stats"] == {}


def test_devices_beside_the_workload_are_listed_apart():
    """A board that the workload does not use is in the list, uncounted, and in no sum."""
    document = report_document(result([trial(1, reading(GPU, 100), reading(OTHER_GPU, 40, counted=False))]))
    devices = {each["id"]: each for each in document["metrics_metadata"]["devices"]}
    assert (devices[OTHER_GPU.id]["counted"], devices[OTHER_GPU.id]["energy_j"]) == (False, 40)
    assert document["components"]["gpu"]["energy_j"] == 100


def test_reasons_stand_beside_what_is_absent():
    """The document repeats why a component is missing."""
    document = report_document(result([trial(1, reading(GPU), absent={"dram": "no RAPL domain for memory"})]))
    assert document["absent"]["dram"] == "no RAPL domain for memory"


def test_the_document_stays_small_however_much_was_done():
    """Ten thousand requests, and a hundred trials stay under 50 kB as written."""
    requests = [completion(i, text="secret " * 50) for i in range(10_000)]
    trials = [
        trial(
            i, reading(GPU, 100 / 3), reading(CPU, 50 / 7), reading(DRAM, 10 / 3), outcomes=requests if i == 1 else None
        )
        for i in range(1, 101)
    ]
    found = result(trials)
    text = json.dumps(report_document(found), allow_nan=False, indent=2)
    assert len(text.encode()) <= 50_000
    assert "secret" not in text
    assert report_document(found)["trials_left_out"] == 70


def test_long_messages_are_cut():
    """A reason of many pages does not fill the document."""
    judged = Verdict((Finding("FAIL", "requests", "x" * 100_000),))
    assert len(json.dumps(report_document(result(judged=judged)))) < 50_000


def test_figures_that_are_not_finite_never_appear():
    """A meter that returns infinity or NaN gives null, and 0.0 where the contract wants a number."""
    broken = reading(GPU, float("nan"), float("inf"))
    document = report_document(result([trial(1, broken)], judged=verdict([])))
    json.dumps(document, allow_nan=False)
    assert document["energy"]["gpu_energy_wh"] == 0.0
    assert document["components"]["gpu"]["energy_j"] is None


def test_the_settings_are_those_of_the_config_without_where_results_go() -> None:
    """Whoever compares two results finds every key; names and places are no part of what was measured."""
    made = evolve(result(), config_yaml="name: x\noutput_dir: y\nload: {concurrency: 4}\n")
    assert report_document(made)["config"]["settings"] == {"load": {"concurrency": 4}}
    assert report_document(evolve(made, config_yaml=""))["config"]["settings"] == {}


def test_conditions_are_means_over_the_trials() -> None:
    """Clock, temperature, power limit and brakes of each counted GPU, by the time that each reading held."""
    trials = [trial(1, reading()), trial(2, reading())]  # 20 to 30 s and 40 to 50 s
    samples = Samples(
        (
            series(quantity="clock_hz", times_s=(19.0, 25.0, 45.0, 50.0), values=(1.0e9, 2.0e9, 1.0e9, 1.0e9)),
            series(quantity="temperature_celsius", times_s=(19.0, 50.0), values=(60.0, 60.0)),
            series(quantity="power_limit_w", times_s=(19.0,), values=(300.0,)),  # not read any more
            series(quantity="throttle_reasons", times_s=(19.0, 45.0), values=(0.0, 0x20)),
            series(OTHER_GPU, quantity="clock_hz", times_s=(19.0,), values=(3.0e9,)),
        )
    )
    (gpu,) = report_document(result(trials, samples=samples))["gpu_conditions"]
    assert gpu == {
        "id": "GPU-0",
        "name": "Test board 0",
        "sm_clock_mhz": pytest.approx(1500.0, rel=1e-4),
        "temperature_celsius": 60.0,
        "power_limit_w": None,
        "throttled_share": {"the driver's thermal limit": pytest.approx(0.25, rel=1e-4)},
    }


def test_the_settings_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the value of a variable that the config refers to, nor a short one that is written there."""
    monkeypatch.setenv("SHORT_KEY", "abc")
    options = "{extra_body: {api_key: '${SHORT_KEY}', token: xyz}}"
    config = f"backend: {{type: openai, model: m, endpoint: 'http://u:pw1@localhost/v1', options: {options}}}"
    made = evolve(result(), config_yaml=config_to_yaml(config_from_yaml(config)))
    settings = json.dumps(report_document(made)["config"]["settings"])
    assert '"extra_body": {"api_key": "***", "token": "***"}' in settings
    assert not any(secret in settings for secret in ("abc", "xyz", "pw1"))
