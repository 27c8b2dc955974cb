"""Blocks of the report document that only some runs have: steady windows, fillers, servers, objectives, by hand."""

from __future__ import annotations

from datetime import date

import pytest
from attrs import asdict, evolve

from ai_energy_benchmarks.domain.bounds import Bounds
from ai_energy_benchmarks.domain.environment import Board
from ai_energy_benchmarks.domain.power import Device, WindowEdges
from ai_energy_benchmarks.domain.result import Carbon, Reasoning, Trial
from ai_energy_benchmarks.domain.serving import ClientLoad, Goodput, ServerCounters, ServerLoad, Slo
from ai_energy_benchmarks.domain.steady import SteadyWindow
from ai_energy_benchmarks.domain.summary import SteadyTrial
from ai_energy_benchmarks.results.document import sections, work_figures
from ai_energy_benchmarks.results.document.gpus import STATS
from ai_energy_benchmarks.results.document.report import config_settings, report_document
from tests.factories import CPU, GPU, completion, measurement, reading, trial
from tests.unit.summary_by_hand import GPU_ENERGY, RESULT, SUMMARY
from tests.unit.test_document_by_hand import STEADY
from tests.unit.test_document_rows_by_hand import gauge, of_gauges

LOAD = ServerLoad(5, 3.0, 4.0, 1.5, 7.0, 0.25, 0.75)
COUNTERS = ServerCounters(40, 20, 30, 12, 2)
WINDOW = SteadyWindow(43.0, 49.0, 4, measurement(reading(GPU, 60.0, 3.0), reading(CPU, 8.0, 4.0)), server_load=LOAD)
FIGURES = SteadyTrial(2, 6.0, Bounds(90.0, 100.0, 120.0), (50.0, 50.0), 30.0)


def steady_trial(**changed: object) -> Trial:
    """A second trial from 40 to 50 s, with a steady window of 6 s."""
    return evolve(trial(2, reading(), outcomes=[completion(0, sent_s=40.0)]), **{"steady": WINDOW, **changed})


def test_a_trial_has_its_steady_window_in_time_tokens_and_energy() -> None:
    """On the clock of the world; an energy whose bounds are too wide has no bare number."""
    assert work_figures.steady_window(steady_trial(), FIGURES, 7.0) == {
        "steady": {
            "started_unix_s": 50.0,
            "duration_s": 6.0,
            "output_tokens": 100.0,
            "output_tokens_low": 90.0,
            "output_tokens_high": 120.0,
            "energy": {
                "cpu": {"energy_j": None, "energy_low_j": 4.0, "energy_high_j": 12.0},
                "gpu": {"energy_j": 60.0, "energy_low_j": 57.0, "energy_high_j": 63.0},
            },
            "server_load": asdict(LOAD),
        }
    }


def test_a_steady_window_needs_its_figures() -> None:
    """Without a gauge there is no load; without figures, as of a trial that does not count, no window."""
    unwatched = evolve(WINDOW, server_load=None, measurement=None)
    block = work_figures.steady_window(steady_trial(steady=unwatched), FIGURES, 7.0)["steady"]
    assert "server_load" not in block
    assert block["energy"] == {}
    assert work_figures.steady_window(steady_trial(), None, 7.0) == {}
    assert work_figures.steady_window(steady_trial(steady=None), FIGURES, 7.0) == {}
    assert work_figures.steady_window(steady_trial(steady=None), None, 7.0) == {}
    short = steady_trial(steady=None, steady_absent="it was too short")
    assert work_figures.steady_window(short, None, 7.0) == {"steady_absent": "it was too short"}
    assert work_figures.steady_window(short, FIGURES, 7.0) == {"steady_absent": "it was too short"}


def test_fillers_are_counted_apart_from_the_requests() -> None:
    """Two that finished and one that was cut off: 4 + 6 tokens, and 2 events of as many tokens as of the others."""
    cut = evolve(completion(7, sent_s=41.0, output_tokens=2), finish_reason="cancelled", output_tokens=0)
    fillers = (completion(5, sent_s=40.5), cut, completion(6, sent_s=40.0, output_tokens=6))
    found = work_figures.steady_window(steady_trial(steady=None, fillers=fillers), None, 0.0)
    assert found == {"fillers": {"requests": 3, "cancelled": 1, "output_tokens": 12.0}}
    both = work_figures.steady_window(steady_trial(fillers=fillers), FIGURES, 0.0)
    assert list(both) == ["fillers", "steady"]
    (row,) = sections.trial_rows([steady_trial(fillers=fillers)], None, 0.0)["trials"]
    assert (row["requests"], row["output_tokens"], row["fillers"]["requests"]) == (1, 4, 3)


