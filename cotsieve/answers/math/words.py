"""Words of an answer: names, words that stand for values, and words that only lead to the answer.

Texts are in the spelling of `spelling.plain`, where words stand in \\text{...} or alone.
"""

import re

_FREE = re.compile(r"\\text\{([^{}]*)\}")
_IN_TEXT = re.compile(
    r"(?P<number>-?\$?(?<![A-Za-z])[0-9]+(?:[.,:/][0-9]+)*(?:\\?%)?)|(?P<comma>[,;()]|\b(?:and|or)\b)"
)
_LEAD = re.compile(
    r"(?:\\text\{)?\s*(?:(?:so|thus|hence|therefore),? )?"
    r"(?:(?:the )?(?:final |correct )?(?:answer|result|solution|value|total)s?(?: is| are|:| =)+:?"
    r"|answer:?|ans:?|最终答案[是为:]*|所以|故|答案[是为:]*|答[:是]*|结果[是为:]*"
    r"|(?:la )?respuesta(?: es)?:?|(?:la )?réponse(?: est)?:?|(?:die )?antwort(?: ist)?:?"
    r"|ответ:?|(?:a )?resposta(?: é)?:?|(?:la )?risposta(?: è)?:?|답[은:]*|答え[は:]*"
    r"|approximately|approx\.?|about|roughly|option|choice|case|it is|equals|is|we get)"
    r"(?![A-Za-z])\s*(?:\}|(?=[^}]*$)|(?=[^{}]*\}))",
    re.IGNORECASE,
)
_TRAIL = re.compile(
    r"\(? ?\\text\{ ?\(?(?:approx\.?|approximately|rounded|exactly|only|in total)\)? ?\} ?\)?$"
)
_VALUES = {
    r"\infty": ["infinity", "infinite", "positive infinity", "plus infinity", "inf"],
    r"-\infty": ["negative infinity", "minus infinity"],
    r"\emptyset": [
        *["no solution", "no solutions", "no real solution", "no real solutions", "empty set"],
        *["the empty set", "none", "no such number", "no roots", "no real roots", "null set"],
        *["there are no solutions", "there is no solution", "no such numbers", "empty"],
        *["no values", "no value", "no solution exists", "无解", "空集"],
    ],
    r"\mathbb{R}": [
        *["all real numbers", "all reals", "real numbers", "the real numbers", "any real number"],
        *["all real", "the set of all real numbers", "every real number", "the reals", "reals"],
        *["all real values", "全体实数"],
    ],
    r"\mathbb{Z}": ["all integers", "integers", "the integers", "any integer"],
    r"\mathbb{N}": ["natural numbers", "all natural numbers"],
    r"\mathbb{Q}": ["rational numbers", "all rational numbers"],
    r"\pi": ["pi"],
    r"\frac{1}{2}": ["one half", "half", "a half"],
    r"\frac{1}{3}": ["one third", "a third"],
    r"\frac{2}{3}": ["two thirds"],
    r"\frac{1}{4}": ["one quarter", "a quarter", "one fourth", "a fourth"],
    r"\frac{3}{4}": ["three quarters", "three fourths"],
    "undefined": ["does not exist", "dne", "not defined", "undefined", "no limit"],
}
_VALUE = {word: value for value, words in _VALUES.items() for word in words}
_ONES_TEXT = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
_ONES = _ONES_TEXT.split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_NUMBERS = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * number for number, word in enumerate(_TENS, start=2)
}
_OPTION = re.compile(r"[(\[]? ?([A-Za-z]) ?[)\]]?\.?")
_CAPITALS = re.compile(r"(?<![A-Za-z\\{])[A-Z]{2,}'?(?![A-Za-z}_])")


def opened(text: str) -> str:
    """The text with numbers, commas, "and" and "or" taken out of \\text{...}."""
    return " ".join(_FREE.sub(_opened, text).split())


def _opened(found: re.Match[str]) -> str:
    words = found[1]
    if not re.search(r"[0-9,;]|\b(?:and|or)\b", words):
        return found[0]
    pieces, place = [], 0
    for part in _IN_TEXT.finditer(words):
        pieces += [_text(words[place : part.start()]), _joined(part)]
        place = part.end()
    return " ".join([*pieces, _text(words[place:])])


def _joined(part: re.Match[str]) -> str:
    return part["number"] or (part["comma"] if part["comma"] in ",;()" else rf"\text{{{part[0]}}}")


def _text(words: str) -> str:
    return rf"\text{{{words.strip()}}}" if words.strip() else ""


def without_lead(text: str) -> str:
    """The text without words that only say that an answer comes, as in "the answer is 5"."""
    led = _LEAD.match(text)
    if led and text[led.end() :].strip(" {}:"):
        opens = led[0].count("{") > led[0].count("}")
        text = (r"\text{" if opens else "") + text[led.end() :].lstrip(" :")
    return _TRAIL.sub("", text).strip()


def value_of_words(text: str) -> str:
    """The LaTeX of a text that is words for a value ("no solution", "twelve"), or the text."""
    words = " ".join(_FREE.sub(r" \1 ", text).lower().replace("-", " ").split()).strip(" .")
    if not words.replace(" ", "").isalpha():
        return text
    number = _number(words.split())
    return _VALUE.get(words, text) if number is None else str(number)


def _number(words: list[str]) -> int | None:
    total, group = 0, 0
    if not words or (words[0] in _SCALES and words[0] != "hundred"):
        return None
    for word in words:
        if word == "and" and group + total:
            continue
        if word in _NUMBERS:
            group += _NUMBERS[word]
        elif word == "hundred" and group:
            group *= 100
        elif word in _SCALES and group:
            total, group = total + group * _SCALES[word], 0
        else:
            return None
    return total + group


def name(text: str) -> str | None:
    """The name that a text is, without case; None of a formula.

    Names are words in \\text{...}, words of at least four letters, and capital letters in a row.
    """
    if "\\text{" in text:
        inside = _FREE.sub(r" \1 ", text)
        return _folded(inside) if re.fullmatch(r"[^\\^_=+<>{}0-9]+", inside) else None
    if re.fullmatch(r"[A-Z](?: ?[A-Z])+", text):
        return text.replace(" ", "").casefold()
    if re.fullmatch(r"[^\W\d_]+(?:[ '.-]+[^\W\d_]+)*[.'!]?", text) and _is_word(text):
        return _folded(text)
    return None


def _is_word(text: str) -> bool:
    longest = max(map(len, re.findall(r"[^\W\d_]+", text)))
    return longest >= 4 or not text.isascii() or bool(re.fullmatch(r"[A-Z]{2,}", text))


def _folded(words: str) -> str:
    words = " ".join(words.replace("-", " ").split()).strip(" .!'\"“”")
    option = _OPTION.fullmatch(words)
    return option[1].casefold() if option else words.casefold()


def letter(text: str) -> str | None:
    """A single letter, in brackets or not, as it stands; None of anything else."""
    found = _OPTION.fullmatch(text)
    return found[1] if found else None


def with_names(text: str) -> str:
    """The text with capital letters in a row marked as one name, so that AB is not BA."""
    return _CAPITALS.sub(lambda found: rf"\text{{{found[0]}}}", text)
