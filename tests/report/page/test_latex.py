import re

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
