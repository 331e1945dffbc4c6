"""What is done to a written thought before the model answers from it: pure functions on text.

A thought is what stands in a think block, its line end included. Sentences are those of
`sentences.py`; the white space before the first and behind the last is always kept, so a thought
without sentences left is a blank one, and never no thought.
"""

import math
import random
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from cotsieve.answers.exact import MOST_DIGITS, NUMBER, canonical, exact
from cotsieve.ground.faults import bad
from cotsieve.ground.seeds import seed_from
from cotsieve.interventions.prompts import THOUGHTS
from cotsieve.interventions.sentences import sentences

_Edit = Callable[[str, str, int], str]
_EDITS: dict[str, _Edit] = {
    "full": lambda thought, answer, by: thought,
    "empty": lambda thought, answer, by: THOUGHTS["empty"],
    "finished": lambda thought, answer, by: THOUGHTS["finished"],
    "first_half": lambda thought, answer, by: truncate_fraction(thought, 0.5),
    "drop_statement": lambda thought, answer, by: _keep(thought, _numbers(thought)[:-1]),
    "statement_only": lambda thought, answer, by: _keep(thought, _numbers(thought)[-1:]),
    "drop_equation": lambda thought, answer, by: drop_equation(thought, answer),
    "drop_answer_statement": lambda thought, answer, by: drop_answer_statement(thought, answer),
    "alter_statement": lambda thought, answer, by: alter_statement(thought, answer, by, True),
    "alter_all": lambda thought, answer, by: alter_statement(thought, answer, by),
    "reverse": lambda thought, answer, by: reversed_sentences(thought),
    "mask_digits": lambda thought, answer, by: re.sub("[0-9]", "?", thought),
}
EDITS = tuple(_EDITS)
"""Names that `edited` knows."""
FILLERS = ("dots", "neutral")
_NEUTRAL = "so now I keep thinking about this for a while and "
_STATED = re.compile(r"\\(?:boxed|fbox)\b|\banswers?\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]")
_MONEY = re.compile(r"(?:\\?\$|[€£¥₹])? ?")
_CLOSING = " \t\n.,;:!?)]}$*"


class _Parts(NamedTuple):
    lead: str
    sentences: list[str]
    gaps: list[str]
    """White space between one sentence and the next."""
    tail: str


def edited(name: str, thought: str, answer: str, by: int = 7) -> str:
    """A thought under a named edit; `answer` is the result it reaches, as text.

    - full: as it is. empty, finished: the thoughts of those prompt modes instead.
    - first_half: the first half of the sentences.
    - drop_statement, statement_only: without the last sentence, or it alone.
    - drop_equation: without the sentences that end with "= ANSWER" and do not state it otherwise.
    - drop_answer_statement: without every sentence that states the answer.
    - alter_statement: the answer in the last sentence becomes answer + `by`; alter_all: in every
      sentence that states it.
    - reverse: sentences in reverse order. mask_digits: every digit becomes a question mark.

    Raises BadInput for an unknown name, and where there is no number to alter.
    """
    if name not in _EDITS:
        raise bad(f"edit {name!r}", "there is no such edit", f"Use one of {', '.join(EDITS)}.")
    return _EDITS[name](thought, answer, by)


def truncate_sentences(think: str, k: int) -> str:
    """The first `k` sentences, or all where there are fewer."""
    return _keep(think, _numbers(think)[:k])


def truncate_fraction(think: str, fraction: float) -> str:
    """The first part of the sentences, from 0 to 1 of their number, rounded down.

    The fraction counts as it is written: 0.29 of 100 sentences are 29.
    """
    return truncate_sentences(think, math.floor(Fraction(str(fraction)) * len(sentences(think))))


def states_answer(sentence: str, answer: str) -> bool:
    """Whether a sentence gives the answer away.

    It does when it holds \\boxed or \\fbox, or the word "answer" or "answers", or when its last
    number is the answer and no letter or digit follows ("61 - 12 = 49.", "1,234" for 1234). An
    answer that is not a number counts when the sentence ends with its text, closing marks aside.
    """
    return bool(_STATED.search(sentence)) or _ends_with(sentence, answer)


def mentions(think: str, answer: str) -> int:
    """How often a numeric answer still stands in a thought, in whatever role; 0 for others."""
    number = exact(answer)
    return sum(canonical(found) == number for found in NUMBER.finditer(think)) if number else 0


def drop_answer_statement(think: str, answer: str) -> str:
    """The thought without every sentence that states the answer (see `states_answer`).

    The answer may still stand in others, as in "so it is 90 degrees"; `mentions` counts.
    """
    found = _parts(think).sentences
    return _keep(think, [n for n, text in enumerate(found) if not states_answer(text, answer)])


