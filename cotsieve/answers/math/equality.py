"""The comparison of the grader "math": what two answers in LaTeX are, and whether they are equal.

Both are brought to one spelling and taken apart (`structure`); then lists are compared with lists,
times with times, names with names, and formulas with formulas by math-verify and sympy. To be
called in a process of its own only: an expression can keep sympy busy for hours.
"""

import re
from collections.abc import Iterable, Sequence

from sympy import Basic

from cotsieve.answers.math.expressions import NotRead, as_set, equal_formulas, read
from cotsieve.answers.math.leaves import NUMBER, equal_numbers, equal_quantities, equal_texts
from cotsieve.answers.math.numerals import other_countries, read_numbers, without_commas
from cotsieve.answers.math.quantities import compound, quantity, without_ordinal
from cotsieve.answers.math.spelling import plain, tidy
from cotsieve.answers.math.structure import (
    Group,
    Part,
    items,
    parts,
    text_of,
    values_of,
    without_conditions,
)
from cotsieve.answers.math.words import opened, value_of_words, without_lead

NOT_READ = "not read"
"""Said instead of a verdict where two different texts could not both be read to their end."""

_NAMED = r"(?:[A-Za-z]|\\(?!sum|prod|lim|int)[a-z]+)(?: ?_ ?(?:\{[^{}]{1,20}\}|\w))?'*"
_ASSIGNED = re.compile(
    rf"(?P<left>{_NAMED}(?: ?\([a-z, ]+\))?|\( ?{_NAMED}(?: ?, ?{_NAMED})* ?\)|[A-Za-z]{{2,}}"
    r"|\\(?:angle|triangle|overline|vec|bar) ?\{?[A-Za-z]+\}?|\\text\{[^{}]*\}|\|[A-Z]+\|"
    r"|\\frac\{d ?[a-z]\}\{d ?[a-z]\})"
    r" ?(?P<sign>=|\\in(?![a-z])|:=|\\approx|\\to(?![a-z])) ?(?P<right>.+)",
    re.DOTALL,
)
_EQUALS = re.compile(r"(?<![<>!:])=|\\approx")
_ORDERED = re.compile(r"<|>|\\(?:le|ge|ne)(?![a-z])")
_CONGRUENT = re.compile(
    r"(?:(?P<left>[^=<>,]{1,40}?) ?\\equiv ?)?(?P<rest>[^=<>]+?)"
    r" ?\(? ?(?:\\(?:pmod|bmod|mod|pod)|\\text\{\(?mod\)?\}|mod)"
    r" ?\{? ?(?P<modulus>[0-9]{1,30}) ?\}? ?\)?"
)
_SETS = re.compile(r"\\(?:cup|cap|setminus|mathbb|emptyset)(?![a-z])")
_INTERVALS = ("()", "(]", "[)", "[]")


def equal(prediction: str, reference: str) -> bool | str:
    """Whether a prediction is the reference answer; NOT_READ where that cannot be read."""
    found, expected = _spelled(prediction), _spelled(reference)
    verdict = found == expected or _equal_answers(found, expected)
    return NOT_READ if verdict is None else verdict


def _spelled(answer: str) -> str:
    text = without_lead(opened(plain(answer)))
    text = tidy(without_commas(read_numbers(without_ordinal(text))))
    return text.replace(r"\cup", r"\text{or}") if _ORDERED.search(text) else text


def _equal_answers(found: str, expected: str) -> bool | None:
    """None when one of them could not be read."""
    found, expected = value_of_words(found), value_of_words(expected)
    verdict = _equal_forms(found, expected)
    if verdict is not None:
        return verdict
    sides = [without_conditions(side) for side in (found, expected)]
    (found_part, found_rest), (expected_part, expected_rest) = sides
    if found_rest and expected_rest and found_rest != expected_rest:
        return False
    verdict = _equal(found_part, expected_part)
    number = other_countries(found)
    if not verdict and number and NUMBER.fullmatch(expected):
        return equal_numbers(number, expected)
    return verdict


def _equal_forms(found: str, expected: str) -> bool | None:
    """The verdict on congruences and sums of units, which commas do not part; None of others."""
    congruences = [_CONGRUENT.fullmatch(side) for side in (found, expected)]
    if any(congruences):
        return _equal_congruences(*congruences, found, expected)
    sums = compound(found), compound(expected)
    if any(sums):
        sides = [sum_ or quantity(text) for sum_, text in zip(sums, (found, expected), strict=True)]
        return equal_quantities(*sides)
    return None


def _equal_congruences(
    one: re.Match[str] | None, other: re.Match[str] | None, found: str, expected: str
) -> bool | None:
    """The same classes of the same modulus; a class without letter may leave out its modulus."""
    if not one or not other:
        known = one or other
        if known["left"]:
            return False
        return _equal(
            *(side["rest"] if side else text for side, text in ((one, found), (other, expected)))
        )
    lefts = {side["left"].replace(" ", "") for side in (one, other) if side["left"]}
    if int(one["modulus"]) != int(other["modulus"]) or len(lefts) > 1:
        return False
    return _matched(*(_classes(side) for side in (one, other)))


def _classes(found: re.Match[str]) -> list[Part]:
    """The least residues of a congruence, or what stands for them."""
    modulus = int(found["modulus"])
    listed = [value for item in items(parts(found["rest"])) for value in values_of(item)]
    listed = [
        re.sub("^- (?=[0-9])", "-", item) if isinstance(item, str) else item for item in listed
    ]
    return [
        str(int(item) % modulus)
        if modulus and re.fullmatch("-?[0-9]{1,300}", text_of(item))
        else item
        for item in listed
    ]


