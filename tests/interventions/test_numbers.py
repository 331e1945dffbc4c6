import re

from cotsieve.interventions.numbers import altered_numbers


def test_every_number_moves_by_three_at_most_and_keeps_its_form():
    before = "So 27 - 5 = 22, not 27; that is 1.50 of 1,200 and 0."
    after = altered_numbers(before, "x")
    old, new = (re.findall(r"[0-9]+(?:[.,][0-9]+)*", text) for text in (before, after))
    assert all(a != b and len(a) <= len(b) for a, b in zip(old, new, strict=True))
    assert new[0] == new[3]
    assert 1 <= abs(int(new[2]) - 22) <= 3
    assert re.fullmatch(r"1\.[45][0-9]", new[4])
    assert re.fullmatch(r"1,(19|20)[0-9]", new[5])
    assert re.sub(r"[0-9]", "", before) == re.sub(r"[0-9]", "", after)
    assert altered_numbers(before, "x") == after != altered_numbers(before, "y")


def test_a_sentence_without_numbers_has_no_other_form():
    assert altered_numbers("Let us see.", "x") is None
