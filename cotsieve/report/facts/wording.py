"""How conditions, numbers and verdicts are called on the page."""

import html
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from cotsieve.findings.necessity.net_effect import balance, doubt
from cotsieve.findings.paired import Paired
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
    "noise": "with noise of scale {scale} added",
    "patch": "patched with {activations}",
    "remove": "without its token directions",
    "discretize": "rounded to a token",
    "discretize_norm": "rounded to a token, length kept",
    "project": "projected on {embeddings}",
    "replace": "turned towards the token “{token}”",
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
    "filler": "filler of equal length, {filler}",
    "keep": "its own reasoning",
}

FILLER_WORDS = {"dots": "dots", "neutral": "neutral words"}
EXTRA_WORDS = {
    ("rest", "frozen"): "other thoughts held",
    ("scope", "seed"): "seed token too",
    ("where", "numbers"): "numbers only",
    ("read", "input"): "read before the block",
    ("units", "absolute"): "absolute scale",
    ("rescale", True): "length kept",
}
"""What a field that is not at its default is called; another is told by its own name."""


def described(definition: Mapping[str, Any] | None) -> str:
    """A condition in a few words, such as "thoughts 1–3 set to zero, after the middle block".

    A definition holds what is not the default; two that differ are described by different words.
    """
    if definition is None:
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
    operation = definition["operation"]
    what = OPERATION_WORDS.get(operation, operation).format(
        scale=_number(definition.get("scale", 1)),
        activations=_activations(definition),
        embeddings=_embeddings(definition.get("top", 1)),
        token=definition.get("token"),
    )
    words = f"{thought_words(definition.get('thoughts'))} {what}"
    component = definition.get("component", "resid_post")
    if component == "pre_projection":
        words += " before projection"
    else:
        side = "before" if component == "resid_pre" else "after"
        words += f", {side} {layer_words(definition['layer'])}"
    told = ("operation", "layer", "thoughts", "component", "token", "top")
    told += ("activations", "activations_sha256", *(("scale",) if operation == "noise" else ()))
    extras = _extras(definition, told)
    return words + (f" ({', '.join(extras)})" if extras else "")


def _extras(definition: Mapping[str, Any], told: Sequence[str]) -> list[str]:
    """What a definition says beside the fields that are told already."""
    return [
        EXTRA_WORDS.get((field, value), f"{field} {value}")
        for field, value in definition.items()
        if field not in told
    ]


def _activations(definition: Mapping[str, Any]) -> str:
    """What is patched in: its own, or those of a file, which is told by its content."""
    digest = definition.get("activations_sha256")
    return f"the activations of file {digest[:8]}" if digest else "its own activations"


def _embeddings(count: int) -> str:
    return "its token's embedding" if count == 1 else f"{count} token embeddings"


def layer_words(layer: str | float | int) -> str:
    """Such as "the middle block" or "block 7"."""
    if isinstance(layer, str):
        return f"the {layer} block"
    return f"depth {_number(layer)}" if isinstance(layer, float) else f"block {layer}"


_TOLD_OF_TEXT = (
    "reasoning",
    "fraction",
    "sentences",
    "sentences_fraction",
    "answer",
    "attention",
    "filler",
)


def _text_condition(definition: Mapping[str, Any]) -> str:
    kind = definition.get("reasoning", "keep")
    filler = definition.get("filler", "dots")
    words = REASONING_WORDS.get(kind, kind).format(filler=FILLER_WORDS.get(filler, filler))
    if kind == "truncate":
        words = f"first {_kept(definition)} of the reasoning"
    if definition.get("attention") == "blocked":
        words = "reasoning hidden from the answer"
    words += ", answer forced" if definition.get("answer") == "forced" else ""
    extras = _extras(definition, _TOLD_OF_TEXT if kind == "filler" else _TOLD_OF_TEXT[:-1])
    return words + (f" ({', '.join(extras)})" if extras else "")


def _kept(definition: Mapping[str, Any]) -> str:
    """What of a reasoning is kept, such as "50%", "50% of the sentences" or "2 sentences"."""
    sentences = definition.get("sentences")
    if sentences is not None:
        return "sentence" if sentences == 1 else f"{sentences} sentences"
    if definition.get("fraction") is not None:
        return f"{_hundredths(definition['fraction'])}%"
    return f"{_hundredths(definition['sentences_fraction'])}% of the sentences"


def _hundredths(share: float) -> str:
    """A share times 100 with all its digits: shares that differ must not look the same."""
    return _plainly(100 * Decimal(repr(share)))


def _number(value: float) -> str:
    return _plainly(Decimal(repr(value)))


def _plainly(value: Decimal) -> str:
    """All digits, without closing zeros, point or exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float | None, digits: int = 1) -> str:
    """Such as "41.1 %"; an en dash for none."""
    return "–" if value is None else f"{100 * value:.{digits}f}\u202f%"


def whole(value: float | None) -> str:
    """Such as "7,500"; an en dash for none."""
    return "–" if value is None else f"{round(value):,}"


def interval(share: Mapping[str, Any]) -> str:
    """The bounds of a share, such as "76.6–87.3 %"."""
    if share["low"] is None:
        return "by definition" if share["total"] else "–"
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


def plain_net(net: Paired) -> dict[str, Any]:
    """How many answers turn which way under an ablation, as plain values and in words."""
    change = net.change
    return {
        "broken": net.first_only,
        "won": net.second_only,
        "p": net.p,
        "change": change and change._asdict(),
        "balance": balance(net),
        "doubt": doubt(net),
    }


def joined(parts: Sequence[str]) -> str:
    """Such as "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def escaped(text: object) -> str:
    """Text for HTML."""
    return html.escape(str(text), quote=True)
