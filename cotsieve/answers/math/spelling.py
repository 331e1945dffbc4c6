"""An answer as people, keyboards and typesetters write it → the one spelling that is read.

Unicode signs become LaTeX or ASCII, and marks that only say how a thing looks are left out. What
the answer means is not touched, and nothing is computed.
"""

import re
import unicodedata
from fractions import Fraction

_WORDS_OF_SIGNS = {
    r"\infty": "∞",
    r"\cup": "∪⋃",
    r"\cap": "∩⋂",
    r"\emptyset": "∅⌀",
    r"\setminus": "∖",
    r"\le": "≤⩽≦",
    r"\ge": "≥⩾≧",
    r"\ne": "≠",
    r"\approx": "≈≃≅",
    r"\equiv": "≡",
    r"\in": "∈",
    r"\notin": "∉",
    r"\subset": "⊂",
    r"\subseteq": "⊆",
    r"\pm": "±",
    r"\mp": "∓",
    r"\times": "×✕✖⨯",
    r"\cdot": "·⋅∙•‧・",
    r"\div": "÷",
    r"\sum": "∑",
    r"\prod": "∏",
    r"\int": "∫",
    r"\partial": "∂",
    r"\angle": "∠",
    r"\triangle": "△",
    r"\to": "→⟶",
    r"\ldots": "…⋯",
    r"\langle": "⟨〈",
    r"\rangle": "⟩〉",
    r"\lfloor": "⌊",
    r"\rfloor": "⌋",
    r"\lceil": "⌈",
    r"\rceil": "⌉",
    r"\lor": "∨",
    r"\land": "∧",
    r"\mathbb{R}": "ℝ",
    r"\mathbb{Z}": "ℤ",
    r"\mathbb{N}": "ℕ",
    r"\mathbb{Q}": "ℚ",
    r"\mathbb{C}": "ℂ",
    r"\pi": "π",
    r"^\circ": "°º˚",
    "-": "−–—‒―﹣‐‑➖",
    "/": "∕⁄",
    "'": "′’‘ʹ",
    "''": "″",
    "": "“”«»「」",
    ":": "∶",
    ",": "、，",
    ".": "。",
}
_GREEK = {
    chr(code): "\\" + unicodedata.name(chr(code)).split()[-1].lower().replace("lamda", "lambda")
    for code in range(0x3B1, 0x3CA)
    if code != 0x3C2
}
_CAPITAL_GREEK = {
    "\\" + unicodedata.name(sign).split()[-1].capitalize().replace("Lamda", "Lambda"): sign
    for sign in "ΓΔΘΛΞΠΣΦΨΩ"
}
_GREEK |= {sign: name for name, sign in _CAPITAL_GREEK.items()} | {"ϕ": r"\phi", "µ": r"\mu"}
_SIGNS = _GREEK | {sign: word for word, signs in _WORDS_OF_SIGNS.items() for sign in signs}
_COMMAND = re.compile(r"\\[A-Za-z]+$")
_RAISED = re.compile(r"[⁰¹²³⁴-⁹⁺⁻⁼⁽⁾ⁿⁱ]+")
_LOWERED = re.compile(r"[₀-₉₊₋]+")
_ROOT = re.compile(r"([√∛∜])\s*(?:\(([^()]*)\)|\{([^{}]*)\}|([0-9.]+|[A-Za-z]|\\pi))")
_ROOTS = {"√": r"\sqrt", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]"}

