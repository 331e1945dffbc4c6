"""The rules of "Thought Anchors" (Bogdan et al. 2025, arXiv 2506.19143), as published.

Its faults are part of it: `\\frac{51}{2}` equals `\\frac{5}{12}` and (1,2) equals 12, since braces
and commas are dropped; 50% is not 50. The answer is the first box, that of the thought included.
"""

import contextlib
import io
import re
from collections.abc import Sequence

from cotsieve.answers.boxed import first_box

_NORMAL = (
    (r"\\[dt]frac", r"\\frac"),
    (r"\s+", ""),
    (r"\\%", ""),
    (r"\{,\}", ""),
    (r"\\times", "*"),
    (r"\\cdot", "*"),
    (r"(\d+)[.,](\d+)", r"\1.\2"),
    (r"\{([^{}]+)\}", r"\1"),
    (r"\\pi", "pi"),
    (r"\\text\{([^}]+)\}", r"\1"),
    (r"\\mathrm\{([^}]+)\}", r"\1"),
    (r"([a-z]+)\\+(\d+)", r"\1\2"),
    (r"\\text", ""),
)
_READY = (
    (r"\\[dt]frac", r"\\frac"),
    (r"\\(?:cdot|times)", "*"),
    (r"\\div", "/"),
    (r"\\(?:left|right|textbf|text|mathrm|!)|,", ""),
)


def read_answer(text: str) -> str:
    """The answer of a completion: its first box that is not empty, or ""."""
    return first_box(text) or ""


def normalized(answer: str, times: int = 1) -> str:
    """An answer in the form in which two are compared; doing it again may change it further."""
    for _ in range(times):
        answer = _replaced(answer.strip().lower(), _NORMAL)
    return answer


def equal(prediction: str, reference: str) -> bool:
    """Whether the published check accepts an answer; to be called in a process of its own only.

    Raises ValueError where SymPy can neither prove nor refute it, which the published check calls
    undecided.
    """
    if normalized(prediction) == normalized(reference):
        return True
    try:
        verdict = _expression(prediction).equals(_expression(reference))
    except Exception:  # part of the rule: what cannot be read is not equal
        return False
    if verdict is None:
        raise ValueError("SymPy cannot tell")
    return bool(verdict)


def _expression(answer: str):
    """An answer as SymPy's LaTeX grammar reads it.

    SymPy asks for one version of the ANTLR runtime; the tables of its grammar suit later ones too.
    """
    import antlr4
    from sympy.parsing.latex._parse_latex_antlr import (
        LaTeXLexer,
        LaTeXParser,
        MathErrorListener,
        convert_relation,
    )

    text = _replaced(answer, _READY).strip()
    faults = MathErrorListener(text)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that the versions differ
        lexer = LaTeXLexer(antlr4.InputStream(text))
        parser = LaTeXParser(antlr4.CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(faults)
    return convert_relation(parser.math().relation())


def _replaced(text: str, rules: Sequence[tuple[str, str]]) -> str:
    for pattern, by in rules:
        text = re.sub(pattern, by, text)
    return text
