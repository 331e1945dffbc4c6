"""The cells of one row, whatever its file's format: what each may hold, or what is wrong."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from cotsieve.answers.boxed import last_box
from cotsieve.answers.exact import exact
from cotsieve.answers.published import original_reference

LONGEST_QUESTION = 100_000
"""Characters; longer ones are a mistake in the file, and no model could read them."""
MOST_STEPS = 2**31 - 1

NO_ANSWERS = ("proof", "notfound", "not found")
"""What NuminaMath and sets made from it write where a problem has no answer."""

_PERCENT = re.compile(r"(?<=\d)\s+%(?=\s*$)")
_DIGITS = re.compile(r"[0-9]{1,10}(?:\.0{1,10})?")
_MARKER = re.compile(r"#{4,}+\s*+([^\n]*)")
_MARKED_NUMBER = re.compile(r"#{4,}+\s*+(?P<digits>-?\d+(?:,\d{3})*(?:\.\d+)?)(?P<rest>[^\n]*)")
_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,14}")
"""Most answers; what they are need not be worked out."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class RowFault(ValueError):
    """Why one row cannot be used, and what its owner can do about it.

    As text it is what a problem of the row is recorded with. Results are remembered by that, so a
    fault that is told in other words than before is still `recorded` in those.
    """

    def __init__(self, what: str, mend: str, recorded: str | None = None):
        self.what, self.mend = what, mend
        super().__init__(recorded or f"{what}. {mend}")


class NoAnswer(RowFault):
    """A row is no problem with an answer: a proof, a program, an instruction."""


def question_text(value: object) -> str:
    """A question, unchanged; RowFault when it is missing, blank, too long or not storable."""
    text = plain_text("question", value)
    if not text.strip():
        raise RowFault("the question is empty", "Write the question or remove the row.")
    if len(text) > LONGEST_QUESTION:
        what = f"the question has {len(text):,} characters"
        raise RowFault(what, f"At most {LONGEST_QUESTION:,} are accepted: shorten or remove it.")
    return text


def solution_text(value: object) -> str | None:
    """A worked solution, unchanged, or None; RowFault when it is not storable text."""
    return None if value is None else plain_text("solution", value)


def answer_text(value: object) -> str:
    """A reference answer in canonical form; RowFault unless it is one finite number."""
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    text = str(value) if number else value
    answer = _exact(text) if isinstance(text, str) else None
    if answer is None:
        mend = "Write one finite number, such as 1234, -5, 3.5 or 3/4."
        if isinstance(value, str) and "\\" in value:
            mend += " LaTeX is read with grading: {grader: math}, or in the formats math500, math,"
            mend += " deepscaler and am."
        fault = RowFault(f"the answer {shown(value)} is not a number", mend)
        if value is None:
            raise NoAnswer("the answer is missing", mend, recorded=str(fault))
        raise fault
    return answer


def _exact(text: str) -> str | None:
    return text if _CANONICAL.fullmatch(text) else exact(_PERCENT.sub("%", text))


def number_or_latex(value: object) -> str:
    """A reference answer as a number in canonical form, or else as it is written."""
    try:
        return answer_text(value)
    except RowFault:
        return latex_answer(value)


def marked_answer(solution: str | None) -> str:
    """The reference answer behind the #### of a solution, in canonical form.

    It may be written as in a column of answers (".5", "$5", "−5"), but for fractions. RowFault when
    there is no #### or no number behind it, and when the study's pattern would read only a part of
    the numbers that stand there ("12,34" as 12, "1/2" as 1).
    """
    marker = _MARKER.search(solution or "")
    if not marker:
        raise NoAnswer("missing ####", 'End the solution with "#### <number>", or map an answer.')
    number = _MARKED_NUMBER.match(solution, marker.start())
    digits = number and number["digits"].replace(",", "")
    plain = digits and _CANONICAL.fullmatch(digits)
    answer = digits if plain else original_reference(solution) if number else None
    if answer is None or re.search(r"\d", number["rest"]):
        answer = _exact(marker[1])
    if answer is None or "/" in answer:
        what = f"not one number behind ####, but {shown(marker[1])}"
        raise RowFault(what, "Write one number there, such as 1234 or 1,234.5, or map an answer.")
    return answer


