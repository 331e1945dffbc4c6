"""Formulas: read to their end by latex2sympy, compared exactly with sympy and math-verify.

To be called in a process of its own only: an expression can keep sympy busy for hours. Decimals
are exact fractions, `i` is the imaginary unit, letters keep their case.
"""

import itertools
import logging
import re
from functools import lru_cache

import sympy
from antlr4 import Token
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy
from latex2sympy2_extended.logic import And
from math_verify import verify

for _name in ("math_verify.parser", "math_verify.grader"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # it warns that its time limits are off

_COMMANDS_TEXT = """
frac sqrt binom cdot times div pm infty pi le ge ne in notin cup cap setminus emptyset mathbb
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp lim sum prod int to
partial gcd lcm max min lfloor rfloor lceil rceil begin end overline bar vec hat tilde text
angle triangle circ alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi
rho sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell
operatorname det arsinh arcosh artanh approx
"""
_COMMANDS = set(_COMMANDS_TEXT.split())
_NAME = re.compile(r"\\([A-Za-z]+)")
_UNREADABLE = re.compile(
    r"'|\^T|\\\||[^\x00-\x7f]|[a-z]\s*:|\.\s*\.|[#@?\"]|!!|:.*:|\\text\{[^{}]*[ 0-9][^{}]*\}"
)
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_INDEX = re.compile(r"\\(?:sum|prod)\s*_\s*\{?\s*i\s*=|_\s*\{?[^{}]*i|\(i\)")

_DEEPEST = 40
POINTS = (
    ("3/7", "5/11", "13/17", "7/19", "11/23", "17/29"),
    ("-12/7", "31/11", "-43/17", "-9/19", "52/23", "-5/29"),
    ("17/5", "-23/9", "29/13", "-37/14", "41/15", "43/16"),
    ("2", "3", "5", "7", "11", "13"),
    ("5", "4", "3", "8", "6", "9"),
    ("-7/3", "-8/5", "-9/7", "-3/11", "-1/13", "-6/17"),
)
"""Values for the letters, by the order of their names: fractions of both signs, whole numbers."""


class NotRead(ValueError):
    """A formula that cannot be read to its end."""


class _Reader(_Latex2Sympy):
    """latex2sympy without guesses: what it would leave out or take for another thing is refused."""

    def create_parser(self, latex_str):
        self.parser = super().create_parser(latex_str)
        return self.parser

    def parse_number(self, text):
        return sympy.Rational(text.replace(",", ""))

    def convert_atom(self, atom):
        number = atom.number_subexpr()
        if number and number.subexpr():
            raise NotRead("a subscript of a number")
        return super().convert_atom(atom)

    def convert_atom_expr(self, atom_expr):
        text = atom_expr.getText()
        letter = re.match(r"[A-Za-z]$|[A-Za-z](?=\^)|\\[gG]amma\s*$", text)
        if not letter:
            return super().convert_atom_expr(atom_expr)
        imaginary = text[0] == "i" and not self.index
        symbol = sympy.I if imaginary else self._symbol(letter[0].strip())
        power = atom_expr.supexpr() if hasattr(atom_expr, "supexpr") else None
        if not power:
            return symbol
        exponent = power.expr()
        exponent = self.convert_expr(exponent) if exponent else self.convert_atom(power.atom())
        return sympy.Pow(symbol, exponent, evaluate=False)

    def convert_func(self, func):
        """The odd root of a negative number is the real one."""
        found = super().convert_func(func)
        if func.FUNC_SQRT() and func.root and isinstance(found, sympy.Pow):
            base, power = found.args
            if base.is_number and base.is_negative and getattr(power, "q", 0) % 2:
                return sympy.Mul(-1, sympy.Pow(-base, power), evaluate=False)
        return found

    def _symbol(self, name):
        return sympy.Symbol(name.removeprefix("\\"), real=self.is_real)

    def convert_postfix_list(self, arr, i=0):
        texts = [item.getText() for item in arr]
        if any(re.match(r"[0-9.]", after) and before[-1].isdigit()
               for before, after in itertools.pairwise(texts)):  # fmt: skip
            raise NotRead("numbers side by side")
        parts = [_Latex2Sympy.convert_postfix_list(self, [item]) for item in arr[:-1]
                 if item.getText()] if not _derives(texts) else []  # fmt: skip
        if not parts:
            return super().convert_postfix_list(arr, i)
        parts.append(_Latex2Sympy.convert_postfix_list(self, [arr[-1]]))
        if not all(isinstance(part, sympy.Expr | sympy.MatrixBase) for part in parts):
            raise NotRead("a product of what is no number")
        product = parts[0]
        for part in parts[1:]:
            matrix = any(getattr(factor, "is_Matrix", False) for factor in (product, part))
            product = (self.mat_mul_flat if matrix else self.mul_flat)(product, part)
        return product


def _derives(texts: list[str]) -> bool:
    return any(re.match(r"\\frac\{(?:d|\\partial)", text) for text in texts)


@lru_cache(maxsize=64)
def read(latex: str) -> sympy.Basic:
    """The formula of a text in the spelling of the room. Raises NotRead."""
    names = set(_NAME.findall(latex))
    if _UNREADABLE.search(latex) or not names <= _COMMANDS or not _is_nested_well(latex):
        raise NotRead(latex)
    index = bool(_INDEX.search(latex))
    config = ConversionConfig(lowercase_symbols=False)
    degrees = bool(_TRIGONOMETRIC.search(latex))
    reader = _Reader(is_real=True, convert_degrees=degrees, config=config)
    reader.index = index
    try:
        found = reader.parse(latex)
        at_end = reader.parser.getCurrentToken().type == Token.EOF
    except Exception as error:
        raise NotRead(latex) from error
    if not at_end or not isinstance(found, sympy.Basic | sympy.MatrixBase):
        raise NotRead(latex)
    return found


def _is_nested_well(latex: str) -> bool:
    """Whether brackets close as often as they open, and no deeper than the parser is quick at."""
    depth = deepest = 0
    for sign in latex:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    return depth == 0 and deepest <= _DEEPEST


def equal_formulas(found: sympy.Basic, expected: sympy.Basic) -> bool:
    """Whether two formulas mean the same, for numbers and terms exactly."""
    if found == expected:
        return True
    if all(isinstance(side, sympy.Expr) for side in (found, expected)):
        return _equal_terms(found, expected)
    return bool(
        verify(
            expected,
            found,
            numeric_precision=40,
            float_rounding=12,
            allow_set_relation_comp=True,
            timeout_seconds=None,
        )
    )


def _equal_terms(found: sympy.Expr, expected: sympy.Expr) -> bool:
    names = sorted({symbol for side in (found, expected) for symbol in side.free_symbols}, key=str)
    if not names:
        return _equal_numbers(found, expected)
    if len(names) > len(POINTS[0]):
        return bool(sympy.expand(found - expected) == 0)
    found, expected = (_done(side) for side in (found, expected))
    compared = 0
    for point in POINTS:
        values = dict(zip(names, map(sympy.Rational, point), strict=False))
        sides = [_at(side, values) for side in (found, expected)]
        if None in sides:
            continue
        if not _close(*sides):
            return False
        compared += 1
    return compared > 1 or bool(verify(expected, found, timeout_seconds=None))


def _done(term: sympy.Expr) -> sympy.Expr:
    kinds = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Derivative, sympy.Limit)
    kinds += (sympy.UnevaluatedExpr,)
    return term.doit() if term.has(*kinds) else term