_SIZES = re.compile(
    r"\\(?:left|right|middle|[bB]igg?[lrm]?|mleft|mright)(?![A-Za-z])\s*\.?"
    r"|\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|rm|bf|it|sf|normalsize|large|Large"
    r"|small|tiny|huge|centering|strut|hfill|bfseries|mathstrut|protect|hline)(?![A-Za-z])"
)
_COLOUR = re.compile(
    r"\\(?:textcolor|colorbox|color)\s*(?:\[[a-zA-Z]*\])?\s*\{[^{}]*\}"
    r"|\\color\s*(?:red|blue|green|black|orange|purple)(?![a-z])"
    r"|\\(?:label|tag)\*?\s*\{[^{}]*\}"
)
_FRAMES = re.compile(
    r"\\(?:underline|boxed|fbox|bm|boldsymbol|pmb|mathbf|mathit|mathnormal|mathsf|mathtt|mathcal"
    r"|ensuremath|uline|sout|underbar|cancel|phantom|mathop|mathrel|smash|displaylines|hbox\b(?=\$))"
    r"(?![A-Za-z])\s*(?=\{)"
)
_FRAMES_BARE = re.compile(r"\\(?:boxed|fbox|mathbf|bm|boldsymbol)(?![A-Za-z])\s*")
_ROMAN = re.compile(
    r"\\(?:mathrm|operatorname\*?|rm)\s*"
    r"(?:\{\s*([A-Za-z.]+)\s*\}|(?<=mathrm) ([A-Za-z])(?![A-Za-z]))"
)
_TEXTS = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal|sc|up|md)?|mbox|hbox|mathrm|operatorname\*?|emph|textsuperscript)"
    r"\s*\{"
)
_TIGHT = re.compile(r"(?<!\\)\\!|\\negthinspace(?![A-Za-z])")
_SPACES = re.compile(
    r"(?<!\\)\\[,;:> ]|~|\\(?:quad|qquad|enspace|enskip|thinspace|medspace|thickspace|space"
    r"|nobreakspace)(?![A-Za-z])|\\[hv]space\*?\{[^{}]*\}|\\\\\s*$"
)
_FENCES = re.compile(r"(?<!\\)\\[()\[\]]|(?<!\\)\$|\*\*|(?<![A-Za-z0-9_])__|__(?![A-Za-z0-9_])|`")
_QUOTED = re.compile(r"^\s*([*_\"]{1,3})([^*_\"].*?)\1\s*$", re.DOTALL)
_MATH_NAMES_TEXT = """
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp lim max min gcd lcm det
"""
_MATH_NAMES = _MATH_NAMES_TEXT.split()
_OTHER_NAMES = {
    r"\leq": r"\le",
    r"\leqslant": r"\le",
    r"\geq": r"\ge",
    r"\geqslant": r"\ge",
    r"\neq": r"\ne",
    r"\lt": "<",
    r"\gt": ">",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    r"\cfrac": r"\frac",
    r"\dbinom": r"\binom",
    r"\tbinom": r"\binom",
    r"\varnothing": r"\emptyset",
    r"\imath": "i",
    r"\dots": r"\ldots",
    r"\cdots": r"\ldots",
    r"\dotsc": r"\ldots",
    r"\dotsb": r"\ldots",
    r"\lbrace": r"\{",
    r"\rbrace": r"\}",
    r"\lbrack": "[",
    r"\rbrack": "]",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\vert": "|",
    r"\mid": "|",
    r"\bigcup": r"\cup",
    r"\bigcap": r"\cap",
    r"\ast": r"\cdot",
    r"\bullet": r"\cdot",
    r"\backslash": r"\setminus",
    r"\smallsetminus": r"\setminus",
    r"\wedge": r"\land",
    r"\vee": r"\lor",
    r"\degree": r"^\circ",
    r"\textdegree": r"^\circ",
    r"\prime": "'",
    r"\colon": ":",
    r"\percent": r"\%",
    r"\euro": "€",
    r"\pounds": "£",
    r"\textdollar": r"\$",
    r"\texteuro": "€",
    r"\lg": r"\log",
    r"\infin": r"\infty",
    r"\reals": r"\mathbb{R}",
    r"\R": r"\mathbb{R}",
    r"\Z": r"\mathbb{Z}",
    r"\N": r"\mathbb{N}",
    r"\varphi": r"\phi",
    r"\varepsilon": r"\epsilon",
    r"\implies": r"\Rightarrow",
    r"\rightarrow": r"\to",
    r"\sim": r"\approx",
    r"\doteq": r"\approx",
}
_NAMES = re.compile(r"\\[A-Za-z]+")


