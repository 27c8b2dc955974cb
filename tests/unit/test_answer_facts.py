"""What answers report about themselves, counted by hand at each limit, as objects and as rows of a table."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import polars
import pytest
from attrs import asdict, evolve

from ai_energy_benchmarks.analysis.answer_facts import AnswerFacts
from ai_energy_benchmarks.domain.completions import Completion, FinishReason, TokenSource
from ai_energy_benchmarks.domain.outcome_frames import with_times
from ai_energy_benchmarks.domain.outcome_table import OutcomeTable

# A table holds no answer without the hash of its prompt.
SENT = "a" * 64


def answer(
    output: int,
    events: int,
    *,
    prompt: int = 10,
    limit: int | None = None,
    source: TokenSource = "usage",
    finish: FinishReason = "length",
    first_event: int | None = 1,
    cached: int | None = None,
    thinking: int | None = None,
    rendered: str = SENT,
) -> Completion:
    """An answer of so many tokens that came in so many events."""
    times_s = array("d", (0.1 * number for number in range(1, events + 1)))
    return Completion(
        0,
        prompt,
        output,
        source,
        0.0,
        times_s,
        100.0,
        finish,
        cached_prompt_tokens=cached,
        reasoning_tokens=thinking,
        first_event_tokens=first_event,
        budget_tokens=limit,
        rendered_sha256=rendered,
    )


def facts(*answers: Completion) -> AnswerFacts:
    """Those of objects, which are those of the same answers in a table."""
    by_object, by_table = AnswerFacts(), AnswerFacts()
    for done in answers:
        by_object.add(done)
    table = OutcomeTable()
    table.extend(answers)
    for part in table.parts():
        assert isinstance(part, polars.DataFrame)
        by_table.add_table(with_times(part))
    assert counts(by_table) == counts(by_object)
    assert by_table.repeated_prompts == by_object.repeated_prompts
    return by_object


def counts(of: AnswerFacts) -> dict[str, object]:
    return {name: value for name, value in asdict(of).items() if not name.startswith("_")}


def test_no_answer_has_no_facts() -> None:
    """All counts begin at zero, and no example is named."""
    assert set(counts(AnswerFacts()).values()) == {0, ""}
    assert AnswerFacts().repeated_prompts == 0


# Output tokens, events, limit, tokens of the first event → believed tokens, impossible answers, how many tokens
# are impossible, finer, longer. A count exceeds another by more than one token and by more than 1 % of the other.
CASES: Sequence[tuple[tuple[int, int, int | None, int | None], tuple[int, int, int, int, int]]] = [
    # Fewer tokens than events: one is the tolerance up to 100 tokens, 1 % beyond; believed is the larger.
    ((4, 5, None, 1), (5, 0, 0, 0, 0)),
    ((4, 6, None, 1), (6, 1, 2, 0, 0)),
    ((100, 101, None, 1), (101, 0, 0, 0, 0)),
    ((100, 102, None, 1), (102, 1, 2, 0, 0)),
    ((300, 303, None, 1), (303, 0, 0, 0, 0)),
    ((300, 304, None, 1), (304, 1, 4, 0, 0)),
    ((1, 40, None, 1), (40, 1, 39, 0, 0)),
    # Events that were found to be finer than tokens are no contradiction.
    ((4, 6, None, None), (6, 0, 0, 1, 0)),
    ((4, 5, None, None), (5, 0, 0, 0, 0)),
    # More tokens than events are as they should be.
    ((40, 4, None, 1), (40, 0, 0, 0, 0)),
    ((40, 4, None, None), (40, 0, 0, 0, 0)),
    # More than the limit, and events that do not agree: the limit is believed, or the events where they are more.
    ((9, 8, 8, 1), (9, 0, 0, 0, 0)),
    ((10, 8, 8, 1), (8, 1, 2, 0, 0)),
    ((1_000_000, 8, 8, 1), (8, 1, 999_992, 0, 0)),
    ((1_000_000, 12, 8, 1), (12, 1, 999_988, 0, 0)),
    ((1_000_000, 3, 8, 1), (8, 1, 999_992, 0, 0)),
    ((1_000_000, 0, 8, 1), (8, 1, 999_992, 0, 0)),
    ((303, 0, 300, 1), (303, 0, 0, 0, 0)),
    ((304, 0, 300, 1), (300, 1, 4, 0, 0)),
    # More than the limit, and events that agree: the server ignores its limit.
    ((10, 10, 8, 1), (10, 0, 0, 0, 1)),
    ((10, 9, 8, 1), (10, 0, 0, 0, 1)),
    ((9, 9, 8, 1), (9, 0, 0, 0, 0)),
    ((303, 303, 300, 1), (303, 0, 0, 0, 0)),
    ((304, 304, 300, 1), (304, 0, 0, 0, 1)),
    # Below the limit.
    ((8, 8, 8, 1), (8, 0, 0, 0, 0)),
    ((3, 3, 8, 1), (3, 0, 0, 0, 0)),
    # Fewer than the events and more than the limit: the events decide.
    ((20, 40, 8, 1), (40, 1, 20, 0, 1)),
    ((20, 40, 8, None), (40, 0, 0, 1, 1)),
    ((0, 0, None, 1), (0, 0, 0, 0, 0)),
]


@pytest.mark.parametrize(("made", "expected"), CASES)
def test_tokens_are_held_against_events_and_limits(
    made: tuple[int, int, int | None, int | None], expected: tuple[int, int, int, int, int]
) -> None:
    """By one token and 1 %: docs/measurement.md, "Tokens"."""
    output, events, limit, first_event = made
    found = facts(answer(output, events, limit=limit, first_event=first_event))
    seen = found.believed_tokens, found.impossible, found.impossible_tokens, found.finer, found.longer
    assert seen == expected
    assert (found.answers, found.usage_answers) == (1, 1)


def test_all_answers_of_a_pass_are_added() -> None:
    """Of all cases above the sums, in one table too."""
    answers = [answer(made[0], made[1], limit=made[2], first_event=made[3]) for made, _ in CASES]
    found = facts(*answers)
    seen = found.believed_tokens, found.impossible, found.impossible_tokens, found.finer, found.longer
    assert seen == tuple(map(sum, zip(*(expected for _, expected in CASES), strict=True)))
    assert (found.answers, found.usage_answers) == (len(CASES), len(CASES))


def test_the_last_example_is_named() -> None:
    """With thousands apart, of a contradiction with the events, with the limit, and of a limit that is ignored."""
    plain = answer(4, 4)
    few, more = answer(1, 2000), answer(2, 4000)
    assert facts(few, more, plain).impossible_example == "2 for 4,000 token events"
    found = facts(few, answer(1_000_000, 1000, limit=8000), plain)
    assert found.impossible_example == "1,000,000 for a limit of 8,000 and 1,000 token events"
    assert (
        facts(answer(10, 10, limit=8), answer(2000, 2000, limit=1000), plain).longer_example == "2,000 tokens for 1,000"
    )
    assert (facts(plain).impossible_example, facts(plain).longer_example) == ("", "")


def test_only_what_a_server_counts_can_contradict_its_events() -> None:
    """Token ids and the tokens of a re-tokenised text are counted here; more than the limit is believed of none."""
    for source in ("token_ids", "retokenised"):
        finer = answer(4, 9, source=source, first_event=None)
        found = facts(answer(4, 9, source=source, thinking=7), answer(20, 20, limit=8, source=source), finer)
        assert (found.impossible, found.finer, found.longer, found.overthought, found.usage_answers) == (0, 0, 0, 0, 0)
        assert found.believed_tokens == 9 + 20 + 9
        assert facts(answer(20, 4, limit=8, source=source)).impossible_tokens == 12


@pytest.mark.parametrize(("thinking", "overthought"), [(None, 0), (0, 0), (4, 0), (5, 1)])
def test_thinking_is_part_of_the_output(thinking: int | None, overthought: int) -> None:
    """More thinking tokens than output tokens cannot be."""
    assert facts(answer(4, 4, thinking=thinking)).overthought == overthought


@pytest.mark.parametrize(
    ("output", "events", "thinking", "believed", "impossible"),
    [(4, 4, 5, 4, 0), (4, 4, 6, 6, 2), (200, 200, 202, 200, 0), (200, 200, 203, 203, 3), (4, 9, 30, 9, 5),
     (4, 5, 30, 30, 26)],
)  # fmt: skip
def test_output_holds_its_thinking(output: int, events: int, thinking: int, believed: int, impossible: int) -> None:
    """By more than one token and 1 %; where events contradict the output too, they decide."""
    found = facts(answer(output, events, thinking=thinking))
    assert (found.believed_tokens, found.impossible_tokens, found.impossible) == (believed, impossible, impossible > 0)
    assert facts(answer(output, 0, thinking=thinking, source="token_ids")).impossible == 0
    if (output, events, thinking) == (4, 5, 30):
        assert found.impossible_example == "4 for 30 thinking tokens among them"


@pytest.mark.parametrize(
    ("limit", "finish", "source", "short"),
    [(5, "length", "usage", 0), (6, "length", "usage", 1), (6, "stop", "usage", 0), (None, "length", "usage", 0),
     (6, "length", "token_ids", 0), (4, "length", "usage", 0)],
)  # fmt: skip
def test_an_answer_cut_at_its_limit_has_as_many_tokens(
    limit: int | None, finish: FinishReason, source: TokenSource, short: int
) -> None:
    """Four tokens are not what a limit of six cut; one token is the tolerance."""
    assert facts(answer(4, 4, limit=limit, finish=finish, source=source)).short_lengths == short


@pytest.mark.parametrize(("cached", "over"), [(0, 0), (10, 0), (11, 0), (12, 1)])
def test_a_cache_holds_no_more_than_the_prompt(cached: int, over: int) -> None:
    """By more than one token of a prompt of ten."""
    found = facts(answer(4, 4, cached=cached))
    assert (found.overcached, found.cached_tokens, found.smallest_cached_tokens) == (over, cached, cached)
    assert found.told_cached


def test_the_smallest_hit_is_that_of_the_answers_that_had_any() -> None:
    """Zero is a report of no hit, and an answer that says nothing reports none."""
    found = facts(*(answer(4, 4, cached=cached) for cached in (None, 7, 0, 3, 5)))
    assert (found.told_cached, found.cached_tokens, found.smallest_cached_tokens) == (True, 15, 3)
    found = facts(answer(4, 4, cached=1), answer(4, 4, cached=7), answer(4, 4, cached=0))
    assert (found.cached_tokens, found.smallest_cached_tokens) == (8, 1)
    found = facts(answer(4, 4), answer(4, 4))
    assert (found.told_cached, found.cached_tokens, found.smallest_cached_tokens) == (False, 0, 0)


def test_a_second_table_goes_on_from_the_first() -> None:
    """A pass comes in parts: what the first told stays, and the smallest of both is the smallest."""
    found = AnswerFacts()
    for cached in (7, 3, 5, None):
        table = OutcomeTable()
        table.extend([answer(4, 4, cached=cached)])
        for part in table.parts():
            assert isinstance(part, polars.DataFrame)
            found.add_table(with_times(part))
    assert (found.told_cached, found.cached_tokens, found.smallest_cached_tokens) == (True, 15, 3)
    assert (found.answers, found.usage_answers, found.believed_tokens) == (4, 4, 16)
    # The first table is the only one here that tells anything.
    assert found.context_twice_tokens == 4 * 4 * 24


@pytest.mark.parametrize(
    ("finish", "limit", "unknown"),
    [
        ("unknown", 8, 1),
        ("unknown", 4, 0),
        ("unknown", 3, 0),
        ("unknown", 5, 1),
        ("unknown", None, 0),
        ("length", 8, 0),
        ("stop", 8, 0),
    ],
)
def test_an_end_is_unknown_below_the_limit(finish: FinishReason, limit: int | None, unknown: int) -> None:
    """An answer of four tokens that reached its limit has ended for that reason."""
    assert facts(answer(4, 4, limit=limit, finish=finish)).unknown_ends == unknown


def test_empty_answers_and_those_without_a_prompt_are_counted() -> None:
    """By events of a server, by ids of an engine in process: the end token alone is no text."""
    ids: TokenSource = "token_ids"
    assert facts(answer(1, 0), answer(1, 1, finish="stop")).empty == 1
    assert facts(answer(1, 1, source=ids, finish="stop"), answer(1, 1, source=ids), answer(0, 0, source=ids)).empty == 2
    assert facts(answer(2, 2, source=ids, finish="stop")).empty == 0
    assert facts(answer(1, 1, source=ids, finish="unknown")).empty == 0
    assert facts(answer(0, 0, finish="cancelled")).empty == 0
    assert facts(answer(4, 4, prompt=0), answer(4, 4, prompt=1)).promptless == 1
    # What an engine makes of no prompt, such as images of a list of seeds, lacks none.
    images = AnswerFacts()
    images.add(evolve(answer(0, 0, prompt=0), amounts={"images": 1.0}))
    assert images.promptless == 0


@pytest.mark.parametrize(
    ("prompt", "output"), [(10, 4), (0, 3), (2**22 - 1, 5), (2**22, 5), (7, 2**31 - 1), (2**31 - 1, 2**31 - 1)]
)
def test_context_is_what_stood_before_each_token(prompt: int, output: int) -> None:
    """Token k of n follows prompt + k - 1/2 tokens, so that twice all of them is n (2 prompt + n)."""
    assert facts(answer(output, 0, prompt=prompt)).context_twice_tokens == output * (2 * prompt + output)
    both = facts(answer(output, 0, prompt=prompt), answer(4, 4, prompt=10))
    assert both.context_twice_tokens == output * (2 * prompt + output) + 96


def test_prompts_are_the_same_by_their_hashes() -> None:
    """Of three prompts sent twice, once and three times three are repetitions; without a hash nothing is known."""
    rendered = ["a" * 64] * 2 + ["b" * 64] + ["f" * 64] * 3
    assert facts(*(answer(4, 4, rendered=each) for each in rendered)).repeated_prompts == 3
    # The first 64 bits count.
    assert facts(answer(4, 4, rendered="a" * 16 + "0" * 48), answer(4, 4, rendered="a" * 64)).repeated_prompts == 1
    assert facts(answer(4, 4, rendered="a" * 15 + "0" * 49), answer(4, 4, rendered="a" * 64)).repeated_prompts == 0
    found = AnswerFacts()
    found.add(answer(4, 4, rendered=""))
    found.add(answer(4, 4, rendered=""))
    assert found.repeated_prompts == 0