def _at(term: sympy.Expr, values: dict) -> sympy.Expr | None:
    """The value of a term where its letters have values, or None where it has no real one."""
    try:
        value = _done(term.subs(values)).evalf(30, maxn=400)
    except Exception:  # sympy has no value there, as for a division by zero
        return None
    if (
        _leaves_the_reals(term, values)
        or not value.is_number
        or value.has(sympy.nan, sympy.zoo, sympy.oo)
    ):
        return None
    real, imaginary = value.as_real_imag()
    if abs(imaginary) > abs(real) * 1e-20 and not term.has(sympy.I):
        return None
    return value


def _leaves_the_reals(term: sympy.Expr, values: dict) -> bool:
    """Whether a root of a negative number is taken on the way, in a term without i."""
    if not values or term.has(sympy.I):
        return False
    roots = [power.base for power in term.atoms(sympy.Pow) if power.exp.is_integer is False]
    return any(base.subs(values).is_negative for base in roots)


def _close(one: sympy.Expr, other: sympy.Expr) -> bool:
    return bool(abs(one - other) <= (abs(one) + abs(other)) * sympy.Float("1e-24"))


def _equal_numbers(found: sympy.Expr, expected: sympy.Expr) -> bool:
    """By an estimate first, which is quick also for large powers; then exactly."""
    if any(side.has(sympy.oo, sympy.zoo, sympy.nan) for side in (found, expected)):
        return bool(found.doit() == expected.doit())
    quick = [_at(side, {}) for side in (found, expected)]
    if None not in quick and not _close(*quick):
        return False
    found, expected = found.doit(), expected.doit()
    if found == expected:
        return True
    if found.is_Rational and expected.is_Rational:
        return False
    difference = (found - expected).evalf(5, maxn=2000)
    scale = abs(expected.evalf(5)) or 1
    return bool(difference == 0 or abs(difference) < scale * sympy.Float("1e-500"))


def as_set(relations: list[sympy.Basic]) -> sympy.Set:
    """The numbers for which one of several inequalities in one letter holds. Raises NotRead."""
    letters = {symbol for relation in relations for symbol in relation.free_symbols}
    if len(letters) != 1 or not all(
        isinstance(relation, sympy.core.relational.Relational | And) for relation in relations
    ):
        raise NotRead("no inequalities in one letter")
    try:
        return sympy.Union(*(relation.as_set() for relation in relations))
    except Exception as error:
        raise NotRead("no set") from error
