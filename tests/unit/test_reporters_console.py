"""What people read, as text of 80 columns."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from attrs import evolve
from rich.console import Console

from ai_energy_benchmarks.analysis.verdict import Planned
from ai_energy_benchmarks.domain.architecture import Architecture
from ai_energy_benchmarks.domain.digits import bounds, figure
from ai_energy_benchmarks.domain.result import BenchmarkResult, Carbon
from ai_energy_benchmarks.domain.serving import ClientLoad
from ai_energy_benchmarks.domain.verdict import Finding, Verdict, not_checked
from ai_energy_benchmarks.reporters.base import ReporterSettings
from ai_energy_benchmarks.reporters.console import ConsoleReporter
from ai_energy_benchmarks.reporters.figures import amount, with_half_width
from tests.factories import CPU, ENGINE, GPU, OTHER_GPU, completion, failure, reading, result, step, trial, verdict

GOLDEN = Path(__file__).parent / "golden" / "console.txt"


def shown(found: BenchmarkResult, width: int = 80) -> str:
    stream = io.StringIO()
    assert ConsoleReporter(Console(file=stream, width=width)).report(found) == ()
    return stream.getvalue()


def full_run() -> BenchmarkResult:
    """Five trials on one board and a modelled CPU while another board was busy."""
    modelled = {"half_width_j": 0.0, "provenance": "modelled", "meter": "modelled"}
    trials = [
        trial(
            i,
            reading(GPU, 100 + i % 2),
            reading(OTHER_GPU, 50, counted=False),
            reading(CPU, 50 + (0.5, -0.4, 0.1, 0.6, -0.2)[i - 1], **modelled),
            outcomes=[*(completion(j) for j in range(4)), completion(4, step_s=0.08)],
            absent={"dram": "rapl: this machine has no /sys/class/powercap"},
        )
        for i in range(1, 6)
    ]
    steps = [
        step(name, reading(GPU, energy_j), reading(OTHER_GPU, 30, counted=False), reading(CPU, 5, **modelled))
        for name, energy_j in (("resident idle", 40), ("hot idle", 41))
    ]
    judged = verdict(
        trials,
        steps,
        planned=Planned(len(trials), warmup_requests=1),
        collector_notes=["gpu: nvml; cpu: modelled, since rapl is not there"],
    )
    engine = evolve(ENGINE, device="cuda:0", dtype="bfloat16")
    return result(trials, steps, judged=judged, engine=engine, carbon=Carbon(300, 1.2, "average of the grid"))


def test_the_report_reads_as_agreed():
    """The whole report at 80 columns is the one that was read and approved."""
    assert shown(full_run()) == GOLDEN.read_text(encoding="utf-8")


def test_a_run_that_is_called_after_its_model_names_it_once() -> None:
    """As ``run --model`` does."""
    found = full_run()
    named = evolve(found, subject=evolve(found.subject, name=found.subject.model))
    assert f"\n{found.subject.model} on " in shown(named)
    assert f"{found.subject.model}: " not in shown(named)


def test_the_energy_at_the_wall_has_a_line():
    """With its factor beside it, and none without."""
    assert "At the wall" not in shown(result())
    stated = shown(evolve(result([trial(1, reading(GPU, 100), reading(CPU, 50))]), wall_factor=1.2), width=120)
    line = next(each for each in stated.splitlines() if each.startswith("At the wall "))
    assert line.startswith("At the wall 180.0 [")
    assert line.endswith("J per pass (sum of the components × wall factor 1.2, as stated)")
    unresolved = shown(evolve(result([trial(1, reading(GPU, 100, 80))]), wall_factor=2.0), width=120)
    assert "At the wall unresolved [40, 360] J per pass" in unresolved


@pytest.mark.parametrize("width", [80, 100, 200])
def test_lines_fit_the_terminal(width: int):
    """No line is longer than the terminal is wide."""
    assert max(map(len, shown(full_run(), width).splitlines())) <= width


def test_a_narrow_terminal_costs_no_digits():
    """Below 80 columns lines may break, but every figure is whole."""
    assert shown(full_run(), 40) == shown(full_run(), 80)


def test_the_verdict_comes_before_any_figure():
    """Whoever reads only the first lines reads the verdict with its worst reason first, and what to do."""
    sentence, engine, verdict, *reasons = shown(result(ending="interrupted"), 200).splitlines()
    assert sentence == (
        "FAIL: ending; no J/output token to quote (GPU): the run was interrupted, "
        "and the table has that of the part that was measured"
    )
    assert engine.startswith("test: ")
    assert verdict == "Verdict: FAIL"
    assert reasons[0].startswith("FAIL ending: interrupted")
    assert reasons[0].endswith("; fix: run it again to its end")


def test_the_interval_that_leads_includes_the_gain():
    """The ± after the figure holds the sensor's gain; repeatability stands behind it with n, then the bounds."""
    trials = [trial(i, reading(GPU, 100 + (i % 2) / 10, 0.1)) for i in range(1, 6)]
    line = next(each for each in shown(result(trials), 200).splitlines() if each.startswith("Interval GPU"))
    assert line == (
        "Interval GPU 5.00 J/output token ± 0.28 (95 %, with ±5 % sensor gain); "
        "repeatability ± 0.008 (n = 5 trials, one process); meter bounds [4.9980, 5.0080]"
    )