def test_a_row_takes_the_figures_of_its_own_trial() -> None:
    """By its number; a trial that the steady state does not count has none, and without a steady state none has."""
    steady = evolve(STEADY, trials=(FIGURES, evolve(FIGURES, number=3, bounds_tokens=Bounds.exact(55.0))))
    trials = [evolve(steady_trial(), number=number) for number in (1, 2, 3)]
    rows = sections.trial_rows(trials, steady, 0.0)["trials"]
    assert [row["steady"]["output_tokens"] if "steady" in row else None for row in rows] == [None, 100.0, 55.0]
    assert all("steady" not in row for row in sections.trial_rows(trials, None, 0.0)["trials"])


def test_a_row_has_the_loads_of_client_and_server() -> None:
    """Each under its key, where it was watched."""
    client = ClientLoad(2, 0.5, 0.01)
    watched = evolve(trial(1, reading()), client=client, server=COUNTERS, server_load=LOAD)
    (row,) = sections.trial_rows([watched], None, 0.0)["trials"]
    assert row["client"] == asdict(client)
    assert row["server_counters"] == {
        "prompt_tokens": 40,
        "output_tokens": 20,
        "prefix_cache_queries_tokens": 30,
        "prefix_cache_hit_tokens": 12,
        "preemptions": 2,
    }
    assert row["server_load"] == {
        "readings": 5,
        "running_mean": 3.0,
        "running_most": 4.0,
        "waiting_mean": 1.5,
        "waiting_most": 7.0,
        "kv_cache_mean_share": 0.25,
        "kv_cache_most_share": 0.75,
    }
    (plain,) = sections.trial_rows([trial(1, reading())], None, 0.0)["trials"]
    assert not {"client", "server_counters", "server_load"} & set(plain)


def test_a_device_is_settled_if_it_was_in_every_trial() -> None:
    """One rest that was none leaves the bounds alone."""
    unsettled = evolve(reading(GPU, 200.0), edges=WindowEdges("unsettled", 0.1, 100.0, 1.0))
    first, second = trial(1, reading(GPU, 100.0)), trial(2, unsettled)
    for trials in ([first, second], [second, first]):
        (row,) = sections.devices(trials)
        assert (row["energy_j"], row["energy_low_j"], row["energy_high_j"]) == (None, 149.0, 151.0)
    (row,) = sections.devices([first, trial(2, reading(GPU, 200.0))])
    assert row["energy_j"] == 150.0


def test_a_device_counts_if_it_does_in_every_trial() -> None:
    """Whichever trial came first: strangers on a GPU of one trial leave its component without a figure."""
    counted, other = trial(1, reading(GPU, 100.0)), trial(2, reading(GPU, 200.0, counted=False))
    for trials in ([counted, other], [other, counted]):
        assert [(row["counted"], row["energy_j"]) for row in sections.devices(trials)] == [(False, 150.0)]
    assert [row["counted"] for row in sections.devices([counted, evolve(counted, number=2)])] == [True]


def test_memory_in_use_is_a_share_of_a_gpu_s_memory() -> None:
    """Three of 80 MiB are 3.75 %."""
    board = Board("GPU-0", 0, "Test", memory_bytes=80 * 2**20)
    found, _ = of_gauges(gauge("memory_used_bytes", [3 * 2.0**20]), boards=(board,))
    assert found == {
        "gpu_0": {**dict.fromkeys(STATS, 0.0), "memory_used_mb": 3.0, "memory_total_mb": 80.0, "memory_percent": 3.75}
    }


def test_the_state_of_gpus_is_of_gpus() -> None:
    """Neither the power of the processor nor that of the whole machine is a GPU's."""
    found, _ = of_gauges(gauge("power_w", [9.0], CPU), gauge("power_w", [500.0], Device("system", "psu")))
    assert found == {}