def latex_answer(value: object) -> str:
    """A reference answer as written, LaTeX included; RowFault unless it is text or a number."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return answer_text(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise NoAnswer("the answer is empty", "Write the answer or remove the row.")
    if isinstance(value, str) and value.strip().casefold() in NO_ANSWERS:
        mend = "Leave the row out, or set bad_rows to record."
        raise NoAnswer(f"the answer {shown(value)} says that there is none", mend)
    return plain_text("answer", value)


def boxed_answer(solution: str | None) -> str:
    """What the last \\boxed{...} of a solution holds, as written; RowFault when it is empty."""
    content = last_box(solution or "")
    if content is None:
        raise NoAnswer("missing \\boxed{...}", "Put the solution's answer in one.")
    if not content.strip():
        raise RowFault("the last \\boxed{...} is empty", "Put the solution's answer in it.")
    return content


def steps_number(value: object) -> int:
    """A number of reasoning steps, text like "3" too; RowFault unless it is whole and from 0."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        whole, value = True, int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        whole, value = True, int(value)
    if not whole or not 0 <= value <= MOST_STEPS:
        what, mend = f"the steps are {shown(value)}", "Write a whole number from 0"
        raise RowFault(what, f"{mend} to {MOST_STEPS:,}.", recorded=f"{what}. {mend}.")
    return value


def identity_text(value: object) -> str:
    """A problem's own id as text; RowFault unless it is a whole number or plain text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = plain_text("id", value)
    if not text.strip() or not text.isprintable():
        raise RowFault(f"the id {shown(value)} is empty or not printable", "Write a plain id.")
    return text


def shown(value: object, most: int = 60) -> str:
    """A value for a message, shortened."""
    text = repr(value[: most * 2] if isinstance(value, str) else value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def plain_text(name: str, value: object) -> str:
    """A value that is text which files can hold; RowFault when it is not."""
    if not isinstance(value, str):
        fault = RowFault(f"the {name} is {shown(value)}, not text", f"Write the {name} as text.")
        if value is None:
            mend = f"Write the {name} or remove the row."
            fault = RowFault(f"the {name} is missing", mend, recorded=str(fault))
        raise fault
    if "\0" in value:
        raise RowFault(f"the {name} holds a NUL character", "Remove it.")
    if not value.isascii() and _SURROGATE.search(value):
        what = f"the {name} holds half of a surrogate pair"
        raise RowFault(what, "Write the character itself, or both halves.")
    return value


class Row(NamedTuple):
    """What a row says about its problem."""

    question: object
    solution: object = None
    answer: object = None
    steps: object = None
    answer_is: str = "number"
    """Where the answer is, and what: "number", "text" and "either" in `answer`, "marked" is the
    number behind #### in the solution, "boxed" is the text in the solution's last box."""
    level: int | None = None
    subject: str | None = None
    reasoning: object = None
    """A written chain of thought that came with the problem."""
    fault: RowFault | None = None
    """Why the row cannot be used although its question can be read."""


def cell(record: Mapping[str, object], column: str) -> object:
    """A row's value in a column; RowFault when the row lacks the column.

    A name such as messages.0.content that is no column leads into the objects and lists of one.
    """
    if column in record:
        return record[column]
    value: object = record
    for step in column.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise RowFault(f"it has no {column!r}", f"Add {column!r} to the row.")
    return value


def inner(record: Mapping[str, object], column: str) -> Mapping[str, object]:
    """A row's object in a column; RowFault when it is none."""
    value = cell(record, column)
    if not isinstance(value, Mapping):
        raise RowFault(f"{column!r} is {value!r:.60}, not an object", "Write an object there.")
    return value