def test_an_unknown_gain_is_said_in_words():
    """RAPL has no known gain; a total of both meters holds only that of NVML. One trial has no scatter."""
    trials = [trial(i, reading(GPU, 100), reading(CPU, 50 + i, meter="rapl")) for i in (1, 2)]
    text = shown(result(trials), 200)
    assert "± 0.37 (95 %, without sensor gain, which is not known); repeatability ± 0.37 (n = 2" in text
    assert "without the sensor gain of rapl, which is not known" in text
    assert "repeatability ± 0.05 (n = 1: from the meter's bounds alone)" in shown(result([trial(1, reading())]), 200)


def test_an_unresolved_window_shows_its_bounds_and_no_figure():
    """100 J between 40 and 160 J is printed as unresolved with the bounds, never as 100."""
    text = shown(result([trial(1, reading(GPU, 100, 60))]))
    row = next(line for line in text.splitlines() if line.startswith("GPU"))
    assert row.split() == ["GPU", "unresolved", "unresolved", "unresolved", "measured", "nvml"]
    assert "[40, 160]" in text
    assert "100 J" not in text


def test_what_no_meter_saw_is_named_with_its_reason():
    """Absent components are lines of their own, and no row shows a zero for them."""
    lines = shown(result([trial(1, reading(GPU), absent={"cpu": "no RAPL here"})])).splitlines()
    assert "Absent   CPU: no RAPL here" in lines
    assert not [each for each in lines if each.startswith("CPU")]


def test_marks_that_are_not_used_are_not_explained():
    """One trial of a meter without bounds, or of a guess whose bounds are not shown, has no mark to explain."""
    exact = result([trial(1, reading(CPU, 100, 0.0))])
    found = result([trial(1, reading(CPU, 100, 0.1, provenance="modelled", meter="modelled"))])
    components = tuple(evolve(each, guessed=True) for each in found.summary.components)
    for each in (exact, evolve(found, summary=evolve(found.summary, components=components))):
        text = shown(each)
        assert "±" not in text.partition("Gross energy")[2]
        assert "[ ]" not in text


def test_a_trial_that_was_cut_short_is_not_called_a_pass():
    """Without a complete trial energy, tokens and requests are those of a part, and every line of them says so."""
    cut = shown(result([trial(1, reading(GPU, 100), complete=False)], ending="interrupted"))
    assert "\nGross energy of a trial that was cut short; no trial is complete\n" in cut
    assert "\nCut short 50 prompt and 20 output tokens in 10.00 s\n" in cut
    assert "\nRequests  5 ok, 0 failed in the part that was measured\n" in cut
    wall = evolve(result([trial(1, reading(GPU, 100), complete=False)], ending="interrupted"), wall_factor=1.2)
    for text in (cut, shown(wall, 200)):
        assert not re.search(r"\bpass\b", text.partition("Gross energy")[2])
    one = shown(result([trial(1, reading()), trial(2, reading(), complete=False)], ending="interrupted"))
    assert "Gross energy of one pass, mean of 1 trial" in one


