"""Numbers written in many ways, and their one canonical form."""

import pytest

from cotsieve.answers.exact import exact

SAME = {
    "1,234": "1234",
    "+5": "5",
    "007": "7",
    "-0": "0",
    "3.50": "3.5",
    "-0.250": "-0.25",
    "10.": "10",
    ".5": "0.5",
    "$1,234.50": "1234.5",
    "-$5": "-5",
    "$-5": "-5",
    "−7": "-7",
    "50%": "50",
    "50\\%": "50",
    "1{,}234": "1234",
    "1\u202f234": "1234",
    "3/4": "3/4",
    "6/8": "3/4",
    "8/2": "4",
    "-1/2": "-1/2",
    "1 1/2": "3/2",
    "\\frac{3}{4}": "3/4",
    "-\\dfrac34": "-3/4",
    "1\\frac{1}{2}": "3/2",
    "1e5": "100000",
    "2.5e-3": "0.0025",
    "1.2 \\times 10^{3}": "1200",
    "123456789012345678901234567890": "123456789012345678901234567890",
    "0.1000000000000000000000000000001": "0.1000000000000000000000000000001",
}
NOT_A_NUMBER = [
    "",
    "abc",
    "nan",
    "inf",
    "1 2",
    "12,34",
    "1/0",
    "３",
    "5 apples",
    "--5",
    "1e999999999",
]


@pytest.mark.parametrize("text", SAME)
def test_every_spelling_has_one_canonical_form(text):
    assert exact(text) == SAME[text]
    assert exact(SAME[text]) == SAME[text]


@pytest.mark.parametrize("text", NOT_A_NUMBER)
def test_what_is_not_one_number_has_no_canonical_form(text):
    assert exact(text) is None


def test_numbers_longer_than_any_answer_are_not_read():
    assert exact("9" * 3000) == "9" * 3000
    assert exact("9" * 5000) is None