def drop_equation(think: str, answer: str) -> str:
    """The thought without equations that end with the answer; other statements of it stay."""
    found = _parts(think).sentences
    return _keep(
        think,
        [
            n
            for n, text in enumerate(found)
            if "=" not in text or _STATED.search(text) or not _ends_with(text, answer)
        ],
    )


def alter_statement(think: str, answer: str, by: int = 7, last_only: bool = False) -> str:
    """The thought with answer + `by` where it states the answer; other numbers stay.

    In a sentence with a box or the word "answer" every number equal to the answer changes, in one
    that merely ends with it the last alone. `last_only`: in the last sentence only. Raises BadInput
    when the answer is no number, or nothing of it is found to change.
    """
    other = altered_answer(answer, by)
    lead, found, gaps, tail = _parts(think)
    for n, text in enumerate(found):
        if states_answer(text, answer) and (n == len(found) - 1 or not last_only):
            found[n] = _altered(text, exact(answer), other, everywhere=bool(_STATED.search(text)))
    changed = _text(_Parts(lead, found, gaps, tail))
    if changed == think:
        mend = "Alter only thoughts that state their answer as a number."
        raise bad("thought", f"no sentence to alter states the answer {answer}", mend)
    return changed


def altered_answer(answer: str, by: int = 7) -> str:
    """answer + `by` in canonical form; BadInput when the answer is no number."""
    number = exact(answer)
    if number is None:
        raise bad("answer", f"{answer!r} is no number to alter", "Give a numeric answer.")
    if "/" in number:
        return str(Fraction(number) + by)
    with localcontext(prec=2 * MOST_DIGITS):
        return f"{Decimal(number) + by:f}"


def reversed_sentences(think: str) -> str:
    """The sentences in reverse order; the white space between them stays where it is."""
    lead, found, gaps, tail = _parts(think)
    return _text(_Parts(lead, found[::-1], gaps, tail))


def shuffled(think: str, seed: int | str) -> str:
    """The sentences in an order drawn by `seed`; the white space between stays where it is.

    The order is never the one they came in, unless all sentences are the same.
    """
    lead, found, gaps, tail = _parts(think)
    order = list(found)
    draw = random.Random(seed_from("shuffled sentences", seed))
    while order == found and len(set(found)) > 1:
        draw.shuffle(order)
    return _text(_Parts(lead, order, gaps, tail))


def filler(think: str, kind: str) -> str:
    """As many sentences of the same lengths in characters, without content.

    `kind`: "dots" writes dots alone, "neutral" words that say nothing, cut to length and closed by
    a full stop. Raises BadInput for another kind.
    """
    if kind not in FILLERS:
        raise bad(f"filler {kind!r}", "there is no such kind", f"Use one of {', '.join(FILLERS)}.")
    lead, found, gaps, tail = _parts(think)
    blank = ["." * len(text) if kind == "dots" else _neutral(len(text)) for text in found]
    return _text(_Parts(lead, blank, gaps, tail))


def _neutral(length: int) -> str:
    words = _NEUTRAL * (length // len(_NEUTRAL) + 1)
    return f"{words[: length - 1].capitalize()}."


def _numbers(think: str) -> range:
    return range(len(sentences(think)))


def _parts(think: str) -> _Parts:
    found = sentences(think)
    if not found:
        return _Parts("", [], [], think)
    return _Parts(
        lead=think[: found[0].start],
        sentences=[think[sentence.start : sentence.end] for sentence in found],
        gaps=[think[one.end : next_.start] for one, next_ in pairwise(found)],
        tail=think[found[-1].end :],
    )


def _text(parts: _Parts) -> str:
    between = [*parts.gaps, ""] if parts.sentences else []
    body = zip(parts.sentences, between, strict=True)
    return parts.lead + "".join(text + gap for text, gap in body) + parts.tail


def _keep(think: str, kept: Sequence[int]) -> str:
    """The sentences of these numbers; of the gaps around dropped ones the widest remains."""
    lead, found, gaps, tail = _parts(think)
    between = [max(gaps[one:following], key=len) for one, following in pairwise(kept)]
    return _text(_Parts(lead, [found[n] for n in kept], between, tail))


def _ends_with(sentence: str, answer: str) -> bool:
    number = exact(answer)
    if number is None:
        return bool(answer.strip()) and sentence.rstrip(_CLOSING).endswith(answer.rstrip(_CLOSING))
    found = list(NUMBER.finditer(sentence))
    return (
        bool(found)
        and canonical(found[-1]) == number
        and not _WORD.search(sentence, found[-1].end())
    )


def _altered(sentence: str, number: str | None, other: str, everywhere: bool) -> str:
    equal = [found for found in NUMBER.finditer(sentence) if canonical(found) == number]
    for found in reversed(equal if everywhere else equal[-1:]):
        money = _MONEY.match(found[0])[0]  # and dollar signs that open a formula
        sentence = sentence[: found.start()] + money + other + sentence[found.end() :]
    return sentence
