"""Pages of reports in a real browser: drawn without a complaint, large runs too."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import polars
import pytest
from attrs import evolve

from ai_energy_benchmarks.domain.power import Samples
from ai_energy_benchmarks.domain.verdict import Finding
from ai_energy_benchmarks.reporters.html.result_page import result_page
from ai_energy_benchmarks.study.pages.page import study_page
from tests.factories import reading, result, series, trial, verdict
from tests.unit.test_report_pages import written

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GPUS, DAY_S, REQUESTS = 8, 86_400, 100_000

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium (apt-get install chromium)"),
]


def opened(text: str, tmp_path: Path, *, width: int = 1200) -> tuple[str, list[str]]:
    """The page after its scripts ran, and what it wrote to the console."""
    file = tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=20000"]
    done = subprocess.run(
        [str(BROWSER), *options, f"--window-size={width},2000", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout, re.findall(r":CONSOLE:?\d*\S* \"(.*)\", source", done.stderr)


@pytest.mark.parametrize("width", [1200, 390])
def test_a_result_is_drawn_without_a_complaint(tmp_path: Path, width: int) -> None:
    """Every chart is an SVG, on a desk and on a phone, and the console stays empty."""
    text = result_page(written(result(samples=Samples((series(),))), tmp_path / "run"))
    drawn, console = opened(text, tmp_path, width=width)
    assert console == []
    assert 'data-drawn="5"' in drawn
    assert drawn.count("<svg") >= 5


def test_a_study_is_ranked_and_drawn(tmp_path: Path) -> None:
    """The cheapest cell is ranked first, one that failed has no place, and the charts are drawn."""
    for name, energy_j, level in (("a", 300.0, "PASS"), ("b", 200.0, "PASS"), ("c", 100.0, "FAIL")):
        passes = [trial(number, reading(energy_j=energy_j)) for number in range(1, 6)]
        judged = verdict(passes, extra=[Finding("FAIL", "other work", "m")] if level == "FAIL" else ())
        written(evolve(result(passes, name=name), verdict=judged), tmp_path / "study" / name)
    drawn, console = opened(study_page(tmp_path / "study"), tmp_path)
    assert console == []
    first = re.search(r'<tr data-cell="(\d)" class="best"><td>1</td><td>(\w)</td>', drawn)
    assert first
    assert first[2] == "b"
    places = re.findall(r'<tr data-cell="\d" class="\w*"><td>(\d|–)</td><td>(\w)</td>', drawn)
    assert places == [("1", "b"), ("2", "a"), ("–", "c")]


def test_a_day_of_eight_gpus_and_many_requests_is_drawn(tmp_path: Path) -> None:
    """691,200 readings of power and 100,000 requests become a page under 2.5 MB that a browser draws."""
    run = written(result(samples=Samples((series(),))), tmp_path / "run")
    timeline = polars.read_parquet(run / "timeline.parquet")
    sample = timeline.filter(polars.col("kind") == "sample").head(1).drop("before_s", "after_s", "subject", "value")
    times = polars.DataFrame({"after_s": polars.Series(range(DAY_S), dtype=polars.Float64)})
    watts = 300 + 50 * (polars.col("after_s") / 600).sin()
    frames = [
        sample.join(times, how="cross").with_columns(
            before_s="after_s", subject=polars.lit(f"GPU-{gpu}"), value=watts + gpu
        )
        for gpu in range(GPUS)
    ]
    long = polars.concat([timeline, *(frame.select(timeline.columns) for frame in frames)])
    long.write_parquet(run / "timeline.parquet")
    requests = polars.read_parquet(run / "requests.parquet")
    polars.concat([requests] * (REQUESTS // len(requests))).write_parquet(run / "requests.parquet")
    text = result_page(run)
    assert len(text) < 2_500_000
    drawn, console = opened(text, tmp_path)
    assert console == []
    assert 'data-drawn="5"' in drawn
