"""Units, currencies, percent signs and words for large numbers of an answer.

Text in the spelling of `spelling.plain` → the number's text, and the unit with its dimension and
its size in the base unit of that dimension. Unknown words are dimensions of their own.
"""

import re
from fractions import Fraction
from typing import NamedTuple

_TABLE = """
length 1/1000 mm millimeter millimetre
length 1/100 cm centimeter centimetre
length 1/10 dm decimeter decimetre
length 1 m meter metre
length 1000 km kilometer kilometre
length 1/1000000 micrometer micron
length 1/1000000000 nm nanometer
length 127/5000 in inch inches
length 381/1250 ft foot feet
length 1143/1250 yd yard
length 201168/125 mi mile
time 1/1000 ms millisecond
time 1 s sec second
time 60 min minute
time 3600 h hr hour
time 86400 day
time 604800 wk week
months 1 month
months 12 yr year
months 120 decade
months 1200 century centuries
mass 1/1000 mg milligram
mass 1 g gram gramme gm
mass 1000 kg kilogram
mass 1000000 tonne
mass 45359237/100000 lb pound
mass 45359237/1600000 oz ounce
length^3 1/100 ml mL milliliter millilitre cc
length^3 1/10 l L liter litre
length^2 100 ha hectare
angle 1 deg degree °
angle 1/60 arcmin arcminute '
angle 1/3600 arcsec arcsecond ''
radian 1 rad radian
dollar 1 $ dollar USD
dollar 1/100 ¢ cent penny pennies
euro 1 € euro EUR
sterling 1 £ GBP
yen 1 ¥ yen JPY
yuan 1 yuan RMB CNY 元
rupee 1 ₹ rupee Rs Rs. INR
won 1 ₩ won
ruble 1 ₽ ruble rouble
celsius 1 °C celsius
fahrenheit 1 °F fahrenheit
kelvin 1 K kelvin
energy 1 J joule
energy 1000 kJ kilojoule
power 1 W watt
power 1000 kW kilowatt
force 1 N newton
frequency 1 Hz hertz
frequency 1000 kHz
pressure 1 Pa pascal
pressure 1000 kPa
voltage 1 V volt
current 1 A ampere
bit 1 bit
bit 8 byte
one 1 unit
one 1/100 % percent percentage pct
one 12 dozen
one 100 hundred
one 1000 thousand
one 1000000 million
one 1000000000 billion
one 1000000000000 trillion
"""
_LETTERS = {"m", "s", "h", "g", "l", "L", "K", "J", "W", "N", "V", "A"}
_JOINING = {"square", "cubic", "per", "squared", "cubed"}
_COMPOUND = {"mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour", "sq": "square", "cu": "cubic"}


def _read_table() -> dict[str, tuple[str, Fraction, int]]:
    units = {}
    for row in _TABLE.split("\n")[1:-1]:
        dimension, size, *names = row.split()
        dimension, _, power = dimension.partition("^")
        units |= dict.fromkeys(names, (dimension, Fraction(size), int(power or 1)))
    return units


_UNITS = _read_table()
_CURRENCY = r"\\\$|[$€£¥₹₩₽₺₫₪฿¢]|(?:EUR|USD|GBP|INR|CNY|RMB|JPY|Rs\.?)(?= ?[0-9])"
_KNOWN = "|".join(
    re.escape(name) + ("(?:s|es)?" if len(name) > 2 and name[-1].isalpha() else "")
    for name in sorted({*_UNITS, *_COMPOUND, *_JOINING}, key=len, reverse=True)
    if name not in _LETTERS and name[0].isalpha()
)
_PLAIN_UNIT = re.compile(
    rf"\\text\{{[^{{}}]*\}}|(?<![A-Za-z\\{{])(?:{_KNOWN}|(?<=[ /])[msghlLKJWNV])(?![A-Za-z}}])"
)
_PLAIN_WORDS = re.compile(
    r"(?<=[0-9}]) (?!sin|cos|tan|log|exp|sqrt|pi|and|or|mod|base)"
    r"([A-Za-z]{3,}(?:[ -][A-Za-z]{2,}){0,6})$"
)
_PIECE = (
    r"(?:\\text\{[^{}]*\}|\\frac\{ ?\\text\{[^{}]*\} ?\}\{ ?\\text\{[^{}]*\} ?\}"
    rf"|\\%|\^\\circ(?: ?[CF](?![A-Za-z]))?|'|{_CURRENCY}"
    r"|(?<=[}]) ?\^ ?\{? ?-?[1-6] ?\}?|(?<=\}) ?(?:/|\\cdot) ?(?=\\text)| )"
)
_TAIL = re.compile(rf"(?P<number>.*?[^\s])??\s*(?P<unit>{_PIECE}+)", re.DOTALL)
_ONE = rf"([0-9]+(?:\.[0-9]+)?) ?((?:{_PIECE})+)"
_ONE_OF = re.compile(_ONE)
_COMPOUND_TEXT = re.compile(rf"(?:{_ONE}){{2,4}}")
_HEAD = re.compile(rf"(?P<sign>-?) ?(?P<money>{_CURRENCY}) ?(?P<rest>.+)", re.DOTALL)
_ORDINAL = re.compile(r"(?<=[0-9]) ?\^? ?\{? ?(?:\\text\{ ?)?(?:st|nd|rd|th)(?![A-Za-z])[ }]*")
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_VERB = re.compile(r"(?:is|are|was|has|have|or|and|if|when|for|but|not|does|mod|base|to)\b")


