import re
import time

import pytest

from cotsieve.report.page.latex import formulas, mathml

FOUND = {
    "inline": ("Let $x^2$ be", ["$x^2$"]),
    "money": ("It costs $5 and $6, or $7-$8.", []),
    "money before a formula": ("She has $5 and $x$ apples", ["$x$"]),
    "escaped sign": (r"It is \$5 for $\$3 + x$", [r"$\$3 + x$"]),
    "display": (r"So \[a = b\] and $$c$$", [r"\[a = b\]", "$$c$$"]),
    "bare box": (r"It is \boxed{\frac{1}{2}}.", [r"\boxed{\frac{1}{2}}"]),
    "alignment": (
        r"\begin{align*}a&=b\\c&=d\end{align*}",
        [r"\begin{align*}a&=b\\c&=d\end{align*}"],
    ),
    "once": ("$x$ and $x$", ["$x$"]),
    "nothing": (None, []),
    "drawing": ("[asy] draw((0,0)); [/asy] $1$", ["$1$"]),
}


@pytest.mark.parametrize("text, expected", FOUND.values(), ids=FOUND)
def test_formulas_are_found_and_amounts_of_money_are_not(text, expected):
    assert list(formulas([text])) == expected


def test_a_formula_becomes_mathml():
    found = "<math><mrow><mi>x</mi><mo>&lt;</mo><mn>3</mn></mrow></math>"
    assert mathml("$x < 3$") == found
    assert mathml("$$x$$").startswith('<math display="block">')


FOREIGN = (
    r"$\text{<img src=x onerror=alert(1)>}$",
    r"$\href{javascript:alert(1)}{x}$",
    r"$\style{background:url(http://a.b)}{x}$",
    r"$\class{a}{x}\id{b}{y}$",
    r"$\text{&lt;script&gt;}$",
)


@pytest.mark.parametrize("formula", FOREIGN)
def test_nothing_a_model_writes_becomes_markup(formula):
    tags = re.findall(r"<[^>]*>", mathml(formula))
    assert tags and all(re.fullmatch(r"</?m[a-z]+( [a-z]+=\"[a-z]+\")*>", tag) for tag in tags)


def test_what_cannot_be_converted_is_left_out():
    assert mathml("$" + "x" * 5000 + "$") == ""
    assert "" not in formulas([r"$\left( 1$", r"$\begin{matrix} 1 \end$", "$x$"]).values()


N = 20_000
"""Characters of a solution that is nothing but opening signs."""
ENDLESS = {
    sign: (sign * N)[:N]
    for sign in (
        r"\[", r"\(", "$$", "$", "$ ", r"\$", r"$\$", r"$ \ ", r"\begin{align}", r"\boxed{",
        r"\boxed{{}", r"\boxed{{a}{", r"\[\(\begin{align}$", r"\[ x ", "$1", "{", r"$\frac{",
    )
} | {
    "a million braces": r"\boxed{" + "{" * 10**6,
    "a million closed braces": r"\boxed{" + "{" * 500_000 + "}" * 500_001,
    "a million pairs": r"\boxed{" + "{}" * 500_000,
    "a long formula": "$" + "{" * 10**6 + "$",
    "deep": "$" + r"\sqrt{" * 500 + "1" + "}" * 500 + "$",
    "deep braces": "$" + "{" * 1_900 + "1" + "}" * 1_900 + "$",
    "fractions": "$" + r"\frac{" * 300 + "1" + "}{2}" * 300 + "$",
    "tables": "$" + r"\begin{matrix}" * 100 + "a" + r"\end{matrix}" * 100 + "$",
    "powers": "$" + "^" * 3_900 + "$",
}  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_no_text_takes_more_than_two_seconds(text):
    start = time.process_time()
    formulas([text])
    assert time.process_time() - start < 2


def test_a_formula_behind_a_line_break_is_found_and_an_escaped_sign_opens_none():
    assert list(formulas([r"a \\$x$"])) == ["$x$"]
    assert list(formulas([r"\$5 and \$6$ x"])) == []
