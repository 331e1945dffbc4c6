"""How conditions, numbers and verdicts are called on the page."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from cotsieve.findings.shares import Share

VERDICT_WORDS = {
    "correct": "right",
    "incorrect": "wrong",
    "no_answer": "no answer",
    "failed": "failed",
}
OPERATION_WORDS = {
    "zero": "set to zero",
    "mean": "replaced by the mean",
    "resample": "taken from another problem",
    "noise": "with noise added",
    "patch": "patched",
    "remove": "without its token directions",
    "discretize": "rounded to a token",
    "discretize_norm": "rounded to a token, length kept",
    "project": "projected on token embeddings",
    "replace": "turned towards a token",
}
REASONING_WORDS = {
    "empty": "no reasoning, an empty thought",
    "finished": "no reasoning, “I have finished thinking”",
    "drop-answer-statement": "reasoning without its answer statement",
    "drop-statement": "reasoning without its statement",
    "drop-equation": "reasoning without an equation",
    "statement-only": "the answer statement alone",
    "alter-statement": "reasoning with a changed answer statement",
    "alter-all": "reasoning with its answer changed throughout",
    "mask-digits": "reasoning with digits masked",
    "reverse": "reasoning in reverse order",
    "shuffle": "reasoning with shuffled sentences",
    "swap": "another problem's reasoning",
    "filler": "filler of equal length",
    "keep": "its own reasoning",
}


def described(definition: Mapping[str, Any] | None) -> str:
    """A condition in a few words, such as "thoughts 1–3 set to zero after the middle block"."""
    if not definition:
        return "no intervention"
    if "operation" in definition:
        return _intervention(definition)
    return _text_condition(definition)


def thought_words(thoughts: Any) -> str:
    """Which thoughts a condition touches, counted from 1."""
    if thoughts in (None, "all"):
        return "all thoughts"
    numbers = list(range(thoughts["first"])) if isinstance(thoughts, Mapping) else list(thoughts)
    if len(numbers) == 1:
        return f"thought {numbers[0] + 1}"
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"thoughts {numbers[0] + 1}–{numbers[-1] + 1}"
    return "thoughts " + ", ".join(str(number + 1) for number in numbers)


def _intervention(definition: Mapping[str, Any]) -> str:
    what = OPERATION_WORDS.get(definition["operation"], definition["operation"])
    words = f"{thought_words(definition.get('thoughts'))} {what}"
    component = definition.get("component", "resid_post")
    if component == "pre_projection":
        words += " before projection"
    else:
        side = "before" if component == "resid_pre" else "after"
        layer = definition["layer"]
        words += f", {side} {layer_words(layer)}"
    extras = []
    if definition.get("rest") == "frozen":
        extras.append("other thoughts held")
    if definition.get("scope") == "seed":
        extras.append("seed token too")
    if definition.get("where") == "numbers":
        extras.append("numbers only")
    return words + (f" ({', '.join(extras)})" if extras else "")


def layer_words(layer: str | float | int) -> str:
    """Such as "the middle block" or "block 7"."""
    if isinstance(layer, str):
        return f"the {layer} block"
    return f"depth {layer:g}" if isinstance(layer, float) else f"block {layer}"


def _text_condition(definition: Mapping[str, Any]) -> str:
    kind = definition.get("reasoning", "keep")
    words = REASONING_WORDS.get(kind, kind)
    if kind == "truncate":
        fraction, sentences = definition.get("fraction"), definition.get("sentences")
        kept = f"first {fraction:.0%}" if fraction is not None else f"first {sentences} sentences"
        words = f"{kept} of the reasoning"
    if definition.get("attention") == "blocked":
        words = "reasoning hidden from the answer"
    return words + (", answer forced" if definition.get("answer") == "forced" else "")


def percent(value: float | None, digits: int = 1) -> str:
    """Such as "41.1 %"; an en dash for none."""
    return "–" if value is None else f"{100 * value:.{digits}f}\u202f%"


def whole(value: float | None) -> str:
    """Such as "7,500"; an en dash for none."""
    return "–" if value is None else f"{round(value):,}"


def interval(share: Mapping[str, Any]) -> str:
    """The bounds of a share, such as "76.6–87.3 %"."""
    if share["low"] is None:
        return "–"
    return f"{100 * share['low']:.1f}–{100 * share['high']:.1f}\u202f%"


def plain_share(found: Share) -> dict[str, float | int | None]:
    """A share as plain values; `value` from 0 to 1."""
    return {
        "count": found.count,
        "total": found.total,
        "value": found.value,
        "low": found.low,
        "high": found.high,
    }


def joined(parts: Sequence[str]) -> str:
    """Such as "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def escaped(text: object) -> str:
    """Text for HTML."""
    return html.escape(str(text), quote=True)