def test_checks_that_were_not_made_are_one_line():
    """Several reasons are in the files, so that the lines against the figure stand out; a single one is shown."""
    found = result()
    several = (
        Finding("WARN", "other work", "not checked: too short; fix: longer trials"),
        not_checked("cpu governor", "no clock"),
        not_checked("first trial", "n = 1"),
        not_checked("trend", "n = 1"),
    )
    lines = shown(evolve(found, verdict=Verdict(several)), 200).splitlines()
    assert lines[3] == "WARN other work: not checked: too short; fix: longer trials"
    assert lines[4] == "INFO not checked: cpu governor, first trial, trend; `verdict` in result.json has the reasons"
    assert lines[5] == ""
    single = shown(evolve(found, verdict=Verdict(several[2:])), 200).splitlines()
    assert single[3] == "INFO first trial, trend: not checked: n = 1"


def test_failed_requests_are_counted():
    """One success and two failures of a pass are said as such."""
    outcomes = [completion(0), failure(1), failure(2)]
    assert "Requests 1 ok, 2 failed per pass" in shown(result([trial(1, reading(), outcomes=outcomes)])).splitlines()


def test_a_run_without_anything_is_shown():
    """A run that never loaded its engine has a verdict and no tables."""
    text = shown(result([], engine=None, ending="stopped"))
    assert "(not loaded)" in text
    assert "J/output" not in text
    assert "Latency" not in text


def test_words_of_others_are_no_markup():
    """Brackets in a model's name or a note are printed, not interpreted."""
    found = result(engine=evolve(ENGINE, engine="fake [bold]1.0[/bold]", notes=("[red]eager[/red]",)))
    assert "[bold]1.0[/bold]" in shown(found)
    assert "[red]eager[/red]" in shown(found)


def test_without_colour_there_are_no_escape_codes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Piped output is plain text on standard output."""
    monkeypatch.setenv("NO_COLOR", "1")
    ConsoleReporter.from_settings(ReporterSettings(Path())).report(full_run())
    assert "\x1b" not in capsys.readouterr().out


def test_a_stream_without_unicode_gets_the_report():
    """What ASCII cannot show becomes a question mark; the report is not lost."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    ConsoleReporter(Console(file=stream, width=80)).report(full_run())
    assert b"5.03 ? 0.30" in raw.getvalue()


def test_figures_have_as_many_digits_as_their_uncertainty_leaves():
    """Mean and half-width end at the same decimal, at the second digit of the half-width."""
    assert with_half_width(0.41237, 0.00612) == "0.4124 ± 0.0061"
    assert with_half_width(1234.5, 56.7) == "1,234 ± 57"
    assert with_half_width(0.5, None) == "0.5000"
    assert bounds(0.40512, 0.41934) == "[0.405, 0.419]"
    assert bounds(3.0, 3.0) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (0.000123456, "0.0001235"), (0.0, "0"), (-5.0, "-5.000"), (float("inf"), "inf")],
)
def test_figures_are_never_in_exponents(value: float, text: str):
    """Four significant digits, written out."""
    assert figure(value) == text


def test_a_server_s_run_shows_how_its_client_fared():
    """The worst trial's processor share and lateness stand in the report; engines in process have no such line."""
    found = full_run()
    (first, *others) = found.trials
    served = evolve(first, client=ClientLoad(4, cpu_time_s=0.25 * first.duration_s, loop_lag_s=0.002))
    text = shown(evolve(found, trials=(served, *others)))
    assert "Client" in text
    assert "at most 25% of a core, event loop 2 ms late (p99)" in " ".join(text.split())
    assert "Client" not in shown(found)


def test_the_work_is_told_with_what_it_costs():
    """Operations of a pass, per joule, and how sure their count is; nothing where the model's shape is unknown."""
    shape = Architecture("llama", 2, 64, 4, 2, 16, 128, 1000)
    known = shown(result([trial(1, reading(GPU, 100))], engine=evolve(ENGINE, architecture=shape)))
    line = next(each for each in known.splitlines() if each.startswith("Work"))
    assert re.match(r"Work +\S+ TFLOP per pass, (low|high) confidence; \S+ GFLOP/J GPU", line)
    assert "Work" not in shown(result())


@pytest.mark.parametrize(
    ("value", "text"),
    [(1022.0, "1,022"), (0.0, "0"), (499.0 + 1 / 3, "499.3"), (8.0 + 1 / 3, "8.3"), (0.01234, "0.012")],
)
def test_means_of_whole_numbers_are_not_written_to_ten_digits(value: float, text: str) -> None:
    """A part of a pass holds 8.3 requests on average, and a whole one exactly 16."""
    assert amount(value) == text
