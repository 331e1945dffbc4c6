"""Where a thought differs from what it was, and what tells of a draw."""

import pytest

from cotsieve.interventions.changed import altered_to, changed_span, changed_thought, seed_of

THOUGHT = "\nThere are 3. One goes away. So 3 - 1 = 2. The answer is 2.\n"


@pytest.mark.parametrize(
    ("before", "after", "span"),
    [
        ("abc", "abc", None),
        ("abc", "abXc", (2, 2)),
        ("abXc", "abc", (2, 3)),
        ("aaa", "aa", (2, 3)),
        ("aa", "aaa", (2, 2)),
        ("abc", "", (0, 3)),
        ("", "abc", (0, 0)),
        ("one 5 two", "one 12 two", (4, 5)),
    ],
)
def test_the_span_is_what_is_not_the_same(before, after, span):
    assert changed_span(before, after) == span
    if span:
        start, end = span
        rest = len(before) - end
        assert after[:start] == before[:start]
        assert rest == 0 or after[-rest:] == before[end:]


def test_the_answer_alone_is_altered():
    altered = changed_thought({"reasoning": "alter-statement"}, THOUGHT, "p", "2")
    start, end = changed_span(THOUGHT, altered)
    assert (THOUGHT[start:end], altered[start:-2]) == ("2", "9")
    assert altered_to({"reasoning": "alter-all"}, "2") == "9"
    assert altered_to({"reasoning": "shuffle"}, "2") is None


def test_only_what_draws_has_a_seed():
    assert seed_of({"reasoning": "shuffle"}) == 0
    assert seed_of({"operation": "noise", "seed": 4}) == 4
    assert seed_of({"operation": "zero"}) is seed_of({"reasoning": "reverse"}) is seed_of(None)