def _equal(found: Part, expected: Part) -> bool | None:
    if text_of(found) == text_of(expected):
        return True
    found, expected = _of_assignment(found, expected)
    verdict = _equal_sets(found, expected)
    if verdict is not None:
        return verdict
    if isinstance(found, Group) or isinstance(expected, Group):
        return _equal_groups(_as_group(found), _as_group(expected))
    values = values_of(found), values_of(expected)
    if max(map(len, values)) > 1:
        return _matched(*values)
    return equal_texts(found, expected)


def _as_group(part: Part) -> Group:
    return part if isinstance(part, Group) else Group("list", tuple(values_of(part)), part)


def _of_assignment(*sides: Part) -> list[Part]:
    """Both sides without "x =" where only one has it, or where both have the same."""
    assigned = [_ASSIGNED.fullmatch(side) if isinstance(side, str) else None for side in sides]
    names = [found["left"].replace(" ", "") if found else None for found in assigned]
    if all(names) and names[0] != names[1]:
        return list(sides)
    others_equal = [isinstance(side, str) and "=" in side for side in sides]
    if not all(names) and all(others_equal):
        return list(sides)
    return [
        parts(_EQUALS.split(found["right"])[-1]) if found else side
        for found, side in zip(assigned, sides, strict=True)
    ]


def _equal_groups(found: Group, expected: Group) -> bool | None:
    kinds = found.kind, expected.kind
    if "matrix" in kinds:
        return _equal_matrices(found, expected)
    if {"list", "set"} >= {*kinds}:
        return _matched(found.items, expected.items, "\\ldots" in found.text)
    if "set" in kinds or len(found.items) != len(expected.items):
        return False
    pair = len(found.items) == 2
    if pair and len({kind for kind in kinds if kind != "list"} - {"()", "vector"}) > len(kinds) - 1:
        return False
    if kinds[0] != kinds[1] and pair and {"(]", "[)", "[]"} & {*kinds}:
        return False
    if expected.kind == "list":
        return _matched(found.items, expected.items)
    return _all(map(_equal, _by_name(found), _by_name(expected)))


def _by_name(group: Group) -> tuple[Part, ...]:
    """The parts in the order of their names, when each is assigned to a letter."""
    named = [_ASSIGNED.fullmatch(text_of(item)) for item in group.items]
    if group.kind != "list" or not all(named):
        return group.items
    order = sorted(range(len(named)), key=lambda index: named[index]["left"])
    return tuple(group.items[index] for index in order)


def _equal_matrices(found: Group, expected: Group) -> bool | None:
    rows = [[items(row) for row in items(side)] for side in (found, expected)]
    if found.kind != expected.kind:
        if "set" in (found.kind, expected.kind):
            return False
        flat = [[cell for row in side for cell in row] for side in rows]
        lines = [len(side) == 1 or {*map(len, side)} == {1} for side in rows]
        return _all(map(_equal, *flat)) if all(lines) and len({*map(len, flat)}) == 1 else False
    if [*map(len, rows[0])] != [*map(len, rows[1])]:
        return False
    pairs = [zip(*both, strict=True) for both in zip(*rows, strict=True)]
    return _all(_equal(*pair) for row in pairs for pair in row)


def _matched(found: Sequence[Part], expected: Sequence[Part], ordered=False) -> bool | None:
    """Whether the parts are the same in some order; repetitions do not count twice."""
    if ordered:
        return _all(map(_equal, found, expected)) if len(found) == len(expected) else False
    found, expected = (
        list(dict.fromkeys(value for part in side for value in values_of(part)))
        for side in (found, expected)
    )
    if len(found) != len(expected):
        return False
    unread = False
    for part in found:
        for place, other in enumerate(expected):
            verdict = _equal(part, other)
            unread |= verdict is None
            if verdict:
                del expected[place]
                break
        else:
            return None if unread else False
    return True


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    """False when one is, None when one is not read, else True."""
    told = list(verdicts)
    return False if False in told else None if None in told else True


def _equal_sets(found: Part, expected: Part) -> bool | None:
    """The verdict where one side is an interval or another set of numbers; None of others."""
    kinds = [_kind_of_set(side) for side in (found, expected)]
    if kinds not in (["set", "rule"], ["rule", "set"], ["set", "set"]):
        return None
    if all(isinstance(side, Group) for side in (found, expected)) and "rule" not in kinds:
        return None
    try:
        sides = [_read_set(side, kind) for side, kind in zip((found, expected), kinds, strict=True)]
    except NotRead:
        return None
    return equal_formulas(*sides)


def _kind_of_set(side: Part) -> str:
    if isinstance(side, Group):
        rules = side.kind == "list" and all(_ORDERED.search(text_of(item)) for item in side.items)
        return "rule" if rules else "set" if side.kind in _INTERVALS or side.kind == "set" else ""
    return "rule" if _ORDERED.search(side) else "set" if _SETS.search(side) else ""


def _read_set(side: Part, kind: str) -> Basic:
    if kind == "rule":
        relations = side.items if isinstance(side, Group) else [side]
        return as_set([read(text_of(relation)) for relation in relations])
    return read(text_of(side)).doit() if items(side) else read(r"\emptyset")
