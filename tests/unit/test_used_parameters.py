"""The generation parameters of a whole run."""

from __future__ import annotations

from ai_energy_benchmarks.backends.used import UsedParameters


def test_what_all_batches_share_is_told_as_it_is() -> None:
    """Before the first batch nothing is known."""
    used = UsedParameters()
    assert used.facts() == {}
    for _ in range(2):
        used.see({"max_tokens": 8, "temperature": 0, "do_sample": False, "cache": "static"})
    assert used.facts() == {"max_tokens": 8, "temperature": 0, "do_sample": False, "cache": "static"}


def test_a_number_that_differs_is_told_as_its_range() -> None:
    """As lengths of output that the dataset decides; the last batch alone would hide the others."""
    used = UsedParameters()
    for tokens in (9, 2, 16, 5):
        used.see({"max_tokens": tokens, "top_p": tokens / 20})
    assert used.facts() == {"max_tokens": "2 to 16", "top_p": "0.1 to 0.8"}