def plain(answer: str) -> str:
    """The answer in the one spelling: ASCII where there is a way, words as \\text{...}."""
    text = _without_frames(_signs(answer))
    text = _NAMES.sub(lambda name: _OTHER_NAMES.get(name[0], name[0]), text)
    text = re.sub(r"\\mathbb ?([A-Z])(?![A-Za-z])", r"\\mathbb{\1}", text)
    text = re.sub(r"\{\s*([,:;])\s*\}", r"\1", text).replace(r"^\circ\circ", r"^\circ")
    text = re.sub(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-z]))", r"^\\circ ", text)
    text = re.sub(r"\.\.\.+", r"\\ldots ", re.sub(r'(?<=[0-9]) ?"', "''", text))
    text = re.sub(r"(?<!\\)%", r"\\%", text)
    return tidy(text)


def tidy(text: str) -> str:
    """A text with single blanks, without blanks and commas around it and a full stop at its end."""
    return " ".join(text.split()).strip(" ,;").removesuffix(".").rstrip(" ,;")


def _signs(answer: str) -> str:
    """Unicode signs as LaTeX; invisible marks are left out, all kinds of blanks become one."""
    text = _RAISED.sub(lambda run: f"^{{{_folded(run[0])}}}", answer)
    text = _LOWERED.sub(lambda run: f"_{{{_folded(run[0])}}}", text)
    text = re.sub(r"([0-9])[\u0304\u0305\u0307]", r"\\overline{\1}", text)
    text = "".join(map(_sign, text))
    text = text.replace(r"}\overline{", "") if r"}\overline{" in text else text
    return _ROOT.sub(lambda root: f"{_ROOTS[root[1]]}{{{root[2] or root[3] or root[4]}}}", text)


def _sign(sign: str) -> str:
    if sign in _SIGNS:
        word = _SIGNS[sign]
        return f"{word} " if _COMMAND.search(word) else word
    if sign.isascii() or sign in "√∛∜€£¥₹₩₽₺₫₪฿￥￡￦":
        return unicodedata.normalize("NFKC", sign)
    kind = unicodedata.category(sign)
    if kind in ("Cf", "Cc", "Mn") or "\ufe00" <= sign <= "\ufe0f":
        return ""
    if kind.startswith("Z"):
        return " "
    if kind == "Nd":
        return str(unicodedata.decimal(sign))
    return _fraction(sign) or _again(unicodedata.normalize("NFKC", sign), sign)


def _again(folded: str, sign: str) -> str:
    return folded if folded == sign else "".join(map(_sign, folded))


def _fraction(sign: str) -> str | None:
    if unicodedata.category(sign) != "No" or "⁄" not in unicodedata.normalize("NFKC", sign):
        return None
    value = Fraction(unicodedata.normalize("NFKC", sign).replace("⁄", "/").rstrip("/") or "0")
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _folded(run: str) -> str:
    return unicodedata.normalize("NFKC", run).replace("−", "-")


def _without_frames(text: str) -> str:
    """The text without sizes, colours, frames, bold, blanks of LaTeX, and marks of mathematics."""
    text = _SIZES.sub(" ", text.replace(r"\left\{", r"\{").replace(r"\right\}", r"\}"))
    text = _SPACES.sub(" ", _TIGHT.sub("", _COLOUR.sub("", text)))
    text = _FRAMES_BARE.sub("", _FRAMES.sub("", text))
    text = re.sub(r"US ?(?=\\\$)", "", _QUOTED.sub(r"\2", text))
    text = _FENCES.sub(" ", text.replace(r"\$", "＄")).replace("＄", r"\$")
    text = _ROMAN.sub(_roman, text)
    return re.sub(r"\\text\{([^{}]*)\}", _spaced_text, _TEXTS.sub(r"\\text{", text))


def _roman(found: re.Match[str]) -> str:
    name = found[1] or found[2]
    if name in _MATH_NAMES:
        return rf"\{name} "
    return f" {name}" if name in ("e", "i", "d", "T") else rf"\text{{{name}}}"


def _spaced_text(found: re.Match[str]) -> str:
    words = " ".join(found[1].split())
    return rf" \text{{{words}}} " if words else " "