class Unit(NamedTuple):
    """What a number counts."""

    dimensions: tuple[tuple[str, int], ...]
    """Dimension and power, in order; empty for a pure number."""
    size: Fraction
    """In base units: 60 for a minute."""
    times: Fraction = Fraction(1)
    """What words for numbers and the percent sign multiply it by: 1000000 for million."""


class Quantity(NamedTuple):
    """A number with its unit, or without one."""

    number: str
    unit: Unit


NONE = Unit((), Fraction(1))


def without_ordinal(text: str) -> str:
    """15^{\\text{th}} or 15th is 15."""
    return _ORDINAL.sub("", text)


def quantity(text: str) -> Quantity:
    """The number of a text and its unit; the text itself and no unit where it has none."""
    head = _HEAD.fullmatch(text)
    money = ""
    if head:
        money, text = head["money"], head["sign"] + head["rest"]
    text = _with_plain_words(text)
    tail = _TAIL.fullmatch(text)
    if not tail or not tail["number"]:
        return Quantity(text, unit_of(money) or NONE)
    words = f"{money} {tail['unit']}" if money else tail["unit"]
    unit = unit_of(words)
    if _TRIGONOMETRIC.search(text) and ("angle", 1) in (unit or NONE).dimensions:
        return Quantity(text, NONE)
    if unit is None or (unknown(unit) and re.search(r"[A-Za-z]", _bare(tail["number"]))):
        return Quantity(text, NONE)
    return Quantity(tail["number"].strip(), unit)


def _with_plain_words(text: str) -> str:
    text = _PLAIN_UNIT.sub(
        lambda found: found[0] if found[0][0] == "\\" else rf"\text{{{found[0]}}}", text
    )
    return _PLAIN_WORDS.sub(r" \\text{\1}", text)


def compound(text: str) -> Quantity | None:
    """Several numbers with units of one dimension, as in 1 hour 30 minutes, in the first unit."""
    text = _with_plain_words(re.sub(r"\\text\{and\}|\band\b", " ", text))
    text = " ".join(text.split())
    if r"^\circ" not in text and re.fullmatch(r"[0-9]+' ?[0-9.]+ ?''", text):
        text = text.replace("''", r" \text{inch}").replace("'", r" \text{foot}")
    if not _COMPOUND_TEXT.fullmatch(text):
        return None
    parts = [(Fraction(number), unit_of(words)) for number, words in _ONE_OF.findall(text)]
    units = [unit for _, unit in parts]
    if None in units or any(unknown(u) or u.dimensions != units[0].dimensions for u in units):
        return None
    if not units[0].dimensions:
        return None
    total = sum(number * unit.size for number, unit in parts) / units[0].size
    return Quantity(rf"\frac{{{total.numerator}}}{{{total.denominator}}}", units[0])


def unknown(unit: Unit) -> bool:
    """Whether a unit has words that are in no table."""
    return any(name.startswith("?") for name, _ in unit.dimensions)


def _bare(number: str) -> str:
    return re.sub(r"\\(?:frac|sqrt|pi|cdot|times)(?![A-Za-z])", "", number)


def unit_of(words: str) -> Unit | None:
    """A unit from its words, as in \\text{ km}/\\text{h}; None where they are no unit."""
    words = re.sub(r"\\frac\{([^{}]*\{[^{}]*\} ?)\}\{([^{}]*\{[^{}]*\} ?)\}", r"\1/\2", words)
    words = words.replace(r"^\circ", " ° ").replace("° C", "°C").replace("° F", "°F")
    words = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", words).replace("\\cdot", " ")
    words = re.sub(r"° *([CF])(?![a-z])", r"°\1", words.replace("\\", ""))
    words = re.sub(r"[{}()]", "", words).replace("²", "^2").strip(" .,")
    if _VERB.match(words):
        return None
    return _product(words) if words else NONE


def _product(words: str) -> Unit:
    powers: dict[str, int] = {}
    size, number, sign, power = Fraction(1), Fraction(1), 1, 1
    for word, raised in re.findall(r"(''|[^\s^/]+|/) *(?:\^ *(-?[0-9]))?", words):
        if word in ("/", "per", "a", "an", "each"):
            sign = -1
            continue
        if word.lower() in ("square", "squared", "sq", "cubic", "cu", "cubed"):
            power = 2 if word.lower().startswith("sq") else 3
            continue
        for name, factor, times in _known(word):
            exponent = times * sign * power * int(raised or 1)
            if name == "one":
                number *= factor**exponent
            else:
                size *= factor**exponent
                powers[name] = powers.get(name, 0) + exponent
        power = 1
    return Unit(tuple(sorted((n, p) for n, p in powers.items() if p)), size, number)


def _known(word: str) -> list[tuple[str, Fraction, int]]:
    """Dimension, size and power of a word; compound ones have several."""
    name = word.rstrip(".,")
    compound = _COMPOUND.get(name.lower())
    if compound and "/" in compound:
        over, under = compound.split("/")
        return [_UNITS[over], (*_UNITS[under][:2], -1)]
    for form in (name, name.removesuffix("s"), name.removesuffix("es")):
        for found in (form, form.lower()):
            if found in _UNITS:
                return [_UNITS[found]]
    return [("?" + _stem(name.lower()), Fraction(1), 1)]


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word.removesuffix("s")