@pytest.mark.parametrize("duration_s", [0.5, 1.0, 4.0])
def test_a_pass_of_any_length_has_its_rate(duration_s: float) -> None:
    """250 tokens over its time."""
    found = work_figures.derived(evolve(SUMMARY, steady=STEADY, duration_s=duration_s))
    assert found["gpu"]["whole_pass"]["output_tokens_per_s"] == 250 / duration_s


def test_a_figure_per_token_that_is_not_there_is_null() -> None:
    """Its scatter alone makes no figure, nor do its bounds alone."""
    for changed in ({"per_output_token_j": None}, {"per_output_token_bounds_j": None}):
        summary = evolve(SUMMARY, components=(evolve(GPU_ENERGY, **changed),))
        assert work_figures.derived(summary)["gpu"]["j_per_output_token"] is None


def test_blocks_of_reasoning_objectives_and_server_are_there_or_null() -> None:
    """Each with its own figures; the server's counters are those of all complete trials."""
    plain = report_document(RESULT)
    assert (plain["reasoning"], plain["goodput"], plain["server"]) == (None, None, None)
    reasoning = Reasoning(True, "qwen3", "flag", {"enable_thinking": True}, "ab", "cd", "a page")
    summary = evolve(SUMMARY, goodput=Goodput(Slo(0.5, None, 3.0), 30.0, 2.0, None, 0.75))
    trials = tuple(evolve(trial(number, reading()), server=COUNTERS, server_load=LOAD) for number in (1, 2))
    document = report_document(evolve(RESULT, reasoning=reasoning, summary=summary, trials=trials))
    assert document["reasoning"] == {
        "asked": True,
        "family": "qwen3",
        "type": "flag",
        "sent": {"enable_thinking": True},
        "rendered_sha256": "ab",
        "opposite_sha256": "cd",
        "source": "a page",
    }
    assert document["goodput"] == {
        "slo": {"ttft_s": 0.5, "tpot_s": None, "e2e_s": 3.0},
        "good_requests": 30.0,
        "unknown_requests": 2.0,
        "requests_per_s": None,
        "share": 0.75,
    }
    assert document["server"] == {
        "readings": 10,
        "running_mean": 3.0,
        "running_most": 4.0,
        "waiting_mean": 1.5,
        "waiting_most": 7.0,
        "kv_cache_mean_share": 0.25,
        "kv_cache_most_share": 0.75,
        "prefix_cache_hit_share": 0.4,
        "preemptions": 4,
    }


def test_what_json_has_no_type_for_is_null() -> None:
    """A date in an option; null, numbers, truth and text stay what they are."""
    options = {
        "day": date(2026, 1, 2),
        "none": None,
        "some": 3,
        "yes": True,
        "text": "a",
        "pair": (1, "b"),
    }
    subject = evolve(RESULT.subject, dataset_options=options)
    assert report_document(evolve(RESULT, subject=subject))["config"]["dataset_options"] == {
        "day": None,
        "none": None,
        "some": 3,
        "yes": True,
        "text": "a",
        "pair": [1, "b"],
    }


def test_the_settings_keep_references_to_secrets_as_they_were_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored config needs no variable, and takes none."""
    monkeypatch.setenv("AEB_TEST_KEY", "k-123456")
    found = config_settings("backend: {api_key: '${AEB_TEST_KEY}'}\n")
    assert "k-123456" not in str(found)
    monkeypatch.delenv("AEB_TEST_KEY")
    assert config_settings("backend: {api_key: '${AEB_TEST_KEY}'}\n") == found


def test_emissions_have_the_source_of_their_intensity() -> None:
    """Where there are any; the intensity keeps it where there are none."""
    carbon = Carbon(400.0, 1.5, "measured here")
    energy = report_document(evolve(RESULT, carbon=carbon))["energy"]
    assert (energy["emissions_source"], energy["carbon_intensity_source"]) == ("measured here", "measured here")
    none = report_document(evolve(RESULT, carbon=carbon, summary=evolve(SUMMARY, total=None)))["energy"]
    assert (none["emissions_source"], none["carbon_intensity_source"]) == ("absent", "measured here")
    plain = report_document(RESULT)["energy"]
    assert (plain["emissions_source"], plain["carbon_intensity_source"]) == ("absent", "absent")
