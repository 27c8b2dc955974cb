"""Quantiles of several comparisons against SciPy and published tables."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_energy_benchmarks.analysis.quantiles import dunnett95, hsu95, tukey95
from ai_energy_benchmarks.domain.statistics import t95


@pytest.mark.parametrize(
    ("means", "degrees", "printed"),
    # NIST/SEMATECH e-Handbook of Statistical Methods and Pearson and Hartley, upper 5 % points of the studentized range
    [(2, 2, 6.085), (3, 10, 3.877), (4, 12, 4.199), (5, 20, 4.232), (10, 5, 6.995), (20, 60, 5.241)],
)
def test_the_studentized_range_is_that_of_the_tables(means: int, degrees: int, printed: float) -> None:
    """Four printed digits agree."""
    assert tukey95(means, degrees) == pytest.approx(printed, abs=6e-4)


@pytest.mark.parametrize(("treatments", "both", "one"), [(2, 2.57, 2.15), (3, 2.76, 2.34), (4, 2.89, 2.47)])
def test_dunnetts_quantiles_are_those_of_his_tables(treatments: int, both: float, one: float) -> None:
    """Three printed digits of Dunnett's tables (1955, one-sided; 1964, two-sided) at 10 degrees of freedom agree."""
    counts = [5] * treatments
    assert dunnett95(counts, 5, 10) == pytest.approx(both, abs=6e-3)
    assert hsu95(counts, 5, 10) == pytest.approx(one, abs=6e-3)


@pytest.mark.parametrize(("means", "degrees"), [(2, 1), (3, 4), (4, 8), (7, 30), (6, 500)])
def test_the_studentized_range_is_scipys(means: int, degrees: int) -> None:
    """SciPy integrates in another way and comes to the same."""
    stats = pytest.importorskip("scipy.stats")
    assert tukey95(means, degrees) == pytest.approx(stats.studentized_range.ppf(0.95, means, degrees), rel=1e-5)


def test_a_single_comparison_is_students_t() -> None:
    """With two means the range is √2 t, and Dunnett's quantile is t."""
    for degrees in (4, 8, 30):
        assert tukey95(2, degrees) == pytest.approx(2**0.5 * t95(degrees), rel=1e-4)
        assert dunnett95([5], 5, degrees) == pytest.approx(t95(degrees), rel=1e-4)
    assert hsu95([5], 5, 10) == pytest.approx(1.8125, abs=1e-4)  # NIST/SEMATECH e-Handbook 1.3.6.7.2, one-sided


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(2, 9), st.integers(1, 60))
def test_more_comparisons_need_wider_intervals(counts: list[int], control: int, degrees: int) -> None:
    """One-sided is below two-sided, another treatment widens both, and no quantile is below that of one comparison."""
    one, both = hsu95(counts, control, degrees), dunnett95(counts, control, degrees)
    assert one < both
    assert dunnett95([*counts, 5], control, degrees) > both
    assert both > t95(degrees) * (1 - 1e-4)


def test_what_cannot_be_compared_is_refused() -> None:
    """A range of one mean, no treatment and no degree of freedom are errors of whoever asks."""
    with pytest.raises(ValueError, match="two means"):
        tukey95(1, 5)
    with pytest.raises(ValueError, match="something"):
        dunnett95([], 5, 5)
    with pytest.raises(ValueError, match="degree of freedom"):
        hsu95([5], 5, 0)
